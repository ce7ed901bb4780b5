"""Calls asv: its configuration made from the project's, one command at a time under the guard, its result files read.

Only asv's command line and its JSON files are used, not its Python modules. A series is a benchmark with its parameters in one
environment; its key is `environment|entry`, where the entry is written as in asv's list of regressions. Used by all that measures.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import json5

from benchmarks.service import guard
from benchmarks.service.config import Config
from benchmarks.service.files import read_json, write_json
from benchmarks.service.mirror import Mirror

KEPT_LOGS = 200


class Stopped(BaseException):
    """The service was told to stop while a command ran; no error, so nothing that handles errors catches it."""


class AsvError(RuntimeError):
    """asv gave nothing that can be used; the message says where its output is."""


def entry_of(key: str) -> str:
    """The benchmark with its parameters, of a series' key."""
    return key.split("|", 1)[1]


def name_of(entry: str) -> str:
    """The benchmark without its parameters."""
    return entry.split("(")[0]


def rows_of(result: dict) -> dict[str, dict]:
    """What a result file holds, by the name of the benchmark."""
    return {name: dict(zip(result["result_columns"], row, strict=False)) for name, row in result["results"].items()}


def values_of(result: dict) -> dict[str, float]:
    """The values in a result file by series."""
    found = {}
    for name, row in rows_of(result).items():
        params = row.get("params") or []
        entries = [f"{name}({', '.join(chosen)})" for chosen in itertools.product(*params)] if params else [name]
        for entry, value in zip(entries, row.get("result") or [], strict=False):
            if value is not None and value == value:
                found[f"{result['env_name']}|{entry}"] = value
    return found


def versions_of(result: dict) -> dict[str, str]:
    """The version of each benchmark that was run, also of those that failed."""
    return {name: str(row.get("version")) for name, row in rows_of(result).items()}


def setting_of(result: dict) -> str:
    """The environment for people: what is set for the measurement, which is what environments differ in."""
    return " ".join(f"{name}={value}" for name, value in result["env_vars"].items()) or result["env_name"]


def without_intervals(result: dict) -> dict:
    """A result whose values all count alike in asv's search for steps.

    asv takes twice the inverse width of a value's interval for its weight. But that is the interval of one process's samples: it does not
    tell how far the next process's value is off, and it grows with the value. The slower something becomes, the less it would count: a step
    to 12, 34 and 32 times the time is missed even where all intervals are equally wide in percent.
    """
    gone = [column.startswith("stats_ci_99_") for column in result["result_columns"]]
    rows = {name: [None if out else cell for out, cell in zip(gone, row, strict=False)] for name, row in result["results"].items()}
    return result | {"results": rows}


def file_of(result: dict) -> str:
    """The name that asv gives a result's file."""
    return f"{result['commit_hash'][:8]}-{result['env_name']}.json"


def load_result(path: Path) -> dict | None:
    """The result in a file, or None when the file is damaged or not what its name says."""
    result = read_json(path)
    try:
        values_of(result), versions_of(result), result["params"].items(), result["env_vars"].items()
        good = result["version"] == 2 and re.fullmatch("[0-9a-f]{40}", result["commit_hash"])
        return result if good and path.name == file_of(result) else None
    except (TypeError, KeyError, AttributeError, ValueError):
        return None


