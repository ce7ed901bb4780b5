"""Winograd's transforms of every instruction set against the matrices that cyconv.winograd derives."""

from types import SimpleNamespace

import numpy as np
import pytest

from cyconv._kernels import targets
from cyconv.winograd import ALL
from tests.guard import flush, guarded

NONE, CLAMP, LEAKY = range(3)
U = 2.0**-24
KINDS = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)


def array(matrix) -> np.ndarray:
    """float64 of a matrix of fractions or floats."""
    return np.array([[float(v) for v in row] for row in matrix])


def nested(matrix, values) -> np.ndarray:
    """M v Mᵀ for each lane of values[i, j, lane]."""
    m = array(matrix)
    columns = np.tensordot(m, values.astype(np.float64), 1)
    return np.tensordot(m, columns, (1, 1)).swapaxes(0, 1)


def transform_input(isa, kind, d, rows=None, columns=None, where="end"):
    """(Bᵀ d B)[i, j, lane] of d[n, n, lanes] by the kernel; memory holds d's part inside `rows` and `columns` and nothing around it."""
    lanes, n = targets.lanes(isa), kind.n
    rows, columns = rows or (0, n), columns or (0, n)
    (row0, row1), (col0, col1) = ((max(first, 0), min(end, n)) for first, end in (rows, columns))
    in_row = (col1 - col0) * lanes + 3 if row1 > row0 else lanes
    held = np.full(max(0, (row1 - row0 - 1) * in_row + (col1 - col0) * lanes), np.nan, np.float32)
    for y in range(row0, row1):
        for x in range(col0, col1):
            held[(y - row0) * in_row + (x - col0) * lanes :][:lanes] = d[y, x]
    out_point = lanes + 5
    y = guarded((n * n - 1) * out_point + lanes, where)
    y[:] = np.nan
    tile = SimpleNamespace(
        x=flush(held, where), x_offset=-row0 * in_row - col0 * lanes, in_row=in_row, rows=rows, columns=columns, y=y, out_point=out_point
    )
    targets.wino_input(isa, kind.index, tile)
    got = np.full((n * n, out_point), np.nan, np.float32)
    got.ravel()[: y.size] = y
    assert np.isnan(got[:, lanes:]).all()
    return got[:, :lanes].reshape(n, n, lanes)


@KINDS
def test_input_of_unit_vectors(isa, kind):
    """Bit for bit: each output is one product of two constants."""
    lanes, bt = targets.lanes(isa), array(kind.b_transposed())
    for y, x in np.ndindex(kind.n, kind.n):
        for lane in {0, lanes - 1}:
            d = np.zeros((kind.n, kind.n, lanes), np.float32)
            d[y, x, lane] = 1
            got = transform_input(isa, kind, d)
            want = np.zeros_like(d)
            want[:, :, lane] = np.outer(bt[:, y], bt[:, x])
            assert np.array_equal(got, want), (y, x)


def check_input(got, kind, d):
    """Within the rounding of two sums of n products."""
    bound = 2 * kind.n * U * nested(np.abs(array(kind.b_transposed())), np.abs(d))
    assert np.all(np.abs(got - nested(kind.b_transposed(), d)) <= bound)


@KINDS
def test_input_at_every_edge(isa, kind):
    """Every combination of clipped rows and columns, with guard pages before or behind what may be read."""
    rng = np.random.default_rng(3)
    n, lanes = kind.n, targets.lanes(isa)
    parts = [(first, end) for first in range(n) for end in range(first + 1, n + 1)]
    beyond = [(-1, n), (0, n + 1), (-2, n - 1)]  # the image goes on
    cases = [(r, c) for r in parts for c in parts] + [(r, c) for r in beyond for c in beyond]
    for number, (rows, columns) in enumerate(cases):
        d = rng.standard_normal((n, n, lanes)).astype(np.float32)
        inside = np.zeros((n, n, 1), np.float32)
        inside[max(rows[0], 0) : rows[1], max(columns[0], 0) : columns[1]] = 1
        got = transform_input(isa, kind, d, rows, columns, "end" if number % 2 else "start")
        check_input(got, kind, d * inside)


@KINDS
def test_input_outside_the_image(isa, kind):
    """A tile wholly in the padding is zeros, and reads nothing."""
    d = np.full((kind.n, kind.n, targets.lanes(isa)), np.nan, np.float32)
    for rows, columns in (((kind.n, kind.n + 3), None), ((-4, 0), None), (None, (kind.n + 1, kind.n + 2)), (None, (-9, -2))):
        assert not transform_input(isa, kind, d, rows, columns).any()


def activate(v, act):
    if act == CLAMP:
        return np.clip(v, -0.5, 0.75)
    return np.where(v > 0, v, v * 0.5) if act == LEAKY else v


def output_tile(isa, kind, values, shape, act=NONE, residual=None, where="end"):
    """A tile's arguments on guarded memory: values[n, n, lanes], and rows and columns to write."""
    lanes, n, (rows, columns) = targets.lanes(isa), kind.n, shape
    in_point, out_row = lanes + 1, columns * lanes + 7
    x = np.full((n * n, in_point), np.nan, np.float32)
    x[:, :lanes] = values.reshape(n * n, lanes)
    size = (rows - 1) * out_row + columns * lanes
    y = guarded(size, where)
    y[:] = -777
    return SimpleNamespace(
        x=flush(x.ravel()[: (n * n - 1) * in_point + lanes], where), in_point=in_point, bias=guarded(lanes, where), y=y, out_row=out_row,
        residual=None if residual is None else flush(residual[:size], where), rows=rows, columns=columns, act=act, lo=-0.5, hi=0.75,
        slope=0.5, pooled=False,
    )  # fmt: skip


