"""What the service's tests stand on: scratch repositories, the service as a process, and asv with made-up measurements."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.service.asv import Asv, file_of, load_result, values_of
from benchmarks.service.config import Config
from benchmarks.service.files import write_json
from benchmarks.service.runner import Runner

ROOT = Path(__file__).resolve().parents[3]
TINY = Path(__file__).parent / "tiny"
VENDOR = Path(os.environ.get("CYCONV_VENDOR", ROOT / ".asv" / "vendor"))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


class Repository:
    """A scratch git repository; each commit is a day later than the one before."""

    def __init__(self, path: Path, template: Path | None = None):
        self.path = path
        self.day = 1
        if template:
            shutil.copytree(template, path, ignore=shutil.ignore_patterns("__pycache__"))
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main", ".")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")

    def git(self, *arguments: str) -> str:
        """A git command's output."""
        stamp = (datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(self.day)).isoformat()
        environment = {**os.environ, "GIT_COMMITTER_DATE": stamp, "GIT_AUTHOR_DATE": stamp}
        return subprocess.run(
            ["git", *arguments], cwd=self.path, env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, subject: str = "A change", **files: str) -> str:
        """Commit files (with `__` for `/` and `_dot_` for `.` in their names); the commit."""
        self.day += 1
        for name, text in files.items():
            path = self.path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.path / "day.txt").write_text(str(self.day))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def edit(self, subject: str, name: str, old: str, new: str) -> str:
        """Commit a replacement in one file."""
        text = (self.path / name).read_text()
        assert old in text
        (self.path / name).write_text(text.replace(old, new))
        return self.commit(subject)


class SimulatedAsv(Asv):
    """asv whose measurements are made up: `value(commit, env, entry, count)`; None stands for a build that fails."""

    value: Callable[[str, str, str, int], float | None]
    entries: tuple[str, ...] = ("bench.track_ratio", "bench.track_reference")
    envs: tuple[str, ...] = ("virtualenv-py3",)
    count = 0
    runs: list[list[str]]
    real_pages = False

    def run(self, commits: list[str], out: Path, bench: Iterable[str] = (), envs: Iterable[str] = (), seed: Iterable[dict] = ()) -> None:
        self.runs.append(commits)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        machine = self.config.machine
        described = {"version": 1, "machine": machine}
        facts = {"version": "1", "params": [], "param_names": [], "type": "track", "unit": "unit", "code": ""}
        for commit in commits:
            for env in self.envs:
                self.count += 1
                values = {entry: self.value(commit, env, entry, self.count) for entry in self.entries}
                if None in values.values():
                    continue
                rows = {entry: [[value], [], "1", 0, 1.0, [value * 0.99], [value * 1.01]] for entry, value in values.items()}
                columns = ["result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b"]
                head = {"commit_hash": commit, "env_name": env, "date": 1000 * int(self.day(commit)), "version": 2, "durations": {}}
                series = {"params": {"machine": machine, "python": "3"}, "python": "3", "requirements": {}, "env_vars": {"ENV": env}}
                data = {**head, **series, "result_columns": columns, "results": rows}
                write_json(out / machine / file_of(data), data)
                write_json(out / machine / "machine.json", described)
                write_json(out / "benchmarks.json", {"version": 2} | {e: {"name": e, **facts} for e in self.entries})

    def day(self, commit: str) -> str:
        """The commit's date, in seconds."""
        show = ["git", "-C", str(self.mirror.path), "show", "-s", "--format=%at", commit]
        return subprocess.run(show, check=True, capture_output=True, text=True).stdout

    def know_machine(self) -> None:
        """There is nothing to describe."""

    def publish(self, html: Path) -> None:
        """asv's pages, or, much quicker, a page with the steps that anybody would see."""
        if self.real_pages:
            return super().publish(html)
        commits, results = self.mirror.commits(), self.config.data / "results" / "asv"
        regressions = []
        for env in self.envs:
            for entry in self.entries:
                found = [load_result(path) for sha in commits for path in results.glob(f"*/{sha[:8]}-{env}.json")]
                values = {result["commit_hash"]: values_of(result).get(f"{env}|{entry}") for result in found if result}
                series = [(sha, value) for sha, value in values.items() if value is not None]
                values = [value for _, value in series]
                steps = [i for i in range(1, len(values)) if min(values[i:]) > 1.05 * max(values[:i])][:1]
                numbers = [(commits.index(series[i - 1][0]), commits.index(series[i][0])) for i in steps]
                jumps = [[None if b == a + 1 else a, b, 1.0, 1.1] for a, b in numbers]
                if jumps:
                    regressions.append([entry, "", {"env-ENV": env}, None, 1.1, 1.0, jumps])
        hashes = {str(i): sha for i, sha in enumerate(commits)}
        write_json(html / "index.json", {"benchmarks": {"a": {}}, "graph_param_list": [{}], "revision_to_hash": hashes})
        write_json(html / "regressions.json", {"regressions": regressions})
        (html / "regressions.xml").write_text("<feed/>")
        (html / "index.html").write_text("<html></html>")


