"""The results: a git repository of its own, in which every file is written aside and renamed, then committed.

`asv/` holds asv's results, `regressions/` what people are told, `noise/` the A/A runs, `state.json` what the runner must remember. Only
what is committed counts: whatever else is found there, such as a damaged file or half of a write, gives way to the last commit. Who puts
something in keeps the original until that has succeeded.
"""

from __future__ import annotations

import shutil
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.service.asv import file_of, load_result, name_of, values_of
from benchmarks.service.config import Config
from benchmarks.service.files import read_json, write_json
from benchmarks.service.mirror import GitError, git, remove_locks


@lru_cache(maxsize=10_000)
def read_result(path: Path, changed: int, size: int) -> dict | None:
    """A result file, read again only when it changed."""
    return load_result(path)


class Store:
    """The repository in `data/results`."""

    def __init__(self, config: Config):
        self.machine = config.machine
        self.path = config.data / "results"
        self.asv = self.path / "asv"
        self.bad = config.data / "bad"

    def open(self) -> list[str]:
        """Make the repository; a damaged one is put aside and made anew from the files that are there. What was repaired, for the log."""
        own = self.path / ".git"
        own.mkdir(parents=True, exist_ok=True)
        remove_locks(own)
        try:
            git(self.path, "fsck", "--connectivity-only", "--no-dangling")
            git(self.path, "rev-parse", "--verify", "HEAD^{tree}")
        except GitError:
            damaged = any(own.iterdir())
            if damaged:
                self.bad.mkdir(exist_ok=True)
                shutil.move(own, self.bad / f"{time.time_ns()}.git")
            git(self.path.parent, "init", "--quiet", self.path.name)
            git(self.path, "config", "core.fsync", "all")
            git(self.path, "add", "--all")
            git(self.path, "commit", "--quiet", "--allow-empty", "--message", "What was there when this history began")
            return ["git's own files: a new history begins"] if damaged else []
        return self.repair()

    def repair(self) -> list[str]:
        """Go back to the last commit; what was not as it says."""
        remove_locks(self.path / ".git")
        found = git(self.path, "status", "--porcelain", "--no-renames", "--untracked-files=all").splitlines()
        if found:
            git(self.path, "reset", "--quiet", "--hard")
            git(self.path, "clean", "--quiet", "--force", "-d", "-x")
        return found

    def put(self, files: dict[Path, Any], message: str) -> None:
        """Write JSON files and commit them."""
        for path, value in files.items():
            write_json(path, value)
        git(self.path, "add", "--all")
        if git(self.path, "status", "--porcelain"):
            git(self.path, "commit", "--quiet", "--message", message)

    def put_results(self, results: list[dict], out: Path, state: dict, newest: bool) -> None:
        """Take a commit's results over from asv's folder `out`, with the list of benchmarks, the machine's description and the state.

        An older commit may know fewer benchmarks than the `newest` one, which alone can remove some from the list.
        """
        known = self.asv / "benchmarks.json"
        machine = Path(self.machine, "machine.json")
        files = {known: ({} if newest else read_json(known)) | (read_json(out / "benchmarks.json") or read_json(known))}
        if described := read_json(out / machine):
            files[self.asv / machine] = described
        files |= {self.asv / self.machine / file_of(result): result for result in results}
        self.put(files | {self.path / "state.json": state}, f"Results of {results[0]['commit_hash'][:8]}")

    def version(self) -> str:
        """A name for what the published pages depend on; empty while there is nothing."""
        return git(self.path, "ls-tree", "HEAD", "asv").strip()

    def results(self, commit: str) -> dict[str, dict]:
        """The results of a commit by environment."""
        paths = sorted((self.asv / self.machine).glob(f"{commit[:8]}-*.json"))
        found = [read_result(path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths]
        return {result["env_name"]: result for result in found if result and result["commit_hash"] == commit}

    def values(self, commit: str) -> dict[str, float]:
        """The values of a commit by series."""
        return {key: value for result in self.results(commit).values() for key, value in values_of(result).items()}

    def benchmarks(self) -> dict[str, dict]:
        """asv's list of benchmarks."""
        return {name: entry for name, entry in read_json(self.asv / "benchmarks.json").items() if isinstance(entry, dict)}

    def unit(self, entry: str) -> str:
        """The unit of an entry of asv's."""
        return str(self.benchmarks().get(name_of(entry), {}).get("unit", ""))

    def state(self) -> dict[str, Any]:
        """What the runner remembers."""
        return {"measured": 0} | read_json(self.path / "state.json")

    def save(self, state: dict[str, Any], message: str) -> None:
        """Keep what the runner must remember."""
        self.put({self.path / "state.json": state}, message)

    def snapshots(self, folder: str) -> list[dict]:
        """What a folder such as `noise` holds, oldest first."""
        return list(filter(None, map(read_json, sorted((self.path / folder).glob("*.json")))))

    def records(self) -> list[dict]:
        """All regressions that people were told of, oldest first."""
        return sorted(self.snapshots("regressions"), key=lambda record: record["found"])

    def put_record(self, record: dict, message: str) -> None:
        """Keep a regression under its commit's name."""
        self.put({self.path / "regressions" / f"{record['commit']}.json": record}, message)
