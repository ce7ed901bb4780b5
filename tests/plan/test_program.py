"""Programs: arrays in and out, clocks, leases, and refusals."""

import itertools
import threading

import numpy as np
import pytest

from cyconv._kernels.elementwise import Unary
from cyconv._kernels.movement import PadVector, StridedCopy
from cyconv._kernels.program import Memory, Program
from tests.drivers.test_movement import row

N = 5000
RELU, SIGMOID = 0, 3


def copies(steps: int) -> Program:
    """Array → arena → … → array; a step at each arrow."""
    arena = [row(0, N, k % 2 * N) for k in range(steps - 1)]
    chain = [row(2, N), *arena, row(3, N)]
    made = [StridedCopy(a, b, (10, N // 10), (N // 10, 1), (N // 10, 1)) for a, b in itertools.pairwise(chain)]
    return Program(made, 8 * N, Memory(0))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("steps", [1, 2, 7, 200])
def test_steps_run_one_after_the_other(steps, threads):
    program = copies(steps)
    assert len(program) == steps and program.arena_bytes == 8 * N
    for seed in range(3):
        x = np.random.default_rng(seed).standard_normal(N).astype(np.float32)
        y = np.empty(N, np.float32)
        program.run([x, y], 1, threads)
        assert np.array_equal(x, y)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_steps_that_need_not_wait(threads):
    """Two chains, one behind the other in the list: each step waits for the one before it in its chain only."""
    x, y = (np.random.default_rng(k).standard_normal(N).astype(np.float32) for k in range(2))
    steps = []
    for k in range(2):
        chain = [row(2 + k, N), *(row(0, N, (2 * j + k) * N) for j in range(2)), row(4 + k, N)]
        steps += [StridedCopy(a, b, (10, N // 10), (N // 10, 1), (N // 10, 1)) for a, b in itertools.pairwise(chain)]
    program = Program(steps, 16 * N, Memory(0), [0, 1, 2, 0, 4, 5])
    for _ in range(20):
        got = [np.empty(N, np.float32) for _ in range(2)]
        program.run([x, y, *got], 2, threads)
        assert np.array_equal(got[0], x) and np.array_equal(got[1], y)
    for after in ([0, 2, 2, 0, 4, 5], [0, 1, 2, -1, 4, 5]):
        with pytest.raises(ValueError, match="cannot begin after"):
            Program(steps, 16 * N, Memory(0), after)


def test_no_steps():
    Program([], 0, Memory(0)).run([], 0, 2)


def test_constants_and_any_number_of_arrays():
    memory = Memory(64)
    assert memory.size == 64
    Program([PadVector(row(2, 3), row(1, 16), 3, 16)], 0, memory).run([np.array([1, 2, 3], np.float32)], 0, 1)
    arrays = [np.full(16, k, np.float32) for k in range(300)]
    step = StridedCopy(row(1, 16), row(301, 16), (16,), (1,), (1,))
    program = Program([step], 0, memory)
    assert program.constants is memory
    program.run(arrays, 1, 1)
    assert arrays[299].tolist() == [1, 2, 3] + [0] * 13
    assert all(np.all(a == k) for k, a in enumerate(arrays[:299]))


@pytest.mark.parametrize("threads", [1, 3])
def test_clocks(threads):
    program = copies(5)
    times = np.zeros(6, np.int64)
    program.run([np.zeros(N, np.float32), np.zeros(N, np.float32)], 1, threads, times)
    assert np.all(np.diff(times) >= 0) and times[0] > 0
    with pytest.raises(ValueError, match="times must hold 6 readings, got 5"):
        program.run([np.zeros(N, np.float32), np.zeros(N, np.float32)], 1, threads, times[:5])


def test_arrays_are_refused_and_let_go():
    program = copies(1)
    x, frozen = np.zeros(N, np.float32), np.zeros(N, np.float32)
    frozen.flags.writeable = False
    for bad in (frozen, np.zeros((2, N), np.float32)[:, ::2], "text", None):
        with pytest.raises((ValueError, TypeError, BufferError)):
            program.run([x, bad], 1, 1)
    memory = bytearray(4 * N)
    program.run([x, memory], 1, 2)
    memory.clear()  # would raise BufferError if a call still held it


def test_no_memory():
    with pytest.raises(MemoryError, match="no memory for"):
        Memory(2**62)
    with pytest.raises(MemoryError, match="no memory for -1 bytes"):
        Memory(-1)
    with pytest.raises(MemoryError):
        Program([], 2**62, Memory(0)).run([], 0, 1)


def test_only_steps():
    with pytest.raises(TypeError):
        Program([object()], 0, Memory(0))


def test_calls_at_the_same_time_have_arenas_of_their_own():
    program = copies(6)
    failures = []

    def caller(k: int) -> None:
        x, y = np.full(N, k, np.float32), np.empty(N, np.float32)
        for _ in range(200):
            program.run([x, y], 1, 1 + k % 2)
            if not np.all(y == k):
                failures.append(k)

    callers = [threading.Thread(target=caller, args=(k,)) for k in range(8)]
    for t in callers:
        t.start()
    for t in callers:
        t.join()
    assert not failures


def test_a_late_thread_finds_nothing_to_do():
    """Many short steps on more threads than CPUs: whoever comes late must not redo or skip an item."""
    steps = [Unary(row(2, N), row(3, N), SIGMOID, 0.0)] + [Unary(row(3, N), row(3, N), RELU, 0.0) for _ in range(300)]
    program = Program(steps, 0, Memory(0))
    x, want = np.random.default_rng(0).standard_normal(N).astype(np.float32), np.empty(N, np.float32)
    program.run([x, want], 1, 1)
    for _ in range(20):
        y = np.full(N, np.nan, np.float32)
        program.run([x, y], 1, 6)
        assert np.array_equal(y, want)
