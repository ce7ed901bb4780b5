"""Lowering of convolutions to tile registers: each stretch of the output as a split of its input and a product (drivers/bf16x3.pyx).

Layer: graph; called by lower_conv.py for the nodes that graph/algorithm gave the attribute "tiles".
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from cyconv._kernels.bf16x3 import PackParts, Split, TileProduct
from cyconv._kernels.prefetch import second_level_floats
from cyconv.graph.ir import Node, Value
from cyconv.graph.layout import Buffer, Operand, Task, Tensor, Weights, following_weights, numel, tensor
from cyconv.graph.lower import Lowering
from cyconv.graph.select import CHANNELS, PARTS, PIXELS, TILE_FLOATS, split

STRETCH_FLOATS = second_level_floats() * 3 // 4  # of split input; the rest of the cache is for weights and outputs
CACHED_WEIGHTS = second_level_floats() // 2
MANY_IMAGES = 4
SMALL_WEIGHTS = 2.5  # of the split input: below it each thread reads all weights, but splits only what it multiplies
BAND_FLOATS = second_level_floats() // 8  # of the split input of a fused item
LEAST_BANDS = 4
LEAST_ROWS = 4  # of a band: each reads the rows of its neighbours that the kernel reaches as well
ITEM_TILES = 8  # of pixels, of one item, at most
FEW_WEIGHTS = 2  # of the split input: up to here several threads go place by place
MOST_TILES = 4  # of pixels, in one call for one block
LAST_TILES = 4  # that a kernel may read behind the last pixel


@dataclass(frozen=True)
class Stretch:
    """Rows first_row … first_row + rows − 1 of ``images`` images; fields as in drivers/bf16x3.pyx."""

    first_image: int
    images: int
    first_row: int
    rows: int
    ow: int
    pitch: int
    phase_rows: int
    phases: int
    units: int
    unit_rows: int
    unit_tiles: int
    unit_pixels: int
    plane: int
    pairs: int

    @property
    def tiles(self) -> int:
        """Of pixels."""
        return self.units * self.unit_tiles

    @property
    def item_tiles(self) -> int:
        """Of pixels of one item: about equally many, unless more would be left without a second one."""
        equal = -(-self.unit_tiles // -(-self.unit_tiles // ITEM_TILES))
        single = self.unit_tiles // equal * (equal % 2) + self.unit_tiles % equal % 2
        return equal + equal % 2 if single > 1 else equal

    @property
    def floats(self) -> int:
        """Of the split input."""
        return PARTS * self.pairs * self.plane * CHANNELS // 2


@dataclass
class ProductSpec:
    """Everything that the driver's step needs; read by ``TileProduct.__cinit__``."""

    v: Operand
    w: Operand
    following: Operand
    following_floats: tuple[int, int]
    bias: Operand
    residual: Operand | None
    outs: list[Operand]
    blocks: list[tuple[int, int]]
    groups: list[tuple[int, int, int]]
    steps: list[int]
    stretch: Stretch
    item_tiles: int
    places_first: bool
    source: Operand | None
    window: Window
    oh: int
    v_floats: int
    act: int
    lo: float
    hi: float
    slope: float


