"""Which algorithm computes each convolution: direct, or Winograd's.

Winograd's computes square kernels of stride 1. A convolution of few channels with stride s is one as well: of the s·s phases of its image,
which become channels, with a kernel of ⌈k/s⌉ (the 7x7 of stride 2 that many networks begin with becomes a 4x4 of 12 channels).

The choice depends on the layer and the instruction set alone, by estimated cycles, so that results have the same bits for every batch
size and number of threads.
"""

from __future__ import annotations

from math import inf

from cyconv._kernels.cpu import conv_pixels, has_tiles
from cyconv._kernels.prefetch import second_level_floats
from cyconv.graph.ir import Node
from cyconv.graph.select import CHANNELS, PARTS, PIXELS, TILE_FLOATS, group_blocks, split, tiling
from cyconv.winograd import ALL, AUTOMATIC, Winograd

BY_NAME = {kind.name: kind for kind in ALL}
LEAST_GAIN = 0.9  # of the estimated time: below it, direct convolution stays, which rounds less
# Of the transformed input of a stretch: half of a second-level cache, the rest is for weights and products. The estimates always assume
# 1 MiB of it, so that the choice, and with it the bits, are the same on every machine with the instruction set.
STRETCH_FLOATS = second_level_floats() // 2
ESTIMATED_STRETCH_FLOATS = 1 << 17
MIN_STRETCH = 28  # tiles: fewer would fetch the weights too often
# Cycles of the transforms of one tile and channel block (measured on Zen 5, AVX-512, in the second-level cache; 20 more for its place).
INPUT_CYCLES = {"F(2,3)": 65, "F(3,3)": 100, "F(4,3)": 140, "F(2,5)": 140, "F(4,4)": 250, "F(3,5)": 235, "F(6,3)": 370, "F(4,5)": 345}
OUTPUT_CYCLES = {"F(2,3)": 60, "F(3,3)": 95, "F(4,3)": 120, "F(2,5)": 105, "F(4,4)": 150, "F(3,5)": 130, "F(6,3)": 305, "F(4,5)": 190}
# On tile registers: of a step of 16 pixels and 16 channels, of which 96 are the products and the rest is loads; of the sums of 16 pixels
# and 16 channels on their way to memory. SPLIT_CYCLES are of 32 channels of one pixel. Fitted to GoogLeNet, ResNet-50 and MobileNetV2 on
# Sapphire Rapids, where each network ran in turn with another.
TILE_CYCLES, SUM_CYCLES = 105, 110
SPLIT_CYCLES = 32
LEAST_PRODUCTS, MOST_TAPS = 32, 256
# Winograd's layers take 1.4 to 1.6 times their estimate in these networks, those on tile registers 1.05 to 1.15 times.
TILE_GAIN = 0.68
PHASE_CYCLES = 1  # of one float that moves into its phase
WEIGHT_BYTES_PER_CYCLE = 6  # that one core reads beyond its own caches; Winograd's weights are up to four times as many
PART_BYTES_PER_CYCLE = 4  # the same of the parts of weights, while the loads of tiles take up buffers


