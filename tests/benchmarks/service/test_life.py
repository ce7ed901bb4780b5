"""The service for real on the tiny compiled project: builds, measurements, asv's detection, alerts."""

import hashlib
import hmac
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import feedparser
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class Hook:
    """A webhook's receiver, which can be away."""

    def __init__(self):
        self.got: list[tuple[dict, bytes]] = []
        self.server: HTTPServer | None = None
        self.port = 0

    def open(self) -> None:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                hook.got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


@pytest.fixture
def hook():
    made = Hook()
    made.open()
    yield made
    made.close()


def test_unoptimised_file_is_named_told_and_resolved(tiny, start, hook, tmp_path: Path):
    """-O0 for one file: found, confirmed, named at exactly that commit; the webhook is away at first; the fix is told once."""
    (tmp_path / "secret").write_text("key")
    port = hook.port
    hook.close()
    begin = time.monotonic()
    culprit = tiny.edit("Easier to debug", "setup.py", '"work": "-O2"', '"work": "-O0"')
    later = [tiny.commit("later") for _ in range(2)]
    service = start(tiny, webhook_url=f"http://127.0.0.1:{port}/", webhook_secret_file=str(tmp_path / "secret"))
    record = service.wait(lambda: service.json("/regressions.json")["regressions"][0], 900)
    print(f"confirmed after {time.monotonic() - begin:.0f} s, from the first start with an empty folder")
    (series,) = record["series"].values()
    print({key: series[key] for key in ("entry", "before", "after", "ratio", "low", "high", "confidence", "pairs", "reference")})
    assert (record["commit"], record["parent"], record["subject"]) == (culprit, tiny.shas[-1], "Easier to debug")
    assert series["low"] > 1.5 and abs(series["reference"] - 1) < 0.1
    reason = service.wait(lambda: [r for r in service.json("/health")["reasons"] if "webhook" in r])
    assert "refused" in reason[0]
    hook.port = port
    hook.open()
    service.wait(lambda: hook.got, 300)
    ((headers, body),) = hook.got
    assert headers["X-Signature-256"] == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()
    assert json.loads(body)["commit"] == culprit
    service.wait(lambda: service.idle(len(tiny.shas) + 3), 600)
    tiny.edit("Optimise again", "setup.py", '"work": "-O0"', '"work": "-O2"')
    tiny.commit("after")
    begin = time.monotonic()
    service.wait(lambda: len(hook.got) == 2, 900)
    print(f"resolved {time.monotonic() - begin:.0f} s after the fix")
    assert json.loads(hook.got[1][1])["event"] == "resolved"
    service.wait(lambda: service.idle(len(tiny.shas) + 5), 600)
    assert len(hook.got) == 2 and later
    feed = feedparser.parse(service.get("/regressions.xml")[1])
    assert not feed.bozo and feed.entries[0].title.startswith("Resolved") and len(feed.entries) == 2
    # The command of the alert, in a clone, with no more than asv.
    tiny.git("clone", "--quiet", str(tiny.path), str(tmp_path / "clone"))
    command = [sys.executable, "-m", *shlex.split(record["reproduce"])]
    home = {**os.environ, "HOME": str(service.data / "home")}  # where asv knows the machine
    shown = subprocess.run(command, cwd=tmp_path / "clone", env=home, capture_output=True, text=True, timeout=600, check=False)
    assert shown.returncode == 1 and "PERFORMANCE DECREASED" in shown.stdout and "bench_work.track_ratio" in shown.stdout, shown


def test_removed_parallel_loop_is_named(tiny, start):
    """A loop that lost its second thread: found, confirmed, named at exactly that commit, and nothing else with it."""
    begin = time.monotonic()
    pragma = "    #pragma omp parallel for num_threads(2) reduction(+ : total)\n"
    culprit = tiny.edit("One thread is enough", "tiny/parallel.c", pragma, "")
    for _ in range(2):
        tiny.commit("later")
    service = start(tiny)
    record = service.wait(lambda: service.json("/regressions.json")["regressions"][0], 900)
    print(f"confirmed after {time.monotonic() - begin:.0f} s, from the first start with an empty folder")
    ((key, series),) = record["series"].items()
    print({key: series[key] for key in ("entry", "before", "after", "ratio", "low", "high", "confidence", "pairs", "reference")})
    assert (record["commit"], record["parent"]) == (culprit, tiny.shas[-1]) and key.endswith("track_parallel_ratio")
    assert series["ratio"] > 1.25  # 2 where the second CPU is free


def test_memory_is_named_told_and_shown(tiny, start):
    """A table that nobody needs: found in the peak memory alone, confirmed, named at exactly that commit, with its unit."""
    begin = time.monotonic()
    table = "    static volatile char table[64 << 20];\n    for (long i = 0; i < (64 << 20); i += 1024)\n        table[i] = 1;\n"
    culprit = tiny.edit("A table", "tiny/work.c", "    for (long i = 0; i < COST; i++)\n", table + "    for (long i = 0; i < COST; i++)\n")
    for _ in range(2):
        tiny.commit("later")
    service = start(tiny, alert="peakmem_")
    record = service.wait(lambda: service.json("/regressions.json")["regressions"][0], 900)
    print(f"confirmed after {time.monotonic() - begin:.0f} s, from the first start with an empty folder")
    ((key, series),) = record["series"].items()
    print({key: series[key] for key in ("entry", "before", "after", "ratio", "low", "high", "confidence", "pairs", "reference")})
    assert (record["commit"], record["parent"]) == (culprit, tiny.shas[-1]) and key.endswith("peakmem_work")
    assert 55 << 20 < series["after"] - series["before"] < 70 << 20  # less than all of it where importing took more for a moment
    assert "MiB → " in service.get("/")[1].decode()


def test_one_outlier_and_one_drift(tiny, start, tmp_path: Path):
    """A commit measured during a bad moment raises no alert; one measured while the machine was slow is measured again."""
    faults = tmp_path / "faults.json"
    service = start(tiny, environment={"TINY_FAULTS": str(faults)})
    service.wait(lambda: service.idle(4), 600)
    faults.write_text('{"ratio": 1.6}')
    sha = tiny.commit("innocent")
    service.wait(lambda: sha in service.measured(), 300)
    faults.unlink()
    service.wait(lambda: service.messages("not confirmed") and service.idle(5), 600)
    assert service.json("/regressions.json")["regressions"] == []
    faults.write_text('{"reference": 1.5}')
    other = tiny.commit("measured while the machine is slow")
    reason = service.wait(lambda: [r for r in service.json("/health")["reasons"] if r.startswith("reference off by")], 300)
    assert service.get("/health")[0] == 503 and "thrown away" in reason[0] and other not in service.measured()
    faults.unlink()
    service.wait(lambda: other in service.measured() and service.get("/health")[0] == 200, 300)


def test_broken_builds_then_good_ones(tiny, start):
    broken = [tiny.edit("Does not compile", "tiny/work.c", "double values", "duoble values"), tiny.commit("neither")]
    good = [tiny.edit("Compiles", "tiny/work.c", "duoble values", "double values"), tiny.commit("good")]
    service = start(tiny)
    service.wait(lambda: service.idle(6) and len(service.json("/status.json")["failed"]) == 2, 900)
    assert service.measured() == {*tiny.shas, *good}
    tries = [line["commit"] for line in service.messages("no result")]
    assert {sha: tries.count(sha) for sha in tries} == dict.fromkeys(broken, 3)
    assert service.get("/health")[0] == 200
