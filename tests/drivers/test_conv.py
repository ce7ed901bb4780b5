"""Products as the driver sees them: a description made by hand, with tables that the planner would not choose, and refusals."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cyconv._kernels import cpu
from cyconv._kernels.conv import Conv
from cyconv._kernels.program import Memory, Program
from cyconv.graph.select import Group, split
from tests.drivers.places import FILL, NO_BORDER, Operand, check, place, put

L = cpu.lanes()
N, CI, H, W = 2, L + 3, 5, 9
CO = 5 * L + 2  # six blocks: groups of 3, 2 and 1
SIZES = (3, 2, 1)


def row(base: int) -> Operand:
    return Operand(base, 1, 0, 0, 0, 0, (1, 1, 1, 1), NO_BORDER)


def pack(w: np.ndarray) -> np.ndarray:
    """Group after group; within one, (input channel, block, lane)."""
    padded = np.zeros((6 * L, CI), np.float32)
    padded[:CO] = w
    parts, block = [], 0
    for size in SIZES:
        parts.append(padded[block * L : (block + size) * L].T.ravel())
        block += size
    return np.concatenate(parts)


def groups(largest: int, tile_rows: int, band_rows: int) -> tuple[list[Group], list[tuple[int, int]]]:
    """Groups of 3, 2 and 1 blocks with tiles of at most ``largest`` pixels, or what the instruction set has."""
    made, tiles = [], []
    block = weights = 0
    for size in SIZES:
        cut = split(W, min(largest, cpu.conv_pixels()[size - 1][tile_rows - 1]))
        fields = dict.fromkeys(Group.__dataclass_fields__, 0)
        fields |= {"n_blocks": size, "first_block": block, "weights": weights, "weight_floats": CI * size * L, "n_taps": 2}
        fields |= {"first_tile": len(tiles), "n_tiles": len(cut), "tile_rows": tile_rows, "band_rows": band_rows}
        fields |= {"rows": H, "n_slices": 1, "depth_taps": 1}
        made.append(Group(**fields))
        tiles += cut
        block += size
        weights += CI * size * L
    return made, tiles


def spec(x: Operand, y: Operand, residual=None, largest: int = 14, tile_rows: int = 1, band_rows: int = 1) -> SimpleNamespace:
    """A 1x1 convolution; bases are 2 x, 3 weights, 4 bias, 5 residual or result, then the result."""
    made, tiles = groups(largest, tile_rows, band_rows)
    return SimpleNamespace(
        x=x,
        w=row(3),
        bias=row(4),
        residual=residual,
        following=row(3),
        following_floats=(0, 0),
        outs=[y],
        blocks=[(0, b) for b in range(6)],
        groups=made,
        taps=[(0, L), (x.c_stride, CI - L)],
        tiles=tiles,
        slices=[(0, 0, 0, 1)],
        volumes=N,
        out_depth=1,
        x_volume=x.n_stride,
        row_step=1,
        in_row=x.h_stride,
        in_px=L,
        out_px=L,
        res_px=L,
        bands_first=False,
        pointwise=True,
        lanewise=False,
        bfloat16=False,
        act=1,
        lo=0.0,
        hi=40.0,
        slope=0.0,
    )


def data():
    rng = np.random.default_rng(6)
    return (rng.integers(-4, 5, shape).astype(np.float32) for shape in [(N, CI, H, W), (CO, CI), (6 * L,), (N, CO, H, W)])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("largest", "tile_rows", "band_rows"), [(14, 1, 1), (1, 1, 5), (2, 1, 3), (14, 2, 2), (1, 2, 4), (3, 2, 6)])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("bands_first", [False, True])
def test_any_tables_give_the_same(bands_first, residual, largest, tile_rows, band_rows, threads):
    """Tiles, bands, groups in either order, borders and gaps between blocks."""
    x, w, bias, r = data()
    xt, rt = place(2, x.shape, L, (1, 0, 2, 0)), place(5, r.shape, L, (0, 1, 0, 1))
    yt = place(6, r.shape, L, (1, 2, 3, 1), gap=L)
    made = spec(xt, yt, rt if residual else None, largest, tile_rows, band_rows)
    made.bands_first = bands_first
    y = np.full(N * yt.n_stride, FILL, np.float32)
    Program([Conv(made)], 64, Memory(64)).run([put(x, xt), pack(w), bias, put(r, rt), y], 1, threads)
    want = np.einsum("nchw,oc->nohw", x, w) + bias[:CO, None, None] + (r if residual else 0)
    want = np.clip(want, 0, 40)
    assert 0.2 < np.count_nonzero(want) / want.size < 0.9
    # NaN that put() leaves in unused lanes may go into unused lanes of the result, and nowhere else
    np.nan_to_num(y, copy=False)
    check(y, yt, want)


def test_phases_and_slices():
    """Volumes of two slices whose taps are those of one slice each, into every second row and column; borders are written once."""
    x, w, bias, _ = data()
    xt = place(2, x.shape, L, (1, 0, 2, 0))
    yt = place(5, (N, CO, 2 * H, 2 * W), L, (1, 2, 3, 1))
    made = spec(xt, yt)
    made.volumes, made.out_depth, made.x_volume, made.row_step, made.out_px = 1, N, 0, 2, 2 * L
    # Output slice 0 reads input slice 1 by the second half of the taps, output slice 1 input slice 0 by the first.
    made.slices = [(0, 0, 1, 2), (1, 0, 0, 1)]
    half = [(0, L), (xt.c_stride, CI - L)]
    made.taps = half + [(offset + xt.n_stride, lanes) for offset, lanes in half]
    shifts = [r * yt.h_stride + c * L for r in (0, 1) for c in (0, 1)]
    twice = [replace(g, weights=2 * g.weights, weight_floats=2 * g.weight_floats, n_taps=4, n_slices=2, depth_taps=2) for g in made.groups]
    made.groups = [replace(g, out_shift=shift) for shift in shifts for g in twice]
    packed = np.concatenate([part for half in np.split(pack(w), np.cumsum([CI * s * L for s in SIZES])[:-1]) for part in (half, half)])
    y = np.full(N * yt.n_stride, FILL, np.float32)
    Program([Conv(made)], 64, Memory(64)).run([put(x, xt), packed, bias, y], 1, 3)
    want = np.clip(np.einsum("nchw,oc->nohw", x, w) + bias[:CO, None, None], 0, 40)[::-1]
    np.nan_to_num(y, copy=False)
    check(y, yt, want.repeat(2, 2).repeat(2, 3))


def test_refuses_depth_taps_that_are_not_there():
    good = spec(place(2, (N, CI, H, W), L), place(5, (N, CO, H, W), L))
    for slices in ([(0, 0, 0, 2)], [(0, 0, 1, 0)], [(0, 0, -1, 1)]):
        with pytest.raises(ValueError, match="depth taps"):
            Conv(SimpleNamespace(**{**vars(good), "slices": slices}))
    with pytest.raises(ValueError, match="of 3 that share 2 taps"):
        Conv(SimpleNamespace(**{**vars(good), "groups": [replace(good.groups[0], depth_taps=3)]}))


def test_refuses_bands_that_are_not_the_same_for_all_groups():
    good = spec(place(2, (N, CI, H, W), L), place(5, (N, CO, H, W), L))
    good.bands_first = True
    Conv(good)
    for change in ({"band_rows": 2}, {"rows": 1}, {"first_slice": 1, "n_slices": 0}):
        with pytest.raises(ValueError, match="bands of group 1 are not those of group 0"):
            Conv(SimpleNamespace(**{**vars(good), "groups": [good.groups[0], replace(good.groups[1], **change)]}))


def test_refuses_tiles_that_the_table_lacks():
    xt, yt = place(2, (N, CI, H, W), L), place(5, (N, CO, H, W), L)
    good = spec(xt, yt)
    Conv(good)
    first = good.groups[0]
    for pixels in (0, -1, cpu.conv_pixels()[2][0] + 1, 10**6):
        with pytest.raises(ValueError, match=f"no tile of 3 blocks x 1 rows x {pixels} pixels"):
            Conv(SimpleNamespace(**{**vars(good), "tiles": [(0, pixels), *good.tiles[1:]]}))
    two = cpu.conv_pixels()[2][1] + 1
    with pytest.raises(ValueError, match=f"no tile of 3 blocks x 2 rows x {two} pixels"):
        Conv(SimpleNamespace(**{**vars(good), "tiles": [(0, two)] * len(good.tiles), "groups": [replace(first, tile_rows=2)]}))
    with pytest.raises(ValueError, match="no tile of 3 blocks"):
        Conv(SimpleNamespace(**{**vars(good), "lanewise": True}))
