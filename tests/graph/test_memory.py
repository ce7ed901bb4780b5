"""The memory plan: no two buffers that live at the same time overlap."""

import numpy as np
import pytest

from cyconv.graph.compile import trace_function
from cyconv.graph.layout import Buffer, Task, round_up
from cyconv.graph.lower import Lowering
from cyconv.graph.memory import ALIGN, SLACK, Life, lives, order, place, place_in_a_row
from cyconv.graph.passes import optimise
from tests.graph.helpers import random_network

RANDOM_LIVES = 200
RANDOM_GRAPHS = 200


def check_places(all_lives: list[Life], total: int) -> None:
    """Within the total, aligned, apart wherever two live together; never more than without sharing, never less than what must be."""
    spans = [(life.buffer.offset, life.buffer.offset + life.buffer.floats) for life in all_lives]
    assert all(start % ALIGN == 0 and 0 <= start and stop <= total for start, stop in spans)
    for i, a in enumerate(all_lives):
        for b, (start, stop) in zip(all_lives[:i], spans, strict=False):
            together = a.first <= b.last and b.first <= a.last
            assert not together or spans[i][1] <= start or stop <= spans[i][0], (a, b)
    sizes = [round_up(max(life.buffer.floats, 1), ALIGN) for life in all_lives]
    assert total <= sum(sizes)
    steps = {life.first for life in all_lives}
    assert total >= max((sum(s for s, o in zip(sizes, all_lives, strict=True) if o.first <= k <= o.last) for k in steps), default=0)


@pytest.mark.parametrize("seed", range(RANDOM_LIVES))
def test_random_lives(seed):
    rng = np.random.default_rng(seed)
    count, steps = int(rng.integers(1, 40)), int(rng.integers(1, 30))
    some = []
    for _ in range(count):
        first = int(rng.integers(steps))
        some.append(Life(Buffer("arena", int(rng.integers(0, 500))), first, min(steps, first + int(rng.integers(0, 8)))))
    check_places(some, place(some))


def lowered(seed: int, threads: int = 1) -> Lowering:
    fn, shape = random_network(seed)
    low = Lowering(optimise(trace_function(fn, [shape], ["x"])[0]), threads)
    low.run()
    return low


def test_random_graphs():
    buffers = shared = 0
    for seed in range(RANDOM_GRAPHS):
        found = lives(lowered(seed).tasks)
        total = place(found)
        check_places(found, total)
        buffers += len(found)
        shared += total < sum(round_up(life.buffer.floats, ALIGN) for life in found)
    assert buffers > 5 * RANDOM_GRAPHS and shared > RANDOM_GRAPHS / 2


def test_lives_reach_from_the_first_to_the_last_touch():
    a, b, c, given = Buffer("arena", 1), Buffer("arena", 2), Buffer("constant", 3), Buffer("array", 4)
    tasks = [
        Task("t", "", None, [given], [a]),
        Task("t", "", None, [a, c], [b]),
        Task("t", "", None, [a], [given]),
        Task("t", "", None, [b], [b]),
    ]
    assert {life.buffer: (life.first, life.last) for life in lives(tasks)} == {a: (0, 2), b: (1, 3)}


def test_a_chain_needs_two_places_and_the_resting_ones():
    chain = [Life(Buffer("arena", 64), k, k + 1) for k in range(10)]
    assert place(chain) == 64 * (2 + SLACK)
    assert place([]) == 0


def test_in_a_row():
    buffers = [Buffer("constant", floats) for floats in (1, 16, 17, 0, 5)]
    assert place_in_a_row(buffers) == 16 + 16 + 32 + 16 + 16
    assert [b.offset for b in buffers] == [0, 16, 32, 64, 80]


def conflict(earlier: Task, later: Task) -> bool:
    """Whether the later step reads what the earlier one writes, or uses its memory for something else.

    A part of a buffer is written once, before it is read: what a later step writes into a buffer is another part.
    """

    def spans(task):
        return [(buf, buf.offset, buf.offset + buf.floats) for buf in [*task.reads, *task.writes] if buf.space == "arena"]

    if any(buffer in later.reads for buffer in earlier.writes):
        return True
    return any(b is not c and b0 < c1 and c0 < b1 for b, b0, b1 in spans(earlier) for c, c0, c1 in spans(later))


def test_steps_wait_for_what_they_need():
    """Every pair of steps that must not run together is ordered; some that may, are not."""
    conflicts = free = 0
    for seed in range(RANDOM_GRAPHS):
        tasks = lowered(seed).tasks
        found = lives(tasks)
        place(found)
        after = order(tasks, found)
        assert all(0 <= n <= k for k, n in enumerate(after))
        for k, task in enumerate(tasks):
            for j, earlier in enumerate(tasks[:k]):
                if conflict(earlier, task):
                    conflicts += 1
                    assert after[k] > j, (seed, j, k)
            free += after[k] < k
    assert conflicts > 5 * RANDOM_GRAPHS and free > RANDOM_GRAPHS / 4


def test_parts_of_one_buffer_are_written_side_by_side():
    x, whole, y, given = Buffer("array", 8), Buffer("arena", 64), Buffer("arena", 64), Buffer("array", 64, 1)
    same = Buffer("array", 64, 1)
    tasks = [
        Task("t", "", None, [x], [whole]),
        Task("t", "", None, [x], [whole]),
        Task("t", "", None, [whole], [y]),
        Task("t", "", None, [x], [given]),
        Task("t", "", None, [same], [y]),
        Task("t", "", None, [y], [y]),
    ]
    found = lives(tasks)
    place(found)
    assert order(tasks, found) == [0, 0, 2, 0, 4, 5]