def simulated(config: Config, value: Callable[[str, str, str, int], float | None]) -> tuple[Runner, SimulatedAsv]:
    """A runner on made-up measurements."""
    runner = Runner(config, threading.Event())
    asv = SimulatedAsv(config, runner.mirror, runner.stop)
    asv.value, asv.runs = value, []
    runner.asv = runner.regressions.asv = asv
    return runner, asv


def settle(runner: Runner, most: int = 200) -> None:
    """Fetch, and step until there is nothing left to do."""
    runner.last_fetch = float("-inf")
    runner.store.open()
    for _ in range(most):
        runner.store.repair()
        if runner.step():
            return
    raise AssertionError("the runner does not come to rest")


class Service:
    """The service as a process, on a socket that stays open while it is killed and started again."""

    def __init__(self, folder: Path, repo: Path, **settings: object):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        values = {"repo": str(repo), "data": str(self.data), "vendor": str(VENDOR), "port": self.port, "poll_seconds": 2}
        values |= {"publish_seconds": 0, "alert": "ratio", "reference": "track_reference", "pairs": 8, "aa_days": 0}
        values |= {"min_free_gb": 0.001, "retry_seconds": 1} | settings
        self.config = folder / "service.toml"
        self.config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items() if not isinstance(value, dict)))
        with open(self.config, "a") as file:
            for key, table in values.items():
                if isinstance(table, dict):
                    file.write(f"[{key}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in table.items()))
        self.process: subprocess.Popen | None = None

    def start(self) -> Service:
        """Start it, as systemd does with a socket unit."""
        shell = 'exec 3<&0 </dev/null; LISTEN_FDS=1 exec "$@"'  # the socket comes in as standard input
        command = ["bash", "-c", shell, "-", sys.executable, "-m", "benchmarks.service", "--config", str(self.config)]
        self.log = open(self.folder / "log", "ab")  # noqa: SIM115
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=self.socket.fileno(), stdout=self.log, stderr=self.log, env=environment, start_new_session=True
        )
        return self

    def get(self, path: str = "/", timeout: float = 60) -> tuple[int, bytes]:
        """Status and body of a page."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def json(self, path: str) -> dict:
        """A page of JSON."""
        return json.loads(self.get(path)[1])

    def wait(self, what: Callable[[], object], seconds: float = 240) -> object:
        """Wait until something is so; what it is."""
        end = time.monotonic() + seconds
        while True:
            with suppress(OSError, ValueError, KeyError, IndexError):
                if found := what():
                    return found
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s; the log ends with\n{self.tail()}")
            assert self.process is None or self.process.poll() is None, self.tail()
            time.sleep(0.3)

    def tail(self, lines: int = 25) -> str:
        """The end of the log."""
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-lines:])

    def measured(self) -> set[str]:
        """The commits with a result file that can be read, as the files say."""
        found = set()
        for path in (self.data / "results" / "asv").glob("*/*-*.json"):
            with suppress(ValueError):
                found.add(json.loads(path.read_text())["commit_hash"])
        return found

    def idle(self, commits: int) -> bool:
        """Whether that many commits are measured and nothing is left to do."""
        status = self.json("/status.json")
        return status["measured"] == commits and status["waiting"] == 0 and status["phase"].startswith("waiting")

    def messages(self, text: str) -> list[dict]:
        """The lines of the log with some message."""
        found = []
        for line in (self.folder / "log").read_text(errors="replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return [line for line in found if line["message"] == text]

    def children(self) -> list[int]:
        """All processes of asv and its benchmarks."""
        wanted = f"CYCONV_BENCHMARK_SERVICE={self.data}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found

    def kill(self) -> None:
        """Kill it, without a chance to say a word."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.process = None
        self.log.close()
        return status

    def close(self) -> None:
        """Stop it and let the socket go."""
        self.stop()
        self.socket.close()
