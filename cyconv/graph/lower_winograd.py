"""Lowering of convolutions through Winograd's algorithm, those of stride 2 and more in phases.

The tiles of all images are cut into stretches whose transformed input fits into the second-level cache; each stretch is two
steps, transform and product. graph/algorithm has chosen which layers come here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cyconv._kernels.cpu import conv_pixels
from cyconv._kernels.movement import Phases
from cyconv._kernels.winograd import PackWinograd, WinogradInput, WinogradProduct
from cyconv.graph.algorithm import reduced, stretches, tiles_of
from cyconv.graph.ir import Node
from cyconv.graph.layout import Buffer, Operand, Task, Tensor, Weights, following_weights, numel, tensor, tensor_floats
from cyconv.graph.lower import Lowering
from cyconv.graph.select import group_blocks, split
from cyconv.winograd import Winograd

Pieces = list[tuple[int, int]]  # (first tile, tiles)

ITEM_TILES = 28  # tiles whose products wait in the cache for the transform back


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
    act: int
    lo: float
    hi: float
    slope: float


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
            cut = split(count, conv_pixels()[size - 1][0])
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


def group_sizes(low: Lowering, node: Node, kind: Winograd) -> tuple[int, ...]:
    """The cut of the output blocks into groups: one for all stretches, since the packed weights follow it."""
    down, across = tiles_of(kind, node)
    return group_blocks(-(-node.inputs[1].shape[0] // low.lanes), 1, down * across, tuple((one_row, 0) for one_row, _ in conv_pixels()))


def lower_winograd(low: Lowering, node: Node, kind: Winograd, bias: Tensor, activation: tuple[int, float, float, float]) -> None:
    """Emit the packing, and for each stretch its transform and its product."""
    lanes = low.lanes
    x, top, left = winograd_input(low, node)
    out = low.new_blocked(node.outputs[0])
    residual = low.blocked(node.inputs[-1]) if node.attrs.get("residual") else None
    ci, _ = reduced(node)
    in_blocks = -(-ci // lanes)
    down, across = tiles_of(kind, node)
    per_tile = kind.n**2 * in_blocks * lanes
    sizes = group_sizes(low, node, kind)
    u = packed(low, node, kind, sizes)
    total = x.dims[0] * down * across
    parts = stretches(total, per_tile)
    act, lo, hi, slope = activation
    for first, count in parts:
        stretch = Stretch(kind.index, kind.m, kind.n, first, count, across, down, top, left)
        groups, pieces = plan_groups(kind, count, ci, sizes, lanes)
        scratch_floats = (
            kind.n**2 * max(g.n_blocks * g.item_pieces * max(t for _, t in pieces[g.first_piece :][: g.n_pieces]) for g in groups) * lanes
        )
        v = low.scratch(per_tile * count, f"{node.name} transformed")
        m = low.scratch(scratch_floats * low.max_threads, f"{node.name} products")
        emit_input(low, node, x, v, stretch)

        following: list[Weights] = []

        def make(stretch=stretch, groups=groups, pieces=pieces, v=v, m=m, scratch_floats=scratch_floats, following=following):
            res = residual.operand() if residual is not None else None
            after = following_weights(following, u)
            operands = (v.operand(), u.operand(), *after, bias.operand(), res, out.operand(), m.operand())
            return WinogradProduct(ProductSpec(*operands, stretch, groups, pieces, ci, scratch_floats, act, lo, hi, slope))

        reads = [v, u, bias] + ([residual] if residual is not None else [])
        task = low.emit_node(node, make, reads, [out, m], f"{kind.name} product")
        task.macs = round(numel(node.inputs[1].shape) * x.dims[0] * out.dims[2] * out.dims[3] * count / total)
        task.weights, task.following = Weights(u, kind.n**2 * ci * sizes[0] * lanes), following


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


def packed(low: Lowering, node: Node, kind: Winograd, sizes: tuple[int, ...]) -> Tensor:
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
    stride, g = node.attrs["stride"][0], weight_transform(kind)
    task = Task("pack", node.name, lambda: PackWinograd(raw.operand(), u.operand(), places, g, stride), [raw.buffer], [u.buffer])
    task.algorithm, task.out_bytes = f"{kind.name} weights", 4 * floats
    low.emit(task, [low.constant_array(node.inputs[1])])
    return u
