"""Which commit comes next, how often a failing one is tried, and what the machine's references usually measure. Used by `runner`.

Plain functions over the runner's state, a dictionary that is kept as JSON.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.service.config import Config

LEVEL = 20  # values of a reference whose median is its level
ENOUGH = 3  # values before a level means anything
SETTLED = 5  # runs in a row that agree before a shifted reference counts as the machine's new level


def grid(waiting: list[str], commits: list[str], position: int, limit: int) -> str:
    """The commit to measure next: the oldest, or, with more than `limit` waiting, the oldest on a grid of every 2nd, 4th, 8th … commit.

    The grid counts from the branch's first commit (`position` is the number of the last one), so it stays where it is as the branch grows.
    """
    number = {commit: position - len(commits) + 1 + i for i, commit in enumerate(commits)}
    stride = 1
    while len(waiting) > limit * stride:
        stride *= 2
    while True:
        on_grid = [commit for commit in waiting if number[commit] % stride == 0]
        if on_grid:
            return on_grid[0]
        stride //= 2


class Failures:
    """The commits that gave no result: tried `retries` times with growing pauses, then given up.

    A fault of the machine looks the same as a fault of a commit. So a commit that was given up gets one more try after another commit
    was measured.
    """

    def __init__(self, state: dict[str, Any], config: Config):
        self.state = state
        self.known: dict[str, dict] = state.setdefault("failures", {})
        self.config = config

    def tries(self, commit: str) -> int:
        """How often a commit failed."""
        return self.known.get(commit, {}).get("tries", 0)

    def add(self, commit: str) -> None:
        """Note a failure."""
        tries = self.tries(commit) + 1
        self.known[commit] = {"tries": tries, "at": time.time(), "next": time.time() + self.config.retry_seconds * 2 ** (tries - 1)}

    def success(self, commit: str) -> None:
        """Note that a commit was measured."""
        self.known.pop(commit, None)
        self.state["success"] = time.time()

    def may_try(self, commit: str) -> bool:
        """Whether it is time to measure a commit."""
        if commit not in self.known:
            return True
        failure = self.known[commit]
        if failure["tries"] < self.config.retries:
            return time.time() >= failure["next"]
        return failure["tries"] == self.config.retries and self.state.get("success", 0) > failure["at"]

    def given_up(self) -> list[str]:
        """The commits that are not tried any more, unless another one can be measured."""
        return [commit for commit, failure in self.known.items() if failure["tries"] >= self.config.retries]

    def soon(self, commits: list[str]) -> bool:
        """Whether a commit waits for its next try."""
        return any(0 < self.tries(commit) < self.config.retries for commit in commits)


def known_level(state: dict) -> dict[str, float]:
    """What each reference usually measures."""
    return {key: statistics.median(values) for key, values in state.get("level", {}).items() if len(values) >= ENOUGH}


def remember_level(state: dict, values: dict[str, float]) -> None:
    """Add the references of an accepted run."""
    level = state.setdefault("level", {})
    for key, value in values.items():
        level[key] = [*level.get(key, []), value][-LEVEL:]


def repeated_drift(state: dict, change: float, config: Config) -> bool:
    """Note a run whose references drifted; whether the last ones agree so well that the machine has simply changed."""
    found = state["drift"] = [*state.get("drift", []), change][-SETTLED:]
    settled = len(found) == SETTLED and max(found) / min(found) - 1 <= config.max_drift
    if settled:
        state["level"] = {}
    return settled
