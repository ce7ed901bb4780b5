"""Faults, for real: kill -9 while the pages are polled, a full disk, damaged files, two services, a force-push, a stop signal."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from benchmarks.service.mirror import git
from tests.benchmarks.service.scratch import ROOT, Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
PAGES = ("/", "/asv/", "/asv/index.json", "/asv/regressions.json", "/status.json", "/regressions.json", "/regressions.xml")


class Poller(threading.Thread):
    """Asks for the pages all the time, and keeps what was not 200.

    The answer that a killed server was just sending is cut off; that page is asked for again, once.
    """

    def __init__(self, service: Service):
        super().__init__(daemon=True)
        self.service, self.count, self.cut, self.wrong = service, 0, 0, []
        self.ended = threading.Event()

    def ask(self, path: str) -> int | str:
        """The page's status, or what went wrong."""
        try:
            return self.service.get(path)[0]
        except (OSError, HTTPException) as error:
            return repr(error)

    def run(self) -> None:
        while not self.ended.wait(0.03):
            path = PAGES[self.count % len(PAGES)]
            status = self.ask(path)
            if isinstance(status, str):
                self.cut += 1
                status = self.ask(path)
            self.count += 1
            if status != 200:
                self.wrong.append((path, status))

    def end(self) -> None:
        self.ended.set()
        self.join()


def test_kill_9_while_the_pages_are_polled(tiny, start):
    """The service dies at random points, now and then its guard sees nothing of it, and is started again on systemd's socket.

    Every page answers 200 all the time, but for the answer that a kill cuts off; every commit is measured, nothing is measured twice, no
    process stays.
    """
    rng = random.Random(os.environ.get("SEED", "7"))
    service = start(tiny)
    service.wait(lambda: service.get("/asv/index.json")[0] == 200, 600)
    poller = Poller(service)
    poller.start()
    shas = list(tiny.shas)
    phases = []
    for turn in range(15):
        shas.append(tiny.commit("more"))
        time.sleep(rng.uniform(1.5, 10))
        phases.append(service.json("/status.json").get("phase", "")[:9])
        for pid in service.children() if turn % 3 == 2 else []:
            with suppress(OSError):
                if b"guard.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGSTOP)  # as good as dead: it sees nothing, until the next service kills it
        service.kill()
        service.start()
    service.wait(lambda: service.measured() == set(shas) and service.idle(len(shas)), 900)
    poller.end()
    print(f"{len(phases)} kills while {phases}; {poller.count} pages asked for, {poller.cut} answers cut off, wrong: {poller.wrong}")
    assert poller.wrong == [] and poller.count > 1500 and poller.cut <= len(phases) == 15
    results = service.data / "results"
    assert git(results, "status", "--porcelain") == "" and git(results, "fsck") == ""
    log = git(results, "log", "--format=%s")
    assert all(log.count(f"Results of {sha[:8]}") == 1 for sha in shas)
    assert service.json("/regressions.json")["regressions"] == []


def test_killed_service_ends_its_benchmark(tiny, start):
    service = start(tiny)
    service.wait(lambda: len(service.children()) >= 3, 120)
    service.kill()
    end = time.monotonic() + 15
    while service.children() and time.monotonic() < end:
        time.sleep(0.1)
    assert service.children() == []


def test_stop_signal_finishes_cleanly(tiny, start):
    service = start(tiny)
    service.wait(lambda: len(service.children()) >= 3, 120)
    begin = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - begin < 45 and service.children() == []


