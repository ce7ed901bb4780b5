"""Element-wise steps: layouts, joined and separate axes, broadcasting, borders and threads."""

import numpy as np
import pytest

from cyconv._kernels import cpu
from cyconv._kernels.elementwise import Binary, Prelu, ScaleShift, Unary
from tests.drivers.places import NO_BORDER, Operand, check, place, put, run

SHAPES = [(1, 5, 3, 4), (2, 33, 7, 5), (3, 16, 1, 1), (1, 3, 90, 130), (2, 40, 1, 19)]
PLACES = [(1, NO_BORDER, 0), (1, (1, 1, 2, 0), 3), (None, NO_BORDER, 0), (None, (1, 2, 0, 1), 0), (None, NO_BORDER, 16)]


def integers(shape, seed):
    return np.random.default_rng(seed).integers(-32, 33, shape).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("shape", SHAPES)
def test_unary_and_same_shape(shape, where, threads):
    lanes, border, gap = where[0] or cpu.lanes(), *where[1:]
    x, z = integers(shape, 22), integers(shape, 23)
    for source in (border, NO_BORDER):
        xt, zt, yt = place(2, shape, lanes, source), place(3, shape, lanes, source), place(4, shape, lanes, border, gap)
        ut = place(3, shape, lanes, border, gap)
        check(run(Unary(xt, ut, 0), [put(x, xt)], ut, threads), ut, np.maximum(x, 0))
        check(run(Unary(xt, ut, 2, 0.5), [put(x, xt)], ut, threads), ut, np.where(x > 0, x, x / 2))
        for function, want in ((0, x + z), (1, x * z)):
            check(run(Binary(xt, zt, yt, function, "each"), [put(x, xt), put(z, zt)], yt, threads), yt, want)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("shape", SHAPES)
def test_broadcasting(shape, where, threads):
    lanes, border, gap = where[0] or cpu.lanes(), *where[1:]
    n, c, _, _ = shape
    x = integers(shape, 24)
    xt, yt = place(2, shape, lanes), place(4, shape, lanes, border, gap)
    for images in {1, n}:
        b = integers((images, c, 1, 1), 25)
        bt = place(3, b.shape, lanes)
        check(run(Binary(xt, bt, yt, 1, "channel"), [put(x, xt), put(b, bt)], yt, threads), yt, x * b)
    one = np.float32([7])
    check(run(Binary(xt, place(3, (1, 1, 1, 1), 1), yt, 0, "one"), [put(x, xt), one], yt, threads), yt, x + 7)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("border", [NO_BORDER, (1, 2, 0, 1)])
@pytest.mark.parametrize("shape", SHAPES)
def test_per_channel(shape, border, threads):
    lanes, c = cpu.lanes(), shape[1]
    padded = -(-c // lanes) * lanes
    x, scale, shift = integers(shape, 26), integers(padded, 27), integers(padded, 28)
    a, b = (v[:c].reshape(1, c, 1, 1) for v in (scale, shift))
    vector = [Operand(base, 1, 0, padded, padded, padded, (1, 1, 1, padded), NO_BORDER) for base in (3, 4)]
    xt, yt, zt = place(2, shape, lanes), place(5, shape, lanes, border), place(4, shape, lanes, border)
    check(run(ScaleShift(xt, *vector, yt), [put(x, xt), scale, shift], yt, threads), yt, x * a + b)
    check(run(Prelu(xt, vector[0], zt), [put(x, xt), scale], zt, threads), zt, np.where(x > 0, x, x * a))


def test_refuses_what_does_not_fit():
    lanes = cpu.lanes()
    x = place(2, (1, 5, 3, 4), lanes)
    with pytest.raises(ValueError, match="function"):
        Unary(x, x, 99)
    with pytest.raises(ValueError, match="into"):
        Unary(x, place(3, (1, 5, 4, 3), lanes), 0)
    with pytest.raises(ValueError, match="mode"):
        Binary(x, x, x, 0, "some")
    with pytest.raises(ValueError, match="broadcast"):
        Binary(x, place(3, (1, 6, 3, 4), lanes), x, 0, "each")
    with pytest.raises(ValueError, match="numbers"):
        Prelu(x, place(3, (1, 1, 1, 5 * lanes), 1), x)
