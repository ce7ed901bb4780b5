"""Lowering of convolutions through Winograd's algorithm, those of stride 2 and more in phases.

The tiles of all images are cut into stretches whose transformed input fits into the second-level cache; each stretch is two
steps, transform and product. graph/algorithm has chosen which layers come here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from cyconv._kernels.cpu import conv_pixels
from cyconv._kernels.phases import Phases
from cyconv._kernels.winograd import PackWinograd, WinogradInput, WinogradProduct
from cyconv.graph.algorithm import reduced, stretches, tiles_of
from cyconv.graph.ir import Node
from cyconv.graph.layout import NO_BORDER, Buffer, Operand, Task, Tensor, Weights, following_weights, numel, round_up, tensor, tensor_floats
from cyconv.graph.lower import Lowering
from cyconv.graph.passes import only_reader
from cyconv.graph.select import group_blocks, split
from cyconv.winograd import Winograd

Pieces = list[tuple[int, int]]  # (first tile, tiles)

# Of the transformed input: below it each thread reads all weights, but only the tiles that it has transformed. On two threads of Sapphire
# Rapids the 3x3 layers of GoogLeNet and ResNet-18 at 56 and 28 pixels took 8 % less with 4 than with 1.
SMALL_WEIGHTS = 4
ITEM_TILES = 28  # tiles whose products wait in the cache for the transform back
MOST_MORE_PIECES = 1.34  # of those that the largest register tiles take: smaller ones cost little more


@dataclass(frozen=True)
class Stretch:
    """Tiles first … first + count − 1 of all images; fields as in drivers/winograd.pyx."""

    kind: int
    m: int
    n: int
    first: int
    count: int
    across: int
    down: int
    top: int
    left: int
    tiles_first: bool = False


@dataclass(frozen=True)
class WinogradGroup:
    """Output blocks computed together, and their pieces of a stretch; fields as in drivers/winograd.pyx."""

    n_blocks: int
    first_block: int
    weights: int
    first_piece: int
    n_pieces: int
    item_pieces: int


@dataclass
class ProductSpec:
    """Everything that the driver's step needs; read by ``WinogradProduct.__cinit__``."""

    v: Operand
    u: Operand
    following: Operand
    following_floats: tuple[int, int]
    bias: Operand
    residual: Operand | None
    out: Operand
    scratch: Operand
    stretch: Stretch
    groups: list[WinogradGroup]
    pieces: Pieces
    channels: int
    scratch_floats: int
    pooled: bool
    act: int
    lo: float
    hi: float
    slope: float


