"""Which commit is next, how often failing ones are tried, and when a shifted reference is believed."""

from pathlib import Path

import pytest

from benchmarks.service import schedule
from benchmarks.service.config import parse
from benchmarks.service.schedule import accept, given_up, grid, may_try, note_failure, note_success


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    now = [1000.0]
    monkeypatch.setattr(schedule.time, "time", lambda: now[0])
    return now


CONFIG = parse('repo = "r"\ndata = "d"\nretries = 3\nretry_seconds = 10', Path("/"))


def test_oldest_first():
    commits = [f"c{i}" for i in range(10)]
    assert grid(["c3", "c7"], commits, limit=20) == "c3"


def test_far_behind_a_coarse_grid_comes_first_and_stays_while_the_branch_grows():
    commits = [f"c{i}" for i in range(100)]
    waiting, order = commits[:], []
    for _ in range(100):
        commits = [*commits, f"c{len(commits)}"]
        waiting.append(commits[-1])
        order.append(grid(waiting, commits, limit=5))
        waiting.remove(order[-1])
    numbers = [int(name[1:]) for name in order]
    assert all(number % 16 == 0 for number in numbers[:5])
    assert numbers[:3] == sorted(numbers[:3])


def test_all_are_measured_in_the_end():
    commits = [f"c{i}" for i in range(50)]
    waiting, order = commits[:], []
    while waiting:
        order.append(grid(waiting, commits, limit=4))
        waiting.remove(order[-1])
    assert sorted(order) == sorted(commits)


def test_retries_are_bounded_and_spaced(clock):
    state: dict = {}
    pauses = []
    for _ in range(3):
        note_failure(state, "a", CONFIG)
        begin = clock[0]
        while not may_try(state, "a", CONFIG) and clock[0] < begin + 1000:
            clock[0] += 1
        pauses.append(clock[0] - begin)
    assert pauses == [10, 20, 1000]
    assert given_up(state, ["a", "b"], CONFIG) == ["a"]


def test_one_more_try_once_another_commit_was_measured(clock):
    state: dict = {}
    for _ in range(3):
        note_failure(state, "a", CONFIG)
    clock[0] += 5
    note_success(state, "b")
    assert may_try(state, "a", CONFIG)
    clock[0] += 5
    note_failure(state, "a", CONFIG)
    clock[0] += 5
    note_success(state, "c")
    assert not may_try(state, "a", CONFIG) and may_try(state, "new", CONFIG)


def test_a_run_is_held_against_the_median_of_the_last_ones():
    state: dict = {}
    assert [accept(state, {"k": value}, CONFIG)[0] for value in (1.0, 1.2, 1.1)] == [True] * 3  # too few to know better
    assert accept(state, {"k": 1.5}, CONFIG) == (False, pytest.approx(1.5 / 1.1))
    assert all(accept(state, {"k": 1.1}, CONFIG)[0] for _ in range(40))
    assert state["level"] == {"k": [1.1] * schedule.LEVEL} and state["drift"] == []


def test_a_new_machine_is_believed_when_runs_agree():
    state: dict = {"level": {"k": [1.0] * 3}}
    assert [accept(state, {"k": value}, CONFIG)[0] for value in (1.3, 1.31, 1.29, 1.3, 1.3)] == [False] * 4 + [True]
    assert state["level"] == {"k": [1.3]}
    state = {"level": {"k": [1.0] * 3}}
    assert not any(accept(state, {"k": value}, CONFIG)[0] for value in (1.3, 1.9, 1.2, 1.5, 1.3, 2.0))