class Asv:
    """asv with the project's configuration, in `data/work`."""

    def __init__(self, config: Config, mirror: Mirror, stop: threading.Event):
        self.config = config
        self.mirror = mirror
        self.stop = stop
        self.mark = str(config.data)
        self.home = config.data / "home"
        self.logs = config.data / "logs"
        self.folder = Path()  # where the configuration lies
        self.conf: dict[str, Any] = {}

    def prepare(self, thresholds: dict[str, float]) -> None:
        """Make asv's configuration from the project's own."""
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
            "html_dir": str(self.config.data / "work" / "html"),
            "build_cache_size": max(4, conf.get("build_cache_size", 2)),  # base and culprit stay built while they alternate
            "regressions_thresholds": conf.get("regressions_thresholds", {}) | own,
        }
        self.folder = original.parent
        self.know_machine()

    def with_results(self, folder: Path) -> list[str]:
        """asv's options for results in a folder; the configuration lies beside the project's, so relative paths mean the same in both."""
        path = self.folder / "service.asv.conf.json"
        write_json(path, self.conf | {"results_dir": str(folder)})
        return ["--config", str(path), "--no-pull"]

    def know_machine(self) -> None:
        """Let asv describe the machine once, for good: its series are split by what it says, the kernel's version among it."""
        path = self.home / ".asv-machine.json"
        machine = self.config.machine
        if not isinstance(read_json(path).get(machine), dict):
            path.unlink(missing_ok=True)
            self.home.mkdir(parents=True, exist_ok=True)
            self.call(["machine", "--yes"], "machine", 60)
            (described,) = (value for value in read_json(path).values() if isinstance(value, dict))
            write_json(path, {"version": 1, machine: described | {"machine": machine}})

    def matrix_key(self) -> str:
        """A name for the set of environments that the configuration asks for."""
        chosen = {k: self.conf.get(k) for k in ("pythons", "matrix", "include", "exclude", "environment_type")}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]

    def call(self, arguments: list[str], name: str, timeout: float) -> int:
        """Run an asv command to its end, a stop or the time limit, and return its status; its output goes to `logs`."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in sorted(self.logs.glob("*.log"), key=lambda path: path.stat().st_mtime)[:-KEPT_LOGS]:
            old.unlink()
        environment = {**os.environ, **self.config.environment, "HOME": str(self.home), "TZ": "UTC", guard.MARK: self.mark}
        # -P: the folder that asv runs in must not hide asv's own modules.
        command = [sys.executable, "-P", guard.__file__, sys.executable, "-P", "-m", "asv", *arguments]
        where = {"cwd": self.folder if self.conf else self.home, "env": environment}
        end = time.monotonic() + timeout
        # In a session of its own: an interrupt from the terminal reaches only the service, which stops asv in order.
        with (
            open(self.logs / f"{name}.log", "wb") as log,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, bufsize=0, **where) as process,
        ):
            while process.poll() is None and time.monotonic() < end and not self.stop.wait(0.1):
                pass
            if process.poll() is None:
                process.communicate(b"stop")
        guard.kill_marked(self.mark)
        if self.stop.is_set():
            raise Stopped
        return process.returncode

    def run(self, commits: list[str], out: Path, bench: Iterable[str] = (), envs: Iterable[str] = (), seed: Iterable[dict] = ()) -> None:
        """Measure commits in turn into the fresh folder `out`; results in `seed` are taken over, not measured again.

        asv's exit status does not tell a failed benchmark, a failed build and nothing to do apart: callers look at the files.
        """
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        for result in seed:
            write_json(out / self.config.machine / file_of(result), result)
        hashes = out.with_suffix(".commits")
        hashes.write_text("\n".join(commits))
        chosen = [word for pattern in bench for word in ("--bench", pattern)] + [word for env in envs for word in ("-E", env)]
        skip = ["--skip-existing"] if seed else []
        command = ["run", *self.with_results(out), "--machine", self.config.machine, "--show-stderr"]
        self.call([*command, *skip, *chosen, f"HASHFILE:{hashes}"], f"run-{commits[0][:8]}", self.config.run_timeout)
        if not all(self.values(out, commit) for commit in commits):
            # A kill may have left half a package in the environment, which pip cannot repair: the next run makes it anew.
            shutil.rmtree(self.conf["env_dir"], ignore_errors=True)

    def results(self, out: Path, commit: str) -> list[dict]:
        """The valid result files of a commit in a folder of results."""
        found = [load_result(path) for path in sorted((out / self.config.machine).glob(f"{commit[:8]}-*.json"))]
        return [result for result in found if result and result["commit_hash"] == commit]

    def values(self, out: Path, commit: str) -> dict[str, float]:
        """All values of a commit in a folder of results, by series."""
        return {key: value for result in self.results(out, commit) for key, value in values_of(result).items()}

    def publish(self, html: Path) -> None:
        """Make asv's pages in the new folder `html`, from a copy of the results."""
        copy = self.config.data / "work" / "published"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.config.data / "results" / "asv", copy)
        for path in copy.glob("*/*-*.json"):
            if result := load_result(path):
                path.write_text(json.dumps(without_intervals(result)))
        if self.call(["publish", *self.with_results(copy), "--html-dir", str(html)], "publish", 3600):
            raise AsvError(f"asv publish failed, see {self.logs / 'publish.log'}")
