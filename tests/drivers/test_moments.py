"""Layer and group norm steps: both layouts, borders, gaps and threads; the arithmetic is tested with the micro-kernels."""

import numpy as np
import pytest

from cyconv._kernels import cpu, program
from cyconv._kernels.moments import GroupNorm, LayerNorm
from tests.drivers.places import FILL, NO_BORDER, Operand, check, get, place, put

L = cpu.lanes()
EPS = 2.0**-24


def row(base: int, floats: int) -> Operand:
    return Operand(base, 1, 0, floats, floats, floats, (1, 1, 1, floats), NO_BORDER)


def results(make, arrays, yt):
    """The output array for one, two and three threads, which must agree bit for bit."""
    found = []
    for threads in (1, 2, 3):
        y = np.full(max(yt.dims[0] * yt.n_stride, 1), FILL, np.float32)
        program.Program([make()], 64, program.Memory(64)).run([*arrays, y], 1, threads)
        found.append(y)
    assert all(np.array_equal(y, found[0], equal_nan=True) for y in found)
    return found[0]


def close(y, yt, want, bound):
    """Within the bound; then, with what is there in place of what was wanted, borders and gaps too."""
    got = get(y, yt)
    assert np.all(np.abs(got - want) <= bound)
    return got


def standard(x, axes):
    d = x.astype(np.float64) - x.astype(np.float64).mean(axes, keepdims=True)
    return d / np.sqrt((d * d).mean(axes, keepdims=True) + 1e-5)


@pytest.mark.parametrize("border", [NO_BORDER, (1, 2, 0, 3)])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 5, 3, 4), (1, 2 * L, 2, 7), (3, L + 1, 4, 1)])
def test_layer_norm_over_channels(shape, border):
    rng = np.random.default_rng(1)
    x, w, b = rng.standard_normal(shape).astype(np.float32), *rng.standard_normal((2, shape[1])).astype(np.float32)
    xt, yt = place(2, shape, L, (1, 0, 2, 0)), place(5, shape, L, border)
    y = results(lambda: LayerNorm(xt, yt, row(3, len(w)), row(4, len(b)), shape[1], 1e-5), [put(x, xt), w, b], yt)
    want = standard(x, (1,)) * w[:, None, None] + b[:, None, None]
    got = close(y, yt, want, 8 * EPS * (np.abs(want) + np.abs(b[:, None, None])))
    if shape[1] % L == 0:  # else the lanes past the last channel are not written
        check(y, yt, got)


@pytest.mark.parametrize(("rows", "n"), [(1, 1), (7, 5), (3, 96), (1000, 33), (2, 9000), (0, 4), (3, 0)])
def test_layer_norm_of_rows(rows, n):
    rng = np.random.default_rng(2)
    x, w, b = rng.standard_normal((rows, n)).astype(np.float32), *rng.standard_normal((2, n)).astype(np.float32)
    xt, yt = (Operand(base, 1, 0, rows, rows, rows, (1, 1, 1, rows), NO_BORDER) for base in (2, 5))
    found = []
    for threads in (1, 2, 3):
        y = np.full((rows, n), FILL, np.float32)
        step = LayerNorm(xt, yt, row(3, n), row(4, n), n, 1e-5)
        program.Program([step], 64, program.Memory(64)).run([x, w, b, y], 1, threads)
        found.append(y.tobytes())
    assert len(set(found)) == 1
    if y.size:
        want = standard(x, (1,)) * w + b
        assert np.all(np.abs(y - want) <= 8 * EPS * (np.abs(want) + np.abs(b)))


@pytest.mark.parametrize("lanes", [1, L])
@pytest.mark.parametrize("border", [NO_BORDER, (1, 2, 0, 3)])
@pytest.mark.parametrize(
    ("shape", "groups"),
    [
        ((1, 1, 1, 2), 1),
        ((2, 6, 3, 4), 3),
        ((1, 4 * L, 2, 7), 2),
        ((2, 3 * L, 2, 3), 3 * L),
        ((2, 58, 4, 2), 2),
        ((1, 36, 3, 3), 3),
    ],
)
def test_group_norm(shape, groups, border, lanes):
    rng = np.random.default_rng(3)
    n, c, h, w_ = shape
    x, w, b = rng.standard_normal(shape).astype(np.float32), *rng.standard_normal((2, c)).astype(np.float32)
    xt, yt = place(2, shape, lanes, (1, 0, 2, 0) if lanes > 1 else NO_BORDER), place(5, shape, lanes, border)
    y = results(lambda: GroupNorm(xt, yt, row(3, c), row(4, c), groups, 1e-5), [put(x, xt), w, b], yt)
    want = standard(x.reshape(n, groups, c // groups, h, w_), (2, 3, 4)).reshape(shape) * w[:, None, None] + b[:, None, None]
    got = close(y, yt, want, 8 * EPS * (np.abs(want) + np.abs(b[:, None, None])))
    check(y, yt, got)


def test_refusals():
    t, u = place(2, (1, L, 2, 2), L), place(3, (1, L, 2, 3), L)
    v = row(4, L)
    with pytest.raises(ValueError, match="layer norm of"):
        LayerNorm(t, u, v, v, L, 1e-5)
    with pytest.raises(ValueError, match=f"layer norm of {L} channels with {L - 1} weights"):
        LayerNorm(t, t, v, v, L - 1, 1e-5)
    with pytest.raises(ValueError, match="group norm of"):
        GroupNorm(t, u, v, v, 1, 1e-5)
    with pytest.raises(ValueError, match=f"group norm of {L} channels in 3 groups"):
        GroupNorm(t, t, v, v, 3, 1e-5)
    gaps = place(2, (1, L, 2, 2), 1, (0, 0, 1, 0))
    with pytest.raises(ValueError, match="planar tensor with gaps"):
        GroupNorm(gaps, gaps, v, v, 1, 1e-5)