def piece_tiles(count: int, largest: int) -> int:
    """The most tiles of a piece: fewer than ``largest`` where two threads then have equally many items."""
    pieces, both = -(-count // largest), 2 * max(1, ITEM_TILES // largest)
    balanced = -(-pieces // both) * both
    return -(-count // balanced) if pieces * largest > ITEM_TILES and balanced <= MOST_MORE_PIECES * pieces else largest


def plan_groups(
    kind: Winograd, count: int, ci: int, sizes: tuple[int, ...], lanes: int
) -> tuple[list[WinogradGroup], list[tuple[int, int]]]:
    """Groups of these sizes and pieces of a stretch of ``count`` tiles."""
    groups: list[WinogradGroup] = []
    pieces: Pieces = []
    first_piece: dict[int, tuple[int, int]] = {}
    block = weights = 0
    for size in sizes:
        if size not in first_piece:
            cut = split(count, piece_tiles(count, conv_pixels()[size - 1][0]))
            first_piece[size] = (len(pieces), len(cut))
            pieces += cut
        first, n_pieces = first_piece[size]
        item_pieces = max(1, ITEM_TILES // max(tiles for _, tiles in pieces[first : first + n_pieces]))
        groups.append(WinogradGroup(size, block, weights, first, n_pieces, item_pieces))
        weights += kind.n**2 * ci * size * lanes
        block += size
    return groups, pieces


def item_tiles(g: WinogradGroup, pieces: Pieces) -> int:
    """The most tiles that one item of a group works on."""
    return g.item_pieces * max(tiles for _, tiles in pieces[g.first_piece : g.first_piece + g.n_pieces])


@dataclass(frozen=True)
class Part:
    """The share of one group of a convolution, or all of it: its channels of the tensors, and its rows of the weights."""

    x: Tensor
    out: Tensor
    residual: Tensor | None
    bias: Tensor
    first: int
    channels: int


def parts_of(node: Node, x: Tensor, out: Tensor, residual: Tensor | None, bias: Tensor) -> list[Part]:
    """One for each group; their channels begin at whole blocks."""
    groups, (ci, _), co = node.attrs["groups"], reduced(node), node.inputs[1].shape[0]
    if groups == 1:
        return [Part(x, out, residual, bias, 0, co)]
    count = co // groups
    return [
        Part(
            x.channels(g * ci, ci),
            out.channels(g * count, count),
            residual.channels(g * count, count) if residual is not None else None,
            replace(bias, offset=bias.offset + g * count),
            g * count,
            count,
        )
        for g in range(groups)
    ]


def group_sizes(low: Lowering, node: Node, kind: Winograd, channels: int) -> tuple[int, ...]:
    """The cut of the output blocks into groups: one for all stretches, since the packed weights follow it."""
    down, across = tiles_of(kind, node)
    return group_blocks(-(-channels // low.lanes), 1, down * across, tuple((one_row, 0) for one_row, _ in conv_pixels()))


def lower_winograd(low: Lowering, node: Node, kind: Winograd, bias: Tensor, activation: tuple[int, float, float, float]) -> None:
    """Emit the steps of each group of the convolution."""
    x, top, left = winograd_input(low, node)
    pool = pool_behind(low, node, kind)
    if pool is not None:
        low.absorb(pool)
    out = low.new_blocked(pool.outputs[0] if pool is not None else node.outputs[0])
    residual = low.blocked(node.inputs[-1]) if node.attrs.get("residual") else None
    for part in parts_of(node, x, out, residual, bias):
        lower_part(low, node, kind, part, (top, left), activation)


def pool_behind(low: Lowering, node: Node, kind: Winograd) -> Node | None:
    """A maximum pool of 2 x 2 that alone reads the output, and whose windows lie inside the tiles."""
    pool, (_, _, h, w) = only_reader(low.graph, node.outputs[0]), node.outputs[0].shape
    if pool is None or pool.op != "max_pool2d" or pool.attrs["return_indices"] or kind.m % 2 or h % 2 or w % 2:
        return None
    a = pool.attrs
    plain = (tuple(a["kernel"]), tuple(a["stride"]), tuple(a["padding"]), tuple(a["dilation"])) == ((2, 2), (2, 2), NO_BORDER, (1, 1))
    return pool if plain else None


def lower_part(
    low: Lowering, node: Node, kind: Winograd, part: Part, padding: tuple[int, int], activation: tuple[int, float, float, float]
) -> None:
    """Emit the packing, and for each stretch its transform and its product."""
    lanes, x, out = low.lanes, part.x, part.out
    pooled = out.dims[2:] != node.outputs[0].shape[2:]
    ci, _ = reduced(node)
    down, across = tiles_of(kind, node)
    per_tile = kind.n**2 * round_up(ci, lanes)
    sizes = group_sizes(low, node, kind, part.channels)
    u = packed(low, node, kind, part, sizes)
    total = x.dims[0] * down * across
    for first, count in stretches(total, per_tile):
        tiles_first = len(set(sizes)) == 1 and u.buffer.floats <= SMALL_WEIGHTS * per_tile * count
        stretch = Stretch(kind.index, kind.m, kind.n, first, count, across, down, *padding, tiles_first)
        groups, pieces = plan_groups(kind, count, ci, sizes, lanes)
        scratch_floats = kind.n**2 * max(g.n_blocks * item_tiles(g, pieces) for g in groups) * lanes
        v = low.scratch(per_tile * count, f"{node.name} transformed")
        m = low.scratch(scratch_floats * low.max_threads, f"{node.name} products")
        emit_input(low, node, x, v, stretch)
        following: list[Weights] = []

        def make(stretch=stretch, groups=groups, pieces=pieces, v=v, m=m, scratch_floats=scratch_floats, following=following):
            res = part.residual.operand() if part.residual is not None else None
            after = following_weights(following, u)
            operands = (v.operand(), u.operand(), *after, part.bias.operand(), res, out.operand(), m.operand())
            return WinogradProduct(ProductSpec(*operands, stretch, groups, pieces, ci, scratch_floats, pooled, *activation))

        reads = [v, u, part.bias] + ([part.residual] if part.residual is not None else [])
        task = low.emit_node(node, make, reads, [out, m], f"{kind.name} pooled product" if pooled else f"{kind.name} product")
        macs = part.channels * numel(node.inputs[1].shape[1:])
        task.macs = round(macs * x.dims[0] * numel(node.outputs[0].shape[2:]) * count / total)
        task.weights = Weights(u, u.buffer.floats if tiles_first else kind.n**2 * ci * sizes[0] * lanes, not tiles_first)
        task.following = following


def winograd_input(low: Lowering, node: Node) -> tuple[Tensor, int, int]:
    """The blocked input of stride 1 with its padding at the top and left: the node's own, or its phases, which include the padding."""
    stride, (top, _, left, _) = node.attrs["stride"][0], node.attrs["padding"]
    if stride == 1:
        return low.blocked(node.inputs[0]), top, left
    source = low.dense(node.inputs[0])
    (n, _, oh, ow), (ci, r) = node.outputs[0].shape, reduced(node)
    dims = (n, ci, oh + r - 1, ow + r - 1)
    phases = tensor(Buffer("arena", tensor_floats(dims, low.lanes), name=f"{node.name} phases"), dims, low.lanes)
    task = Task(node.op, node.name, lambda: Phases(source.operand(), phases.operand(), stride, top, left), [source.buffer], [phases.buffer])
    task.shape, task.layout, task.algorithm, task.out_bytes = dims, phases.layout, f"phases of stride {stride}", 4 * phases.buffer.floats
    low.emit(task)
    return phases, 0, 0


def emit_input(low: Lowering, node: Node, x: Tensor, v: Tensor, stretch: Stretch) -> None:
    """Append the transform of one stretch's input."""
    task = Task(node.op, node.name, lambda: WinogradInput(x.operand(), v.operand(), stretch), [x.buffer], [v.buffer])
    task.shape, task.layout, task.algorithm, task.out_bytes = v.dims, "points", "transform input", 4 * v.dims[3]
    low.emit(task)


@cache
def weight_transform(kind: Winograd) -> list[list[float]]:
    """G in floats."""
    return [[float(v) for v in row] for row in kind.g()]


def packed(low: Lowering, node: Node, kind: Winograd, part: Part, sizes: tuple[int, ...]) -> Tensor:
    """Emit the transform of the weights; the tensor that holds them, group after group, point after point."""
    lanes, (ci, _) = low.lanes, reduced(node)
    floats = kind.n**2 * ci * sum(sizes) * lanes
    u = tensor(Buffer("constant", floats, name=f"{node.name} weights"), (1, 1, 1, floats), 1)
    places = []
    start = 0
    for size in sizes:
        places += [(start + b * lanes, size * lanes, ci * size * lanes) for b in range(size)]
        start += kind.n**2 * ci * size * lanes
    raw = low.raw(node.inputs[1], 0)
    raw = replace(raw, dims=(part.channels, *raw.dims[1:]), offset=raw.offset + part.first * raw.n_stride)
    stride, g = node.attrs["stride"][0], weight_transform(kind)
    task = Task("pack", node.name, lambda: PackWinograd(raw.operand(), u.operand(), places, g, stride), [raw.buffer], [u.buffer])
    task.algorithm, task.out_bytes = f"{kind.name} weights", 4 * floats
    low.emit(task, [low.constant_array(node.inputs[1])])
    return u
