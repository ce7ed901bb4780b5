"""Which commit is next, how often failing ones are tried, and when a shifted reference is believed."""

from pathlib import Path

import pytest

from benchmarks.service import schedule
from benchmarks.service.config import parse
from benchmarks.service.schedule import Failures, grid, known_level, remember_level, repeated_drift


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    now = [1000.0]
    monkeypatch.setattr(schedule.time, "time", lambda: now[0])
    return now


CONFIG = parse('repo = "r"\ndata = "d"\nretries = 3\nretry_seconds = 10', Path("/"))


def test_oldest_first():
    commits = [f"c{i}" for i in range(10)]
    assert grid(["c3", "c7"], commits, 10, limit=20) == "c3"


def test_far_behind_a_coarse_grid_comes_first_and_stays_while_the_branch_grows():
    commits = [f"c{i}" for i in range(100)]
    waiting, order = commits[:], []
    for _ in range(100):
        commits = [*commits, f"c{len(commits)}"]
        waiting.append(commits[-1])
        order.append(grid(waiting, commits, len(commits), limit=5))
        waiting.remove(order[-1])
    numbers = [int(name[1:]) + 1 for name in order]
    assert all(number % 16 == 0 for number in numbers[:5])
    assert numbers[:3] == sorted(numbers[:3])


def test_all_are_measured_in_the_end():
    commits = [f"c{i}" for i in range(50)]
    waiting, order = commits[:], []
    while waiting:
        order.append(grid(waiting, commits, 50, limit=4))
        waiting.remove(order[-1])
    assert sorted(order) == sorted(commits)


def test_retries_are_bounded_and_spaced(clock):
    failures = Failures({}, CONFIG)
    pauses = []
    for _ in range(3):
        failures.add("a")
        begin = clock[0]
        while not failures.may_try("a") and clock[0] < begin + 1000:
            clock[0] += 1
        pauses.append(clock[0] - begin)
    assert pauses == [10, 20, 1000]
    assert failures.given_up() == ["a"] and not failures.soon(["a"])


def test_one_more_try_once_another_commit_was_measured(clock):
    failures = Failures({}, CONFIG)
    for _ in range(3):
        failures.add("a")
    clock[0] += 5
    failures.success("b")
    assert failures.may_try("a")
    clock[0] += 5
    failures.add("a")
    clock[0] += 5
    failures.success("c")
    assert not failures.may_try("a") and failures.may_try("new")


def test_level_is_the_median_of_the_last_values():
    state: dict = {}
    for value in (1.0, 1.2):
        remember_level(state, {"k": value})
    assert known_level(state) == {}
    for value in [1.1] * 40:
        remember_level(state, {"k": value})
    assert known_level(state) == {"k": 1.1} and len(state["level"]["k"]) == schedule.LEVEL


def test_a_new_machine_is_believed_when_runs_agree():
    state: dict = {"level": {"k": [1.0]}}
    assert [repeated_drift(state, change, CONFIG) for change in (1.3, 1.31, 1.29, 1.3)] == [False] * 4
    assert repeated_drift(state, 1.3, CONFIG) and state["level"] == {}
    state = {"level": {"k": [1.0]}}
    assert not any(repeated_drift(state, change, CONFIG) for change in (1.3, 1.9, 1.2, 1.5, 1.3, 2.0))
