"""Normalisation steps: layouts, items, scratch and threads; the arithmetic is tested with the micro-kernels."""

import numpy as np
import pytest

from cyconv._kernels import cpu, program
from cyconv._kernels.normalize import Lrn, Softmax, lrn_scratch_floats
from tests.drivers.places import FILL, NO_BORDER, Operand, get, place, put

THREADS = 3


@pytest.mark.parametrize("border", [NO_BORDER, (1, 2, 0, 1)])
@pytest.mark.parametrize("shape", [(1, 5, 3, 4), (2, 33, 7, 5), (3, 16, 1, 150), (1, 96, 27, 27)])
def test_lrn(shape, border):
    lanes = cpu.lanes()
    x = np.random.default_rng(30).standard_normal(shape).astype(np.float32)
    xt, yt = place(2, shape, lanes, (1, 0, 1, 0)), place(4, shape, lanes, border)
    floats = lrn_scratch_floats(shape[1], lanes, 5) * THREADS
    st = Operand(3, 1, 0, floats, floats, floats, (1, 1, 1, floats), NO_BORDER)
    padded = np.pad(x.astype(np.float64) ** 2, ((0, 0), (2, 2), (0, 0), (0, 0)))
    want = x / (1 + 0.1 * sum(padded[:, i : i + shape[1]] for i in range(5)) / 5) ** 0.75
    results = []
    for threads in (1, 2, THREADS):
        scratch = np.full(floats, np.nan, np.float32)
        y = np.full(shape[0] * yt.n_stride, FILL, np.float32)
        step = Lrn(xt, yt, st, 5, 0.1, 0.75, 1.0, THREADS)
        program.Program([step], 64, program.Memory(64)).run([put(x, xt), scratch, y], 2, threads)
        assert np.abs(get(y, yt) - want).max() <= 16 * 2.0**-24 * np.abs(want).max()
        if border != NO_BORDER:
            assert np.count_nonzero(y == FILL) == 0
        results.append(get(y, yt).tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("logarithm", [False, True])
@pytest.mark.parametrize("shape", [(1, 10, 1), (700, 33, 1), (3, 1000, 7), (2, 19, 5000), (4, 1, 3), (0, 5, 2), (2, 5, 0)])
def test_softmax(shape, logarithm):
    x = np.random.default_rng(31).standard_normal(shape).astype(np.float32) * 3
    shifted = x.astype(np.float64) - x.max(axis=1, keepdims=True, initial=-np.inf)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    want = shifted - np.log(total) if logarithm else np.exp(shifted) / total
    size = x.size
    xt, yt = (Operand(base, 1, 0, size, size, size, (1, 1, 1, size), NO_BORDER) for base in (2, 3))
    results = []
    for threads in (1, 2, THREADS):
        y = np.full(shape, FILL, np.float32)
        program.Program([Softmax(xt, yt, *shape, logarithm)], 64, program.Memory(64)).run([x, y], 1, threads)
        assert np.all(np.abs(y - want) <= 40 * 2.0**-24 * np.maximum(np.abs(want), 1 if logarithm else 0))
        results.append(y.tobytes())
    assert len(set(results)) == 1
