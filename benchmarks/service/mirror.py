"""The bare copy of the measured repository: which commits there are, in which order, and the benchmark suite of the newest one.

Used by `runner`, `regressions` and `front`. It is a cache: a damaged copy is fetched again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.service.config import Config


class GitError(RuntimeError):
    """A git command failed; the message holds what it said."""


def own_repository(folder: Path) -> dict[str, str]:
    """The environment in which git finds the repository in `folder` or none: never one around it, when that one is damaged."""
    elsewhere = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
    kept = {name: value for name, value in os.environ.items() if name not in elsewhere}
    return kept | {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent), "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def git(folder: Path, *arguments: str, ok: tuple[int, ...] = (0,)) -> str:
    """What a git command in `folder` prints."""
    # No hook or signature of whoever runs the service.
    settings = ["-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", "-c", "gc.autoDetach=false"]
    who = ["-c", "user.name=benchmark service", "-c", "user.email=benchmarks@localhost"]
    command = ["git", "-C", str(folder), *settings, *who, *arguments]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, env=own_repository(folder), check=False)
    if done.returncode not in ok:
        raise GitError(f"git {' '.join(arguments[:3])}: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return done.stdout.decode(errors="replace")


def remove_locks(repository: Path) -> None:
    """Remove the lock files that a killed git left; the service's own lock says that no git is at work."""
    for lock in repository.rglob("*.lock"):
        lock.unlink(missing_ok=True)


@dataclass(frozen=True)
class Commit:
    """What people want to know of a commit."""

    sha: str
    author: str
    date: str
    subject: str


class Mirror:
    """The copy in `data/mirror` and the suite in `data/work/suite`."""

    def __init__(self, config: Config):
        self.config = config
        self.path = config.data / "mirror"
        self.suite = config.data / "work" / "suite"

    def fetch(self) -> None:
        """Bring the branch and the tags up to date, also after a force-push; a damaged copy is made anew."""
        try:
            self.update()
        except GitError:
            if not self.damaged():
                raise
            shutil.rmtree(self.path, ignore_errors=True)
            self.update()

    def update(self) -> None:
        """Make the copy if need be, and fetch."""
        if not (self.path / "config").exists():
            self.path.mkdir(parents=True, exist_ok=True)
            git(self.path, "init", "--quiet", "--bare")
            # Commits that left the branch keep their results, so they are kept too.
            git(self.path, "config", "gc.pruneExpire", "never")
        remove_locks(self.path)
        branch = self.config.branch
        git(self.path, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
        specs = [f"+refs/heads/{branch}:refs/heads/{branch}", "+refs/tags/*:refs/tags/*"]
        git(self.path, "fetch", "--quiet", "--no-tags", "--update-head-ok", self.config.repo, *specs)
        git(self.path, "rev-list", "--objects", "-n", "1", branch, "--")

    def damaged(self) -> bool:
        """Whether the copy lacks objects."""
        try:
            git(self.path, "fsck", "--connectivity-only", "--no-dangling")
            git(self.path, "rev-parse", "--verify", f"refs/heads/{self.config.branch}")
        except GitError:
            return True
        return False

    def commits(self) -> list[str]:
        """The commits to measure, oldest first: along the first parents, from `start` on or the newest `history`."""
        found = git(self.path, "rev-list", "--first-parent", self.config.branch, "--").split()
        if self.config.start:
            start = git(self.path, "rev-parse", "--verify", f"{self.config.start}^{{commit}}").strip()
            found = found[: found.index(start) + 1] if start in found else found
        else:
            found = found[: self.config.history]
        return found[::-1]

    def position(self, newest: str) -> int:
        """The number of a commit on the branch, counted from the first one."""
        return int(git(self.path, "rev-list", "--first-parent", "--count", newest, "--"))

    def contains(self, sha: str) -> bool:
        """Whether a commit is on the branch."""
        try:
            git(self.path, "merge-base", "--is-ancestor", sha, self.config.branch)
        except GitError:
            return False
        return True

    def describe(self, sha: str) -> Commit:
        """Author, date and subject."""
        return Commit(*git(self.path, "show", "-s", "--format=%H%x00%an%x00%aI%x00%s", sha).rstrip("\n").split("\0"))

    def suite_version(self, conf: dict) -> str:
        """A name for the benchmarks of the newest commit."""
        folder = (Path(self.config.asv_config).parent / conf.get("benchmark_dir", "benchmarks")).as_posix()
        return git(self.path, "rev-parse", f"{self.config.branch}:{folder}").strip()

    def check_out_suite(self, sha: str) -> None:
        """Put the tree of a commit into `suite`: the asv configuration and the benchmarks that all commits are measured with."""
        stamp = self.suite / ".commit"
        if stamp.exists() and stamp.read_text() == sha:
            return
        shutil.rmtree(self.suite, ignore_errors=True)
        self.suite.mkdir(parents=True)
        command = ["git", "-C", str(self.path), "archive", sha]
        archive = subprocess.Popen(command, stdout=subprocess.PIPE, env=own_repository(self.path))
        unpacked = subprocess.run(["tar", "-x", "-C", str(self.suite)], stdin=archive.stdout, capture_output=True, check=False)
        if archive.wait() or unpacked.returncode:
            raise GitError(f"the tree of {sha[:8]} cannot be unpacked: {unpacked.stderr.decode(errors='replace')[-300:]}")
        stamp.write_text(sha)
