"""Resizing steps: rows, columns and single axes by tables, with gaps, borders and threads."""

import numpy as np
import pytest

from cyconv._kernels import cpu
from cyconv._kernels.program import Memory, Program
from cyconv._kernels.resize import ResizeAxis, ResizeImage
from tests.drivers import places
from tests.drivers.places import NO_BORDER, check, put, run
from tests.drivers.test_elements import place
from tests.guard import flush, guarded

ROWS = ([0, 0, 2, 1], [1, 0, 0, 2], [0.25, 0.0, 0.5, 0.75])
COLUMNS = ([3, 1, 0, 2, 2], [0, 2, 0, 3, 0], [0.5, 0.25, 0.0, 0.0, 0.75])


def along(x, axis, table):
    first, second, weight = (np.array(t) for t in table)
    w = weight.reshape(-1, *[1] * (x.ndim - axis - 1)).astype(np.float32)
    return np.take(x, first, axis) * (1 - w) + np.take(x, second, axis) * w


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("border", "gap"), [(NO_BORDER, 0), ((1, 2, 2, 1), 5)])
@pytest.mark.parametrize("shape", [(1, 3), (2, 33)])
def test_images(shape, border, gap, threads):
    x = np.random.default_rng(1).integers(-32, 33, (*shape, 3, 4)).astype(np.float32)
    xt = places.place(2, x.shape, cpu.lanes(), (1, 0, 0, 1), 3)
    yt = places.place(3, (*shape, 4, 5), cpu.lanes(), border, gap)
    check(run(ResizeImage(xt, yt, ROWS, COLUMNS), [put(x, xt)], yt, threads), yt, along(along(x, 3, COLUMNS), 2, ROWS))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("sizes", [(1, 3, 1), (50, 3, 1), (4, 3, 7), (2, 3, 1000), (0, 3, 2), (2, 3, 0)])
def test_one_axis(sizes, threads):
    x = np.random.default_rng(2).integers(-32, 33, sizes).astype(np.float32)
    y = guarded(sizes[0] * 4 * sizes[2])
    Program([ResizeAxis(place(2), place(3), sizes, ROWS)], 0, Memory(0)).run([flush(x), y], 1, threads)
    np.testing.assert_array_equal(y.reshape(sizes[0], 4, sizes[2]), along(x, 1, ROWS))


def test_refuses_what_does_not_fit():
    lanes = cpu.lanes()
    x, y = places.place(2, (1, 3, 3, 4), lanes), places.place(3, (1, 3, 4, 5), lanes)
    with pytest.raises(ValueError, match="entries for 4 places"):
        ResizeImage(x, y, COLUMNS, COLUMNS)
    with pytest.raises(ValueError, match="on an axis of 3"):
        ResizeImage(x, y, ([0, 1, 2, 3], *ROWS[1:]), COLUMNS)
    with pytest.raises(ValueError, match="on an axis of 2"):
        ResizeAxis(place(2), place(3), (1, 2, 1), ROWS)
    with pytest.raises(ValueError, match="in blocks of 1 channels into"):
        ResizeImage(places.place(2, (1, 3, 3, 4), 1), y, ROWS, COLUMNS)
    with pytest.raises(ValueError, match="into"):
        ResizeImage(places.place(2, (1, 4, 3, 4), lanes), y, ROWS, COLUMNS)