def reduced(node: Node) -> tuple[int, int]:
    """Channels and kernel size of the convolution of stride 1 that Winograd's algorithm computes."""
    stride, (_, ci, k, _) = node.attrs["stride"][0], node.inputs[1].shape
    return ci * stride**2, -(-k // stride)


def suits(node: Node, lanes: int) -> bool:
    """Whether the node has a square kernel that some kind is for, without dilation, groups of whole channel blocks if any, and stride 1 or
    few channels."""
    a, (co, ci, kh, kw) = node.attrs, node.inputs[1].shape
    plain = (a["dilation"], a.get("branches", 1)) == ((1, 1), 1) and kh == kw and a["stride"][0] == a["stride"][1]
    whole = a["groups"] == 1 or (a["stride"] == (1, 1) and ci % lanes == co // a["groups"] % lanes == 0)
    return plain and whole and (a["stride"] == (1, 1) or ci < lanes) and any(kind.r == reduced(node)[1] for kind in ALL)


def tiles_of(kind: Winograd, node: Node) -> tuple[int, int]:
    """Tiles down and across one image of the output."""
    _, _, oh, ow = node.outputs[0].shape
    return -(-oh // kind.m), -(-ow // kind.m)


def stretches(total: int, floats_per_tile: int, floats: int = STRETCH_FLOATS) -> list[tuple[int, int]]:
    """(first, count) of stretches of about equal length, and of about ``floats``."""
    largest = max(MIN_STRETCH, floats // floats_per_tile)
    return list(split(total, largest + largest // 4))


def winograd_cycles(kind: Winograd, node: Node, lanes: int) -> float:
    """Estimated cycles of the layer, or of one of its groups, for one image."""
    down, across = tiles_of(kind, node)
    co, (ci, _) = node.inputs[1].shape[0] // node.attrs["groups"], reduced(node)
    in_blocks, out_blocks = -(-ci // lanes), -(-co // lanes)
    phases = 0 if node.attrs["stride"] == (1, 1) else PHASE_CYCLES * ci * down * across * kind.m**2
    cycles: float = phases + down * across * (in_blocks * INPUT_CYCLES[kind.name] + out_blocks * OUTPUT_CYCLES[kind.name])
    for _, count in stretches(down * across, kind.n**2 * in_blocks * lanes, ESTIMATED_STRETCH_FLOATS):
        sizes = group_blocks(out_blocks, 1, count, conv_pixels())
        product = kind.n**2 * ci * sum(tiling(size, 1, count, (*conv_pixels()[size - 1][:1], 0)).cycles for size in sizes)
        cycles += max(product, kind.n**2 * ci * out_blocks * lanes * 4 / WEIGHT_BYTES_PER_CYCLE)
    return cycles


def tile_cycles(node: Node) -> float:
    """Estimated cycles of the same on tile registers, as drivers/bf16x3.pyx does it; infinite where it cannot, or where the promised error,
    K roundings of K products, would not leave room for the 18 of a step, 6 of each step's sums and 2 of what the parts leave out."""
    a, (_, ci, kh, kw) = node.attrs, node.inputs[1].shape
    if not has_tiles() or node.op != "conv2d" or a["groups"] > 1 or ci * kh * kw < LEAST_PRODUCTS or kh * kw > MOST_TAPS:
        return inf
    (sh, sw), (dh, dw), (_, _, oh, ow) = a["stride"], a["dilation"], node.outputs[0].shape
    blocks, pairs = sum(-(-v.shape[1] // 16) for v in node.outputs), -(-ci // CHANNELS)
    rows, pitch = oh + (kh - 1) * dh // sh, ow + (kw - 1) * dw // sw
    steps = pairs * kh * kw
    product = -(-((oh - 1) * pitch + ow) // PIXELS) * blocks * (steps * TILE_CYCLES + SUM_CYCLES)
    splitting = pairs * min(kh, sh) * min(kw, sw) * rows * pitch * SPLIT_CYCLES
    return splitting + max(product, steps * blocks * PARTS * TILE_FLOATS * 4 / PART_BYTES_PER_CYCLE)


def direct_cycles(node: Node, lanes: int) -> float:
    """Estimated cycles of the same computed directly, on vectors."""
    co, ci = sum(v.shape[1] for v in node.outputs) // node.attrs["groups"], node.inputs[1].shape[1]
    _, _, oh, ow = node.outputs[0].shape
    blocks = -(-co // lanes)
    sizes = group_blocks(blocks, oh, ow, conv_pixels())
    taps = node.inputs[1].shape[2] ** 2
    product = taps * ci * sum(tiling(size, oh, ow, conv_pixels()[size - 1]).cycles for size in sizes)
    return max(product, taps * ci * blocks * lanes * 4 / WEIGHT_BYTES_PER_CYCLE)


def ranked(node: Node, winograd: str, lanes: int, automatic: tuple[Winograd, ...] = AUTOMATIC) -> list[Winograd | None]:
    """What may compute a convolution, None for direct, in the order of preference.

    With "auto" those of ``automatic`` are tried. What stands behind direct convolution is slower, and may be more exact.
    """
    if winograd == "off" or not suits(node, lanes):
        return [None]
    channels, r = reduced(node)
    if winograd != "auto":
        return [*(kind for kind in ALL if kind.r == r and kind.name == winograd), None]
    if 2 * channels < lanes:
        return [None]
    fitting = [kind for kind in automatic if kind.r == r]
    cycles: dict[Winograd | None, float] = {kind: winograd_cycles(kind, node, lanes) for kind in fitting}
    cycles[None] = min(LEAST_GAIN * direct_cycles(node, lanes), TILE_GAIN * tile_cycles(node))
    return sorted(cycles, key=cycles.__getitem__)


def check_winograd(winograd: str) -> str:
    """The option as it came; ValueError when it is none of the known ones."""
    if winograd not in ("auto", "off", *BY_NAME):
        raise ValueError(f"winograd must be 'auto', 'off' or one of {', '.join(map(repr, BY_NAME))}, got {winograd!r}")
    return winograd
