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


def grid(waiting: list[str], commits: list[str], limit: int) -> str:
    """The commit to measure next: the oldest, or, with more than `limit` waiting, the oldest on a grid of every 2nd, 4th, 8th … commit.

    The grid counts from the first of all `commits`, so it stays where it is as the branch grows.
    """
    stride = 1
    while len(waiting) > limit * stride:
        stride *= 2
    number = {commit: i for i, commit in enumerate(commits)}
    while not (on_grid := [commit for commit in waiting if number[commit] % stride == 0]):
        stride //= 2
    return on_grid[0]


def tries(state: dict[str, Any], commit: str) -> int:
    """How often a commit failed."""
    return state.get("failures", {}).get(commit, {}).get("tries", 0)


def note_failure(state: dict[str, Any], commit: str, config: Config) -> None:
    """Note that a commit gave no result; the pause before its next try is twice the one before."""
    pause = config.retry_seconds * 2 ** tries(state, commit)
    failure = {"tries": tries(state, commit) + 1, "at": time.time(), "next": time.time() + pause}
    state.setdefault("failures", {})[commit] = failure


def note_success(state: dict[str, Any], commit: str) -> None:
    """Note that a commit was measured."""
    state.setdefault("failures", {}).pop(commit, None)
    state["success"] = time.time()


def may_try(state: dict[str, Any], commit: str, config: Config) -> bool:
    """Whether it is time to measure a commit: a failing one `retries` times with growing pauses, then not any more.

    A fault of the machine looks the same as a fault of a commit. So a commit that was given up gets one more try after another commit
    was measured.
    """
    if not (failed := tries(state, commit)):
        return True
    failure = state["failures"][commit]
    if failed < config.retries:
        return time.time() >= failure["next"]
    return failed == config.retries and state.get("success", 0) > failure["at"]


def given_up(state: dict[str, Any], commits: list[str], config: Config) -> list[str]:
    """The commits that are not tried any more, unless another one can be measured."""
    return [commit for commit in commits if tries(state, commit) >= config.retries]


def drift(references: dict[str, float], level: dict[str, float]) -> float:
    """By how much the references are off their level, as a ratio: the median over all of them; 1 when nothing is known."""
    ratios = [value / level[key] for key, value in references.items() if level.get(key, 0) > 0 and value > 0]
    return statistics.median(ratios) if ratios else 1.0


def accept(state: dict[str, Any], references: dict[str, float], config: Config) -> tuple[bool, float]:
    """Whether to believe a run in which the references had these values, and how far they were off; both are remembered.

    One that is off by more than `max_drift` is believed only when the last ones agree so well that the machine has simply changed.
    """
    known = state.setdefault("level", {})
    change = drift(references, {key: statistics.median(values) for key, values in known.items() if len(values) >= ENOUGH})
    if abs(change - 1) > config.max_drift:
        state["drift"] = [*state.get("drift", []), change][-SETTLED:]
        if len(state["drift"]) < SETTLED or max(state["drift"]) / min(state["drift"]) - 1 > config.max_drift:
            return False, change
        known.clear()
    state["drift"] = []
    for key, value in references.items():
        known[key] = [*known.get(key, []), value][-LEVEL:]
    return True, change