def test_two_services_at_once(tiny, start):
    service = start(tiny)
    service.wait(lambda: service.get("/")[0] == 200)
    config = service.folder / "second.toml"
    config.write_text(service.config.read_text().replace(f"port = {service.port}", "port = 0"))
    command = [sys.executable, "-m", "benchmarks.service", "--config", str(config)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1 and "another benchmark service is at work in" in second.stderr
    assert service.get("/")[0] == 200


def test_damaged_files(tiny, start):
    """Results, asv's lists, the state, git's own files, the mirror and the pages, each damaged while the service runs."""
    service = start(tiny)
    service.wait(lambda: service.idle(4), 600)
    results = service.data / "results"
    (first, *_) = sorted((results / "asv").glob("*/*-*.json"))
    machine = first.with_name("machine.json")
    victims = [first, machine, results / "asv" / "benchmarks.json", results / "state.json", results / ".git" / "index"]
    victims += [results / ".git" / "HEAD", service.data / "home" / ".asv-machine.json"]
    victims += [service.data / "mirror" / "HEAD", service.data / "mirror" / "refs" / "heads" / "main"]
    good = {path: path.read_bytes() for path in (first, machine, results / "asv" / "benchmarks.json")}
    shas = list(tiny.shas)
    for number, victim in enumerate(victims):
        victim.write_bytes([b"", b'{"version": 2, "resu', b"\0" * 40][number % 3])
        shas.append(tiny.commit("more"))
        service.wait(lambda: service.idle(len(shas)), 300)
        print(f"{victim.relative_to(service.data)}: repaired")
        if victim in good and victim.name != "benchmarks.json":
            assert victim.read_bytes() == good[victim]
    assert service.measured() == set(shas) and service.get("/health")[0] == 200
    assert git(results, "fsck") == "" and git(results, "status", "--porcelain") == ""


def test_half_installed_package(tiny, start):
    """What a kill in the middle of an installation leaves: pip refuses to go on, until the environment is made anew."""
    service = start(tiny)
    service.wait(lambda: service.idle(4), 600)
    (record,) = (service.data / "work" / "env").glob("*/lib/python*/site-packages/tiny-*.dist-info/RECORD")
    record.unlink()
    sha = tiny.commit("more")
    service.wait(lambda: service.idle(5), 300)
    assert sha in service.measured() and [line["tries"] for line in service.messages("no result")] == [1]


def test_full_disk(tiny, start, tmp_path: Path):
    """All of the results on a file system of 3 MB that is filled to the last byte, then emptied."""
    if os.geteuid():
        pytest.skip("mounting a small file system needs root")
    mounted = tmp_path / "service-0" / "data" / "results"
    mounted.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mounted)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        service = start(tiny, min_free_gb=0)
        service.wait(lambda: service.idle(4), 600)
        before = {path: path.read_bytes() for path in (mounted / "asv").glob("*/*.json")}
        ballast = mounted / ".git" / "ballast"
        with suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        shas = [*tiny.shas, tiny.commit("while it is full")]
        reason = service.wait(lambda: [r for r in service.json("/health")["reasons"] if "space" in r], 300)
        print(reason)
        assert service.get("/health")[0] == 503 and all(service.get(page)[0] == 200 for page in PAGES)
        assert {path: path.read_bytes() for path in before} == before
        ballast.unlink(missing_ok=True)
        service.wait(lambda: service.idle(5) and service.get("/health")[0] == 200, 300)
        assert service.measured() == set(shas) and git(mounted, "fsck") == "" and git(mounted, "status", "--porcelain") == ""
    finally:
        service.close()
        subprocess.run(["umount", "-l", str(mounted)], check=False)
        shutil.rmtree(mounted, ignore_errors=True)


def test_disk_low_pauses_the_work(tiny, start):
    service = start(tiny, min_free_gb=1e9)
    reason = service.wait(lambda: [r for r in service.json("/health")["reasons"] if r.startswith("disk low")])
    assert reason and service.get("/health")[0] == 503 and not (service.data / "work").exists()


def test_force_push(tiny, start):
    service = start(tiny)
    service.wait(lambda: service.idle(4), 600)
    tiny.git("reset", "--hard", tiny.shas[1])
    new = [tiny.commit(f"new {i}") for i in range(2)]
    service.wait(lambda: service.measured() == {*tiny.shas, *new} and service.idle(4), 300)
    index = service.json("/asv/index.json")
    assert set(index["revision_to_hash"].values()) == {*tiny.shas[:2], *new} and service.get("/health")[0] == 200
