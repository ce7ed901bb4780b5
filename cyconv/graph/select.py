"""Choosing how a product is computed: register tiles, output groups and bands of rows.

The choice depends on the layer and on the instruction set, never on the batch size or the number of threads, so that
results have the same bits for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import inf

# Multiply-adds of one work item: about 10 µs on one core, long against the cost of taking an item (0.1 µs) and short
# enough for two threads to finish together.
ITEM_MACS = 1_000_000

# Tile registers (microkernels/isa_amx.c): pixels of a tile, channels of a step, floats of a tile, parts of a float.
PIXELS, CHANNELS, TILE_FLOATS, PARTS = 16, 32, 256, 3


@dataclass(frozen=True)
class Tiling:
    """How one group of ``blocks`` output blocks walks over a row: (start, pixels) of each tile, and rows a tile."""

    blocks: int
    rows: int
    tiles: tuple[tuple[int, int], ...]
    cycles: float  # estimated for one reduction step over the whole image


def tile_cycles(blocks: int, pixels: int) -> float:
    """Estimated cycles of one reduction step of a tile: two multiply-adds and two loads a cycle, four cycles latency.

    The constant stands for fetching the weights from the second cache and for the loop. Measured on Zen 5 with AVX-512, shares of
    peak: 2 blocks x 14 pixels 0.93, 3 x 7 0.88, 2 x 7 0.76.
    """
    multiply = blocks * pixels / 2
    loads = (blocks + pixels) / 2
    return max(multiply, loads, 4.0) + 1.5


def split(width: int, largest: int) -> tuple[tuple[int, int], ...]:
    """A row cut into as few tiles as possible, of sizes that differ by one at most."""
    count = -(-width // largest)
    least, larger = divmod(width, max(count, 1))
    return tuple((i * least + min(i, larger), least + (i < larger)) for i in range(count))


@lru_cache(maxsize=4096)
def tiling(blocks: int, rows: int, width: int, limits: tuple[int, int]) -> Tiling:
    """The cheaper of one-row and two-row tiles; ``limits`` are the pixels of the largest tile of each kind."""
    best = Tiling(blocks, 1, (), inf)
    for tile_rows in (1, 2):
        if limits[tile_rows - 1] < 1 or (tile_rows == 2 and rows < 2):
            continue
        tiles = split(width, limits[tile_rows - 1])
        full, rest = divmod(rows, tile_rows)
        cycles = sum(full * tile_cycles(blocks, tile_rows * px) + rest * tile_cycles(blocks, px) for _, px in tiles)
        if cycles < best.cycles:
            best = Tiling(blocks, tile_rows, tiles, cycles)
    return best


@lru_cache(maxsize=4096)
def group_blocks(count: int, rows: int, width: int, limits: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """Cut ``count`` output blocks into groups of 1 to 3 at the least estimated cost, larger groups first."""
    cost = [0.0] + [inf] * count
    last = [0] * (count + 1)
    for n in range(1, count + 1):
        for size in range(1, min(len(limits), n) + 1):
            total = cost[n - size] + tiling(size, rows, width, limits[size - 1]).cycles
            if total < cost[n] - 1e-9:
                cost[n], last[n] = total, size
    sizes = []
    while count:
        sizes.append(last[count])
        count -= last[count]
    return tuple(sorted(sizes, reverse=True))


def band_rows(rows: int, tile_rows: int, macs_per_row: int) -> int:
    """Rows of one work item: whole tiles, about ITEM_MACS multiply-adds."""
    wanted = max(1, round(ITEM_MACS / max(macs_per_row, 1) / tile_rows)) * tile_rows
    return max(tile_rows, min(wanted, -(-rows // tile_rows) * tile_rows))


@dataclass(frozen=True)
class Traffic:
    """What a product reads and writes, in floats, and in how many groups and bands (of all images)."""

    input: int
    output: int
    weights: int
    groups: int
    bands: int


def bands_first(traffic: Traffic, cache: int) -> bool:
    """Whether a product goes through all groups of output blocks for each band, and not through all bands for each group.

    Group by group the weights are read once, and the input again for each group unless it stays in the cache beside the group's
    outputs; band by band the input is read once, and the weights again for each band unless they stay in the cache. The order that
    reads less wins, with few weights bands at a tie, since threads then read different rows; ``cache`` counts floats.
    """
    t = traffic
    stays = t.input + t.output / t.groups < 0.75 * cache
    by_group = t.weights + (t.input if stays else t.input * t.groups)
    by_band = t.input + (t.weights if t.weights < 0.5 * cache else t.weights * t.bands)
    return by_band < by_group or (by_band == by_group and 2 * t.weights < t.input)


@dataclass(frozen=True)
class Group:
    """One to three neighbouring output blocks computed together; fields as in drivers/conv.pyx."""

    n_blocks: int
    first_block: int
    weights: int
    weight_floats: int
    input: int
    first_tap: int
    n_taps: int
    first_tile: int
    n_tiles: int
    tile_rows: int
    band_rows: int
    rows: int
    out_shift: int = 0
    first_slice: int = 0
    n_slices: int = 1
    depth_taps: int = 1


def tiles_text(groups: list[Group], tiles: list[tuple[int, int]]) -> str:
    """The tile shapes of a product in words, such as ``2x14`` or ``2x2x7+3x9`` (blocks x rows x pixels)."""
    shapes = []
    for g in groups:
        pixels = max((px for _, px in tiles[g.first_tile : g.first_tile + g.n_tiles]), default=0)
        text = f"{g.n_blocks}x{pixels}" if g.tile_rows == 1 else f"{g.n_blocks}x{g.tile_rows}x{pixels}"
        if text not in shapes:
            shapes.append(text)
    return "+".join(shapes)
