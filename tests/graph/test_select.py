"""Tiles, groups and bands: everything is covered exactly once, and the layers of GoogLeNet get the tiles that were measured as best."""

import pytest

from cyconv._kernels import cpu
from cyconv.graph.select import ITEM_MACS, Group, band_rows, group_blocks, split, tile_cycles, tiles_text, tiling

AVX512 = ((14, 7), (14, 7), (9, 4))
AVX2 = ((12, 6), (6, 3), (4, 2))
BASELINE = ((7, 3), (5, 2), (3, 1))
LANEWISE = ((14, 0),)
ALL_LIMITS = [AVX512, AVX2, BASELINE, LANEWISE, cpu.conv_pixels()]


@pytest.mark.parametrize("largest", [1, 3, 7, 9, 14])
def test_split_covers_a_row_once(largest):
    for width in range(1, 65):
        tiles = split(width, largest)
        assert [x for start, size in tiles for x in range(start, start + size)] == list(range(width))
        sizes = [size for _, size in tiles]
        assert max(sizes) <= largest and max(sizes) - min(sizes) <= 1 and len(tiles) == -(-width // largest)


@pytest.mark.parametrize("limits", ALL_LIMITS)
def test_tiling_covers_the_image_once(limits):
    for width in range(1, 65):
        for rows in (1, 2, 3, 7, 28):
            for blocks, (one, two) in enumerate(limits, 1):
                t = tiling(blocks, rows, width, (one, two))
                assert [x for start, size in t.tiles for x in range(start, start + size)] == list(range(width))
                assert t.rows in (1, 2) and t.rows <= rows
                assert all(1 <= size <= (one if t.rows == 1 else two) for _, size in t.tiles)


@pytest.mark.parametrize("limits", ALL_LIMITS)
def test_groups_cover_the_blocks_once(limits):
    for count in [*range(1, 30), 63, 64]:
        for rows, width in [(1, 1), (7, 7), (14, 14), (28, 28), (5, 61)]:
            sizes = group_blocks(count, rows, width, limits)
            assert sum(sizes) == count and all(1 <= s <= len(limits) for s in sizes)
            assert list(sizes) == sorted(sizes, reverse=True)
            cost = sum(tiling(s, rows, width, limits[s - 1]).cycles for s in sizes)
            alone = count * tiling(1, rows, width, limits[0]).cycles
            assert cost <= alone + 1e-6


def test_bands():
    for rows in range(1, 70):
        for tile_rows in (1, 2):
            for macs in (1, 1000, ITEM_MACS // 3, ITEM_MACS, 50 * ITEM_MACS):
                band = band_rows(rows, tile_rows, macs)
                assert band % tile_rows == 0 and tile_rows <= band < rows + tile_rows
    assert band_rows(28, 1, ITEM_MACS * 2) == 1
    assert band_rows(28, 1, ITEM_MACS // 10) == 10
    assert band_rows(28, 2, 0) == 28


def test_cycles_grow_with_the_tile_and_shrink_per_multiply():
    costs = [tile_cycles(2, px) for px in range(1, 15)]
    assert costs == sorted(costs)
    per_multiply = [cost / px for px, cost in enumerate(costs, 1)]
    assert per_multiply == sorted(per_multiply, reverse=True)


# (output blocks, rows = width, tile shapes) of GoogLeNet's products with 16 lanes.
GOOGLENET = {
    "conv1": (4, 112, "2x14"),
    "conv2": (4, 56, "2x14"),
    "conv3": (12, 56, "2x14"),
    "inception3a.branch2.1": (8, 28, "2x14"),
    "inception3b.branch2.1": (12, 28, "2x14"),
    "inception4a.branch2.1": (13, 14, "3x7+2x14"),
    "inception4b.branch2.1": (14, 14, "2x14"),
    "inception4e.branch2.1": (20, 14, "2x14"),
    "inception5a.branch2.1": (20, 7, "2x2x7"),
    "inception5b.branch2.1": (24, 7, "2x2x7"),
}


@pytest.mark.parametrize("layer", GOOGLENET)
def test_tiles_of_googlenet(layer):
    blocks, size, expected = GOOGLENET[layer]
    groups, tiles = [], []
    for count in group_blocks(blocks, size, size, AVX512):
        t = tiling(count, size, size, AVX512[count - 1])
        fields = dict.fromkeys(Group.__dataclass_fields__, 0)
        fields |= {"n_blocks": count, "first_tile": len(tiles), "n_tiles": len(t.tiles), "tile_rows": t.rows}
        groups.append(Group(**fields))
        tiles += t.tiles
    assert tiles_text(groups, tiles) == expected


def test_no_choice_depends_on_batch_or_threads():
    """Tiles of a layer with pixels are a function of its own shape alone; those of single pixels only share out independent sums."""
    import cyconv

    net = cyconv.nn.Sequential(cyconv.nn.Conv2d(3, 20, 3), cyconv.nn.Conv2d(20, 33, 3), cyconv.nn.MaxPool2d(2))
    plans = [cyconv.compile(net, (n, 3, 20, 20), threads) for n in (1, 2, 5) for threads in (1, 2, 3)]
    assert len({frozenset(step["algorithm"] for step in plan.steps()) for plan in plans}) == 1