def pixels(flat, tile, lanes):
    """(pixels of a clipped tile, what lies between its rows)."""
    whole = np.full(tile.rows * tile.out_row, -777, np.float32)
    whole[: flat.size] = flat
    whole = whole.reshape(tile.rows, tile.out_row)
    used = tile.columns * lanes
    return whole[:, :used].reshape(tile.rows, tile.columns, lanes), whole[:, used:]


@KINDS
def test_output_of_unit_vectors(isa, kind):
    lanes, at = targets.lanes(isa), array(kind.a_transposed())
    for i, j in np.ndindex(kind.n, kind.n):
        for lane in {0, lanes - 1}:
            values = np.zeros((kind.n, kind.n, lanes), np.float32)
            values[i, j, lane] = 1
            tile = output_tile(isa, kind, values, (kind.m, kind.m))
            targets.wino_output(isa, kind.index, tile)
            want = np.zeros((kind.m, kind.m, lanes))
            want[:, :, lane] = np.outer(at[:, i], at[:, j])
            assert np.array_equal(pixels(tile.y, tile, lanes)[0], want.astype(np.float32)), (i, j)


@KINDS
def test_output_at_every_edge(isa, kind):
    """Every number of rows and columns, beyond the tile's too, with bias, residual and each activation; nothing else is written."""
    rng = np.random.default_rng(4)
    lanes, m = targets.lanes(isa), kind.m
    size = range(1, m + 1)
    cases = [(r, c, act, with_residual) for r in size for c in size for act in (NONE, CLAMP, LEAKY) for with_residual in (False, True)]
    for number, (rows, columns, act, with_residual) in enumerate(cases):
        values = rng.standard_normal((kind.n, kind.n, lanes)).astype(np.float32)
        added = rng.standard_normal(2 * m * m * lanes).astype(np.float32) if with_residual else None
        tile = output_tile(isa, kind, values, (rows, columns), act, added, "end" if number % 2 else "start")
        tile.bias[:] = rng.standard_normal(lanes)
        exact = nested(kind.a_transposed(), values)[:rows, :columns] + tile.bias
        magnitude = nested(np.abs(array(kind.a_transposed())), np.abs(values))[:rows, :columns] + np.abs(tile.bias)
        if with_residual:
            exact = exact + pixels(tile.residual, tile, lanes)[0]
            magnitude = magnitude + np.abs(pixels(tile.residual, tile, lanes)[0])
        targets.wino_output(isa, kind.index, tile)
        got, between = pixels(tile.y, tile, lanes)
        assert np.all(np.abs(got - activate(exact, act)) <= 2 * (kind.n + 1) * U * magnitude), (rows, columns, act)
        assert np.all(between == -777)
    assert len(cases) >= 24


@KINDS
def test_pooled_output(isa, kind):
    """The largest of each 2 x 2 pixels, with NaN, for every even number of rows and columns; nothing else is written."""
    if kind.m % 2:
        return
    rng = np.random.default_rng(7)
    lanes = targets.lanes(isa)
    for rows, columns in ((r, c) for r in range(2, kind.m + 1, 2) for c in range(2, kind.m + 1, 2)):
        values = rng.standard_normal((kind.n, kind.n, lanes)).astype(np.float32)
        if (rows, columns) == (kind.m, 2):
            values[0, 0, lanes // 2] = np.nan
        whole, half = (output_tile(isa, kind, values, size, CLAMP) for size in ((rows, columns), (rows // 2, columns // 2)))
        half.rows, half.columns, half.pooled = rows, columns, True
        for tile in (whole, half):
            tile.bias[:] = np.arange(lanes)
            targets.wino_output(isa, kind.index, tile)
        want = pixels(whole.y, whole, lanes)[0].reshape(rows // 2, 2, columns // 2, 2, lanes).max((1, 3))
        shrunk = SimpleNamespace(**{**vars(half), "rows": rows // 2, "columns": columns // 2})
        got, between = pixels(half.y, shrunk, lanes)
        assert np.array_equal(got, want, equal_nan=True)
        assert np.all(between == -777)


@KINDS
def test_output_writes_no_more_than_the_tile(isa, kind):
    """Where the image goes on to the right and below, rows and columns are more than the tile's."""
    lanes = targets.lanes(isa)
    values = np.random.default_rng(5).standard_normal((kind.n, kind.n, lanes)).astype(np.float32)
    exact, large = (output_tile(isa, kind, values, (kind.m, kind.m)) for _ in range(2))
    large.rows = large.columns = 9
    for tile in (exact, large):
        tile.bias[:] = 0
        targets.wino_output(isa, kind.index, tile)
    assert np.array_equal(exact.y, large.y)


@KINDS
def test_transforms_and_products_are_a_convolution(isa, kind):
    """One channel in each lane: Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A equals the correlation."""
    rng = np.random.default_rng(6)
    lanes = targets.lanes(isa)
    d = rng.standard_normal((kind.n, kind.n, lanes)).astype(np.float32)
    g = rng.standard_normal((kind.r, kind.r, lanes)).astype(np.float32)
    values = transform_input(isa, kind, d) * nested(kind.g(), g).astype(np.float32)
    tile = output_tile(isa, kind, values, (kind.m, kind.m))
    tile.bias[:] = 0
    targets.wino_output(isa, kind.index, tile)
    want = sum(d[i : i + kind.m, j : j + kind.m].astype(np.float64) * g[i, j] for i, j in np.ndindex(kind.r, kind.r))
    assert np.allclose(pixels(tile.y, tile, lanes)[0], want, rtol=0, atol=1e-4 * np.abs(want).max())
