"""The bare copy of the measured repository: which commits there are, in which order, and the benchmark suite of the newest one.

It is a cache: a damaged copy is fetched again. `git` serves `store` as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.service.config import Config
from benchmarks.service.guard import MARK

# No hook, signature or list of ignored files of whoever runs the service.
SETTINGS = ("core.hooksPath=/dev/null", "core.excludesFile=/dev/null", "commit.gpgSign=false", "gc.autoDetach=false")
WHO = ("user.name=benchmark service", "user.email=benchmarks@localhost")
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
TIMEOUT = 3600.0  # seconds: a fetch that hangs must not hold everything up


class GitError(RuntimeError):
    """A git command failed; the message holds what it said."""


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints, on the repository in `folder` or none: never on one around it, when that one is damaged."""
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    environment[MARK] = str(folder.parent)  # a killed service leaves it behind; the next one ends it as it does asv
    environment |= {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent), "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-C", str(folder), *(word for setting in SETTINGS + WHO for word in ("-c", setting)), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, env=environment, check=False, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]} took more than {TIMEOUT:.0f} s") from None
    if done.returncode:
        raise GitError(f"git {' '.join(arguments[:3])}: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return done.stdout.decode(errors="replace")


def remove_locks(repository: Path) -> None:
    """Remove the lock files that a killed git left; the service's own lock says that no git is at work."""
    for lock in repository.rglob("*.lock"):
        lock.unlink(missing_ok=True)


class Mirror:
    """The copy in `data/mirror` and the suite in `data/work/suite`."""

    def __init__(self, config: Config):
        self.config = config
        self.path = config.data / "mirror"
        self.suite = config.data / "work" / "suite"

    def fetch(self) -> None:
        """Bring the branch and the tags up to date, also after a force-push; when that fails, perhaps a fresh copy can be had."""
        try:
            self.update(self.path)
        except GitError:
            fresh = self.path.with_name("mirror-fresh")
            shutil.rmtree(fresh, ignore_errors=True)
            self.update(fresh)
            shutil.rmtree(self.path, ignore_errors=True)
            os.replace(fresh, self.path)

    def update(self, path: Path) -> None:
        """Make the copy at `path` if need be, fetch, and see that all of the newest commit is there."""
        branch = self.config.branch
        if not (path / "config").exists():
            path.mkdir(parents=True, exist_ok=True)
            git(path, "init", "--quiet", "--bare")
            git(path, "config", "gc.pruneExpire", "never")  # commits that left the branch keep their results, so they are kept too
        remove_locks(path)
        git(path, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
        specs = [f"+refs/heads/{branch}:refs/heads/{branch}", "+refs/tags/*:refs/tags/*"]
        git(path, "fetch", "--quiet", "--no-tags", "--update-head-ok", self.config.repo, *specs)
        git(path, "rev-list", "--objects", "-n", "1", branch, "--")

    def commits(self) -> list[str]:
        """The branch's commits, oldest first, along the first parents."""
        return git(self.path, "rev-list", "--first-parent", "--reverse", self.config.branch, "--").split()

    def contains(self, sha: str) -> bool:
        """Whether a commit is on the branch."""
        try:
            git(self.path, "merge-base", "--is-ancestor", sha, self.config.branch)
        except GitError:
            return False
        return True

    def describe(self, sha: str) -> dict[str, str]:
        """Commit, author, date and subject."""
        found = git(self.path, "show", "-s", "--format=%H%x00%an%x00%aI%x00%s", sha).rstrip("\n").split("\0")
        return dict(zip(("commit", "author", "date", "subject"), found, strict=True))

    def versions(self, path: str) -> list[tuple[str, str, str]]:
        """Each content that a file had on the branch, oldest first: the commit, its day, and the text."""
        log = ["log", "--first-parent", "--reverse", "--diff-filter=AM", "--format=%H %cs", self.config.branch, "--", path]
        return [(sha, day, git(self.path, "show", f"{sha}:{path}")) for sha, day in map(str.split, git(self.path, *log).splitlines())]

    def suite_version(self, benchmark_dir: str) -> str:
        """A name for the benchmarks of the newest commit."""
        folder = (Path(self.config.asv_config).parent / benchmark_dir).as_posix()
        return git(self.path, "rev-parse", f"{self.config.branch}:{folder}").strip()

    def check_out_suite(self, sha: str) -> None:
        """Put the tree of a commit into `suite`: the asv configuration and the benchmarks that all commits are measured with."""
        stamp = self.suite / ".commit"
        if not stamp.exists() or stamp.read_text() != sha:
            shutil.rmtree(self.suite, ignore_errors=True)
            self.suite.mkdir(parents=True)
            git(self.path, f"--work-tree={self.suite}", "checkout", "--force", sha, "--", ".")
            stamp.write_text(sha)
