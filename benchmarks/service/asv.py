"""Calls asv: its configuration made from the project's, one command at a time under the guard, its result files read.

Only asv's command line and its JSON files are used, not its Python modules. Used by `runner`, `compare` and `publish`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import json5

from benchmarks.service import guard
from benchmarks.service.config import Config
from benchmarks.service.files import read_json, write_json
from benchmarks.service.mirror import Mirror

KEPT_LOGS = 200


class Stopped(Exception):
    """The service was told to stop while a command ran."""


class AsvError(RuntimeError):
    """asv gave nothing that can be used; the message says where its output is."""


class Result:
    """One result file of asv: the values of a commit in one environment."""

    def __init__(self, data: dict):
        self.data = data
        self.commit: str = data["commit_hash"]
        self.env: str = data["env_name"]
        columns = data["result_columns"]
        self.rows: dict[str, dict] = {name: dict(zip(columns, row, strict=False)) for name, row in data["results"].items()}

    @property
    def file_name(self) -> str:
        """The name that asv gives the file."""
        return f"{self.commit[:8]}-{self.env}.json"

    def values(self) -> dict[str, float]:
        """The values by entry: the benchmark's name with its parameters, as in asv's list of regressions."""
        found = {}
        for name, row in self.rows.items():
            params = row.get("params") or []
            names = [f"{name}({', '.join(chosen)})" for chosen in itertools.product(*params)] if params else [name]
            for entry, value in zip(names, row.get("result") or [], strict=False):
                if value is not None and value == value:
                    found[entry] = value
        return found

    def versions(self) -> dict[str, str]:
        """The version of each benchmark that was run, also of those that failed."""
        return {name: str(row.get("version")) for name, row in self.rows.items()}

    def matches(self, graph_params: dict[str, str | None]) -> bool:
        """Whether the file belongs to the series that asv describes by these parameters."""
        own = {**self.data["params"], **{f"env-{name}": value for name, value in self.data["env_vars"].items()}}
        return all(str(own.get(k) or "") == str(v or "") for k, v in graph_params.items() if k != "branch")


def load_result(path: Path) -> Result | None:
    """The result in a file, or None when the file is damaged or not what its name says."""
    data = read_json(path)
    try:
        if data["version"] != 2 or not re.fullmatch("[0-9a-f]{40}", data["commit_hash"]) or not isinstance(data["params"], dict):
            return None
        result = Result(data)
        result.values(), result.versions(), result.data["env_vars"].items()
    except (TypeError, KeyError, AttributeError, ValueError):
        return None
    return result if result.file_name == path.name else None


class Asv:
    """asv with the project's configuration, in `data/work`."""

    def __init__(self, config: Config, mirror: Mirror, stop: threading.Event, beat: Callable[[], None]):
        self.config = config
        self.mirror = mirror
        self.stop = stop
        self.beat = beat
        self.mark = str(config.data)
        self.home = config.data / "home"
        self.logs = config.data / "logs"
        self.conf_path = Path()
        self.conf: dict[str, Any] = {}
        self.machine = config.machine or platform.node() or "machine"

    def prepare(self, thresholds: dict[str, float]) -> None:
        """Write asv's configuration beside the project's own, so that relative paths mean the same in both."""
        original = self.mirror.suite / self.config.asv_config
        if not original.exists():
            raise AsvError(f"the newest commit of {self.config.branch} has no {self.config.asv_config}")
        conf = json5.loads(original.read_text())
        own = {f"^{re.escape(entry)}(@|$)": value for entry, value in thresholds.items()}
        self.conf = conf | {
            "repo": str(self.mirror.path),
            "dvcs": "git",
            "branches": [self.config.branch],
            "env_dir": str(self.config.data / "work" / "env"),
            "results_dir": str(self.config.data / "results" / "asv"),
            "html_dir": str(self.config.data / "work" / "html"),
            "build_cache_size": max(4, conf.get("build_cache_size", 2)),  # base and culprit stay built while they alternate
            "regressions_thresholds": conf.get("regressions_thresholds", {}) | own,
        }
        self.conf_path = original.parent / "service.asv.conf.json"
        write_json(self.conf_path, self.conf)
        self.know_machine()

    def know_machine(self) -> None:
        """Let asv describe the machine once, for good: its series are split by what it says, the kernel's version among it."""
        path = self.home / ".asv-machine.json"
        known = read_json(path)
        if not isinstance(known, dict) or not isinstance(known.get(self.machine), dict):
            path.unlink(missing_ok=True)
            self.home.mkdir(parents=True, exist_ok=True)
            self.call(["machine", "--yes"], "machine", 60)
            (described,) = (value for value in (read_json(path) or {}).values() if isinstance(value, dict))
            write_json(path, {"version": 1, self.machine: described | {"machine": self.machine}})

    def matrix_key(self) -> str:
        """A name for the set of environments that the configuration asks for."""
        chosen = {k: self.conf.get(k) for k in ("pythons", "matrix", "include", "exclude", "environment_type")}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]

    def call(self, arguments: list[str], name: str, timeout: float) -> int:
        """Run an asv command to its end and return its status; its output goes to `logs`."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in sorted(self.logs.glob("*.log"), key=lambda path: path.stat().st_mtime)[:-KEPT_LOGS]:
            old.unlink()
        environment = {**os.environ, **self.config.environment, "HOME": str(self.home), "TZ": "UTC", guard.MARK: self.mark}
        # -P: the folder that asv runs in must not hide asv's own modules.
        command = [sys.executable, "-P", guard.__file__, sys.executable, "-P", "-m", "asv", *arguments]
        folder = self.conf_path.parent if self.conf else self.home
        with open(self.logs / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True
            )
            try:
                return self.wait(process, timeout)
            finally:
                guard.kill_marked(self.mark)
                process.stdin.close()  # type: ignore[union-attr]

    def wait(self, process: subprocess.Popen, timeout: float) -> int:
        """Wait for the guard's end, a stop or the time limit."""
        end = time.monotonic() + timeout
        while process.poll() is None:
            if self.stop.wait(0.1) or time.monotonic() > end:
                process.terminate()
                try:
                    process.wait(guard.GRACE + 10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                if self.stop.is_set():
                    raise Stopped
                return 1
            self.beat()
        return process.returncode

    def run(self, commits: list[str], out: Path, bench: Iterable[str] = (), envs: Iterable[str] = (), seed: Iterable[dict] = ()) -> None:
        """Measure commits in turn into the fresh folder `out`; results in `seed` are taken over, not measured again.

        asv's exit status does not tell a failed benchmark, a failed build and nothing to do apart: callers look at the files.
        """
        shutil.rmtree(out, ignore_errors=True)
        for data in seed:
            write_json(out / self.machine / Result(data).file_name, data)
        hashes = out.with_suffix(".commits")
        out.parent.mkdir(parents=True, exist_ok=True)
        hashes.write_text("\n".join(commits))
        conf_path = self.conf_path.with_name("service.run.asv.conf.json")
        write_json(conf_path, self.conf | {"results_dir": str(out)})
        chosen = [word for pattern in bench for word in ("--bench", pattern)] + [word for env in envs for word in ("-E", env)]
        skip = ["--skip-existing"] if seed else []
        command = ["run", "--config", str(conf_path), "--machine", self.machine, "--no-pull", "--show-stderr"]
        self.call([*command, *skip, *chosen, f"HASHFILE:{hashes}"], f"run-{commits[0][:8]}", self.config.run_timeout)

    def results(self, out: Path, commit: str) -> list[Result]:
        """The valid result files of a commit in a folder of results."""
        found = [load_result(path) for path in sorted((out / self.machine).glob(f"{commit[:8]}-*.json"))]
        return [result for result in found if result and result.commit == commit]

    def publish(self, html: Path) -> None:
        """Make asv's pages in the new folder `html`."""
        if self.call(["publish", "--config", str(self.conf_path), "--no-pull", "--html-dir", str(html)], "publish", 3600):
            raise AsvError(f"asv publish failed, see {self.logs / 'publish.log'}")
