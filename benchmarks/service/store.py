"""The results: a git repository of its own, in which every file is written aside, validated and renamed, then committed.

`results/asv` is what asv reads; `regressions/` holds what people are told, `noise/` the A/A runs, `peers/` the comparisons with other
engines, `state.json` what the runner must remember. A damaged file comes back from git, a damaged git is made anew from the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.service.asv import Result, load_result
from benchmarks.service.config import Config
from benchmarks.service.files import TEMPORARY, quarantine, read_json, write_json
from benchmarks.service.mirror import GitError, git, remove_locks


class Store:
    """The repository in `data/results`."""

    def __init__(self, config: Config):
        self.path = config.data / "results"
        self.asv = self.path / "asv"
        self.bad = config.data / "bad"
        self.cache: dict[Path, tuple[tuple[int, int], Result | None]] = {}

    def open(self) -> list[str]:
        """Make the repository or repair it; what was repaired, for the log."""
        self.path.mkdir(parents=True, exist_ok=True)
        if (self.path / ".git").exists():
            remove_locks(self.path / ".git")
            try:
                git(self.path, "fsck", "--connectivity-only", "--no-dangling")
            except GitError:
                quarantine(self.path / ".git", self.bad)
        if not (self.path / ".git").exists():
            git(self.path, "init", "--quiet")
            git(self.path, "config", "core.fsync", "all")
        return self.repair()

    def repair(self) -> list[str]:
        """Bring damaged or missing files back from git, move away what is damaged and not in git, commit the rest."""
        repaired = []
        remove_locks(self.path / ".git")
        listing = git(self.path, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
        for line in filter(None, listing.split("\0")):
            path = self.path / line[3:]
            if path.name.startswith(TEMPORARY):
                path.unlink(missing_ok=True)
            elif not self.valid(path):
                repaired.append(f"{line[3:]}: {self.restore(path)}")
        self.commit("Take over files that were written before an interruption")
        return repaired

    def restore(self, path: Path) -> str:
        """Bring a file back from git; move it away where git has none or a damaged one."""
        if path.exists():
            quarantine(path, self.bad)
        try:
            git(self.path, "checkout", "HEAD", "--", str(path.relative_to(self.path)))
        except GitError:
            return "damaged, moved away"
        if self.valid(path):
            return "damaged, brought back"
        quarantine(path, self.bad)
        return "damaged in git as well, moved away"

    def valid(self, path: Path) -> bool:
        """Whether a file is what its place says."""
        if path.parent.parent == self.asv and path.name != "machine.json":
            return load_result(path) is not None
        return path.suffix == ".json" and isinstance(read_json(path), dict)

    def put(self, files: dict[Path, Any], message: str) -> None:
        """Write JSON files and commit them."""
        for path, value in files.items():
            write_json(path, value)
        self.commit(message)

    def put_results(self, results: list[Result], out: Path, machine: str, newest: bool) -> None:
        """Take a commit's results over from asv's folder `out`, the list of benchmarks and the machine's description with them.

        An older commit may know fewer benchmarks than the `newest` one, which alone can remove some from the list.
        """
        known = read_json(self.asv / "benchmarks.json") or {}
        write_json(self.asv / "benchmarks.json", ({} if newest else known) | (read_json(out / "benchmarks.json") or known))
        described = read_json(out / machine / "machine.json")
        if isinstance(described, dict):
            write_json(self.asv / machine / "machine.json", described)
        for result in results:
            write_json(self.asv / machine / result.file_name, result.data)
        self.commit(f"Results of {results[0].commit[:8]}")

    def commit(self, message: str) -> None:
        """Commit whatever changed."""
        git(self.path, "add", "--all", "--", ".", f":(exclude,glob)**/{TEMPORARY}*")
        if git(self.path, "status", "--porcelain", "--untracked-files=no"):
            git(self.path, "commit", "--quiet", "--message", message)

    def version(self) -> str:
        """A name for what the published pages depend on."""
        try:
            return git(self.path, "rev-parse", "HEAD:asv").strip()
        except GitError:
            return ""

    def result(self, path: Path) -> Result | None:
        """A result file, brought back from git if need be; read again only when it changed."""
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        key = (stat.st_mtime_ns, stat.st_size)
        if path not in self.cache or self.cache[path][0] != key:
            result = load_result(path)
            if result is None:
                self.restore(path)
                result = load_result(path) if path.exists() else None
            self.cache[path] = (key, result)
        return self.cache[path][1]

    def results(self, commit: str, machine: str) -> dict[str, Result]:
        """The results of a commit by environment."""
        found = [self.result(path) for path in sorted((self.asv / machine).glob(f"{commit[:8]}-*.json"))]
        return {result.env: result for result in found if result and result.commit == commit}

    def benchmarks(self) -> dict[str, dict]:
        """asv's list of benchmarks."""
        found = read_json(self.asv / "benchmarks.json") or {}
        return {name: entry for name, entry in found.items() if isinstance(entry, dict)}

    def unit(self, entry: str) -> str:
        """The unit of an entry of asv's."""
        return str(self.benchmarks().get(entry.split("(")[0], {}).get("unit", ""))

    def state(self) -> dict[str, Any]:
        """What the runner remembers."""
        return read_json(self.path / "state.json") or {}

    def records(self) -> list[dict]:
        """All regressions that people were told of, oldest first."""
        found = [read_json(path) for path in (self.path / "regressions").glob("*.json")]
        return sorted((record for record in found if isinstance(record, dict)), key=lambda record: record["found"])

    def record_path(self, record: dict) -> Path:
        """Where a regression is kept."""
        return self.path / "regressions" / f"{record['id']}.json"
