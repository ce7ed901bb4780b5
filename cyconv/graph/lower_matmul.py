"""Lowering of matmul: one product step for all matrices of a batch, on the tiles of convolution.

The rows of the left matrix are the pixels of a tile, the columns of the right one its output channels. Each right matrix is packed once,
in every call unless it is a constant. Where the batch shares one right matrix, its rows all go into one product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cyconv._kernels.conv import Conv
from cyconv._kernels.cpu import conv_pixels
from cyconv._kernels.movement import Pack, PadVector
from cyconv.graph.ir import Node, Value
from cyconv.graph.layout import Buffer, Task, Tensor, Weights, following_weights, numel, round_up, tensor
from cyconv.graph.lower import Lowering, lowers
from cyconv.graph.lower_conv import ConvSpec
from cyconv.graph.select import ITEM_MACS, Group, group_blocks, split, tiles_text
from cyconv.ops.matmul import as_matrices


@dataclass(frozen=True)
class Sizes:
    """``left[i]`` and ``right[i]`` are the matrices whose m x k by k x n product is the i-th of the output."""

    m: int
    k: int
    n: int
    left: list[int]
    right: list[int]


def sizes_of(a: tuple[int, ...], b: tuple[int, ...]) -> Sizes:
    """The products that arrays of these shapes make."""
    left, right = as_matrices(a, b)
    (m, k), n = left[-2:], right[-1]
    batch = np.broadcast_shapes(left[:-2], right[:-2])
    if numel(right[:-2]) == 1:
        return Sizes(numel(batch) * m, k, n, [0], [0])
    places = [np.broadcast_to(np.arange(numel(s)).reshape(s), batch).ravel().tolist() for s in (left[:-2], right[:-2])]
    return Sizes(m, k, n, *places)


@lowers("matmul")
def lower_matmul(low: Lowering, node: Node) -> None:
    """Into the output's own rows where they are whole vectors, otherwise through rows that are."""
    a, b = node.inputs
    s, lanes = sizes_of(a.shape, b.shape), low.lanes
    y = low.new_dense(node.outputs[0])
    if numel(node.outputs[0].shape) == 0:
        return
    row = round_up(s.n, lanes)
    rows = len(s.left) * s.m
    wide = y if row == s.n else low.scratch(rows * row, f"{node.name} rows")
    emit_matmul(low, node, s, wide)
    if wide is not y:
        low.strided_copy(wide, y, (rows, s.n), (row, 1), (s.n, 1), node.name)


def plan(s: Sizes, lanes: int) -> tuple[list[Group], list[tuple[int, int]]]:
    """A group for each product, each few blocks of columns and each stretch of rows that makes a work item; and the tiles."""
    row = round_up(s.n, lanes)
    limits = tuple((one_row, 0) for one_row, _ in conv_pixels())
    sizes = group_blocks(row // lanes, 1, s.m, limits)
    tiles: list[tuple[int, int]] = []
    first_tile = {}
    for size in set(sizes):
        cut = split(s.m, limits[size - 1][0])
        first_tile[size] = len(tiles), len(cut)
        tiles += cut
    groups = []
    for i, (left, right) in enumerate(zip(s.left, s.right, strict=True)):
        block = 0
        for size in sizes:
            first, count = first_tile[size]
            floats = s.k * size * lanes
            of_item = max(1, ITEM_MACS // max(1, floats * tiles[first][1]))
            for start in range(first, first + count, of_item):
                weights = (right * row + block * lanes) * s.k
                stretch = (start, min(of_item, first + count - start), 1, 1, 1)
                groups.append(Group(size, block, weights, floats, left * s.m * s.k, 0, 1, *stretch, i * s.m * row))
            block += size
    return groups, tiles


def emit_matmul(low: Lowering, node: Node, s: Sizes, y: Tensor) -> None:
    """Pack the right matrices, then append the product; ``y`` has rows of whole vectors."""
    lanes = low.lanes
    x = low.dense(node.inputs[0])
    row = round_up(s.n, lanes)
    blocks = row // lanes
    groups, tiles = plan(s, lanes)
    w = packed_right(low, node, s, group_blocks(blocks, 1, s.m, tuple((one, 0) for one, _ in conv_pixels())))
    bias = tensor(Buffer("constant", row, name=f"{node.name} zeros"), (1, 1, 1, row), 1)
    zeros = Task("pack", node.name, lambda: PadVector(bias.operand(), bias.operand(), 0, row), [bias.buffer], [bias.buffer])
    low.emit(zeros, [])
    out = Tensor(y.buffer, lanes, (1, row, 1, s.m), 0, lanes, 0, y.offset)
    following: list[Weights] = []

    def make():
        after, after_floats = following_weights(following, w)
        return Conv(
            ConvSpec(
                x=x.operand(),
                w=w.operand(),
                bias=bias.operand(),
                residual=None,
                following=after,
                following_floats=after_floats,
                outs=[out.operand()],
                blocks=[(0, i) for i in range(blocks)],
                groups=groups,
                taps=[(0, s.k)],
                tiles=tiles,
                slices=[(0, 0, 0, 1)],
                volumes=1,
                out_depth=1,
                x_volume=0,
                row_step=1,
                in_row=0,
                in_px=s.k,
                out_px=row,
                res_px=0,
                bands_first=False,
                pointwise=False,
                lanewise=False,
                bfloat16=False,
                act=0,
                lo=0.0,
                hi=0.0,
                slope=0.0,
            )
        )

    task = low.emit_node(node, make, [x, w, bias], [y], f"{len(s.left)} of {s.m}x{s.k}x{s.n}, {tiles_text(groups, tiles)}")
    task.following = following
    task.weights = Weights(w, groups[0].weight_floats)
    task.macs = len(s.left) * s.m * s.k * s.n


def packed_right(low: Lowering, node: Node, s: Sizes, sizes: tuple[int, ...]) -> Tensor:
    """Emit the packing of all right matrices, in one step; the packed tensor."""
    v: Value = node.inputs[1]
    lanes, constant = low.lanes, low.is_constant(v)
    count = max(s.right) + 1
    row = round_up(s.n, lanes)
    floats = count * row * s.k
    packed = tensor(Buffer("constant" if constant else "arena", floats, name=f"{node.name} weights"), (1, 1, 1, floats), 1)
    raw = low.raw(v, 0) if constant else low.dense(v)
    columns = Tensor(raw.buffer, 1, (s.n, s.k, 1, 1), 1, s.n, 1, raw.offset)
    placed, shifts = [], []
    for matrix in range(count):
        block = 0
        for size in sizes:
            start = (matrix * row + block * lanes) * s.k
            placed += [(block + i, start + i * lanes, size * lanes) for i in range(size)]
            shifts += [matrix * s.k * s.n] * size
            block += size
    make = lambda: Pack(columns.operand(), packed.operand(), placed, [(0, 0, 0, s.k)], shifts=shifts)  # noqa: E731
    task = Task("pack", node.name, make, [columns.buffer], [packed.buffer], shape=(floats,), algorithm="pack right", out_bytes=4 * floats)
    low.emit(task, [low.constant_array(v)] if constant else None)
    return packed