@dataclass(frozen=True)
class Window:
    """What an output pixel reads: kernel cells as (row, column) of the padded input, the stride, and padding at the top and left."""

    cells: tuple[tuple[int, int], ...]
    stride: tuple[int, int]
    padding: tuple[int, int]
    ow: int

    @classmethod
    def of(cls, node: Node) -> Window:
        kh, kw = node.inputs[1].shape[2:]
        (sh, sw), (dh, dw) = node.attrs["stride"], node.attrs["dilation"]
        top, _, left, _ = node.attrs["padding"]
        cells = tuple((y * dh, x * dw) for y in range(kh) for x in range(kw))
        return cls(cells, (sh, sw), (top, left), node.outputs[0].shape[3])

    @property
    def phases(self) -> list[tuple[int, int]]:
        """(a, b) of those that are read."""
        return sorted({(y % self.stride[0], x % self.stride[1]) for y, x in self.cells})

    @property
    def more_rows(self) -> int:
        """Rows of a phase behind the first that a pixel reads."""
        return max(y // self.stride[0] for y, _ in self.cells)

    @property
    def pitch(self) -> int:
        """Pixels of a phase's row."""
        return self.ow + max(x // self.stride[1] for _, x in self.cells)

    def tiles(self, rows: int) -> int:
        """Tiles of pixels that cover so many output rows."""
        return -(-((rows - 1) * self.pitch + self.ow) // PIXELS)

    def offsets(self, phase_rows: int) -> list[int]:
        """Where the cells lie relative to a pixel's position, in pixels."""
        (sh, sw), phases = self.stride, self.phases
        return [(phases.index((y % sh, x % sw)) * phase_rows + y // sh) * self.pitch + x // sw for y, x in self.cells]


def image_floats(window: Window, pairs: int, rows: int) -> int:
    """Split input of this many output rows."""
    return PARTS * pairs * CHANNELS // 2 * len(window.phases) * (rows + window.more_rows) * window.pitch


def stretch_of(window: Window, pairs: int, images: tuple[int, int], rows: tuple[int, int], join: bool = True) -> Stretch:
    """The stretch of (first, count) images and (first, count) of their rows; a pointwise one counts through all images if ``join``."""
    phase_rows, pitch, phases = rows[1] + window.more_rows, window.pitch, len(window.phases)
    joined = join and len(window.cells) == 1
    units, unit_rows = (1, images[1] * rows[1]) if joined else (images[1], rows[1])
    plane = images[1] * phases * phase_rows * pitch + LAST_TILES * PIXELS
    # An odd number of cache lines: then planes do not compete for the same sets of the first-level cache.
    return Stretch(
        images[0], images[1], rows[0], rows[1], window.ow, pitch, phase_rows, phases, units, unit_rows, window.tiles(unit_rows),
        phases * phase_rows * pitch, plane | 1, pairs,
    )  # fmt: skip


def stretches(window: Window, pairs: int, images: int, rows: int) -> list[Stretch]:
    """Whole images, or bands of one, whose split input takes about STRETCH_FLOATS."""
    whole = image_floats(window, pairs, rows)
    if whole <= STRETCH_FLOATS:
        return [stretch_of(window, pairs, cut, (0, rows)) for cut in split(images, STRETCH_FLOATS // whole)]
    row = image_floats(window, pairs, 1) - image_floats(window, pairs, 0)
    largest = max(STRETCH_FLOATS // row - window.more_rows, LEAST_ROWS)
    return [stretch_of(window, pairs, (i, 1), cut) for i in range(images) for cut in split(rows, largest)]


def groups_of(blocks: int, steps: int, tiles: int) -> list[tuple[int, int, int]]:
    """(blocks, first block, where the weights begin in floats): pairs, and the last block alone if their number is odd.

    All are alone where a pair's weights would not stay in the cache beside those of the next. That is a smaller part of it where one call
    for a single block takes all ``tiles`` of pixels, since its weights are then read straight through.
    """
    floats = steps * PARTS * TILE_FLOATS
    size = 1 if 2 * floats > second_level_floats() // (8 if tiles <= MOST_TILES else 4) else 2
    return [(min(size, blocks - first), first, first * floats) for first in range(0, blocks, size)]


def lower_bf16x3(
    low: Lowering, node: Node, sources: list[tuple[Value, int]], bias: Tensor, activation: tuple[int, float, float, float]
) -> None:
    """Emit the packing, and for each stretch its split and its product; ``sources`` are weights and how many blocks they make."""
    x = low.blocked(node.inputs[0])
    outs = [low.new_blocked(v) for v in node.outputs]
    residual = low.blocked(node.inputs[-1]) if node.attrs.get("residual") else None
    (n, _, oh, ow), ci = node.outputs[0].shape, node.inputs[1].shape[1]
    window, pairs = Window.of(node), -(-ci // CHANNELS)
    steps = pairs * len(window.cells)
    groups = groups_of(sum(count for _, count in sources), steps, stretch_of(window, pairs, (0, n), (0, oh)).tiles)
    w = packed_parts(low, node, sources, groups, steps)
    blocks = [(i, b) for i, (_, count) in enumerate(sources) for b in range(count)]
    macs = numel(node.inputs[1].shape[1:]) * sum(v.shape[1] for v in node.outputs) * ow
    rows = fused_rows(window, pairs, oh) if fuses(window, pairs, n, oh, w.buffer.floats) else 0
    fused = rows > 0 and n * -(-oh // rows) >= LEAST_BANDS
    cut = [stretch_of(window, pairs, (0, 1), (0, rows), False)] if fused else stretches(window, pairs, n, oh)
    for s in cut:
        v = low.scratch(s.floats * (low.max_threads if fused else 1), f"{node.name} parts")
        if not fused:
            emit_split(low, node, x, v, s, window)
        places = not fused and s.tiles > ITEM_TILES and w.buffer.floats <= FEW_WEIGHTS * s.floats
        following: list[Weights] = []
        offsets = [(j * s.plane + at) * CHANNELS for j in range(pairs) for at in window.offsets(s.phase_rows)]

        def make(s=s, v=v, offsets=offsets, following=following, places=places):
            res = residual.operand() if residual is not None else None
            operands = (v.operand(), w.operand(), *following_weights(following, w), bias.operand(), res, [t.operand() for t in outs])
            source = x.operand() if fused else None
            return TileProduct(ProductSpec(*operands, blocks, groups, offsets, s, s.item_tiles, places, source, window, oh, s.floats, *activation))

        reads = [x if fused else v, w, bias] + ([residual] if residual is not None else [])
        task = low.emit_node(node, make, reads, outs + ([v] if fused else []), "bfloat16 x 3" if fused else "bfloat16 x 3 product")
        task.macs = macs * (n * oh if fused else s.images * s.rows)
        task.weights = Weights(w, w.buffer.floats if fused or len(groups) == 1 else groups[1][2], not fused)
        task.following = following


def fuses(window: Window, pairs: int, images: int, rows: int, weights: int) -> bool:
    """Whether the product splits its input itself: where the weights stay in the cache beside an item, and the split input of an image does
    not, or is large against them, or where many images share the weights of a 1x1 layer that has fewer outputs than inputs."""
    whole = image_floats(window, pairs, rows)
    reduces = len(window.cells) == 1 and images >= MANY_IMAGES and weights <= (pairs * CHANNELS) ** 2 * PARTS // 2
    return weights <= CACHED_WEIGHTS and (whole >= min(STRETCH_FLOATS, SMALL_WEIGHTS * weights) or reduces)


def fused_rows(window: Window, pairs: int, oh: int) -> int:
    """Output rows of a fused item: few positions that belong to no pixel, and few rows split twice; 0 where none fits."""
    best, best_cost = 0, inf
    for rows in range(1, oh + 1):
        if image_floats(window, pairs, rows) > BAND_FLOATS:
            break
        tiles = window.tiles(rows)
        cost = -(-oh // rows) * (tiles + tiles % 2 + 0.2 * len(window.phases) * (rows + window.more_rows) * window.pitch / PIXELS)
        cost *= 1 + 0.5 / -(-oh // rows)  # the last item that a thread waits for
        if cost < best_cost:
            best, best_cost = rows, cost
    return best


def emit_split(low: Lowering, node: Node, x: Tensor, v: Tensor, s: Stretch, window: Window) -> None:
    """Append the split of one stretch's input."""
    task = Task(node.op, node.name, lambda: Split(x.operand(), v.operand(), s, window), [x.buffer], [v.buffer])
    task.shape, task.layout, task.algorithm, task.out_bytes = v.dims, "parts", "bfloat16 x 3 split", 4 * v.dims[3]
    low.emit(task)


def packed_parts(low: Lowering, node: Node, sources: list[tuple[Value, int]], groups: list[tuple[int, int, int]], steps: int) -> Tensor:
    """Emit the packing of the weights' parts; the tensor that holds them, group after group."""
    places = [(at + b * TILE_FLOATS, count) for count, _, at in groups for b in range(count)]
    floats = steps * PARTS * len(places) * TILE_FLOATS
    packed = tensor(Buffer("constant", floats, name=f"{node.name} weights"), (1, 1, 1, floats), 1)
    first = 0
    for weight, count in sources:
        raw, placed = low.raw(weight, 0), places[first : first + count]
        make = lambda raw=raw, placed=placed: PackParts(raw.operand(), packed.operand(), placed)  # noqa: E731
        task = Task("pack", node.name, make, [raw.buffer], [packed.buffer], shape=(floats,), algorithm="split weights")
        task.out_bytes = 4 * floats
        low.emit(task, [low.constant_array(weight)])
        first += count
    return packed
