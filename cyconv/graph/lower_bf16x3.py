"""Lowering of convolutions to tile registers: each stretch of the output as a split of its input and a product (drivers/bf16x3.pyx).

Layer: graph; called by lower_conv.py for the nodes that graph/choices gave the attribute "tiles". In a network input and output are
blocked; a single call reads and writes the caller's NCHW arrays, and packs the weights each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from cyconv._kernels.bf16x3 import TileProduct
from cyconv._kernels.parts import PackParts, Split
from cyconv._kernels.plain import PlainConv
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
PACKED_TILES = 16  # of pixels: up to here an item packs the weights that a call brings
LAST_TILES = 4  # that a kernel may read behind the last pixel
Activation = tuple[int, float, float, float]  # act, lo, hi, slope


@dataclass(frozen=True)
class Stretch:
    """Rows first_row … first_row + rows − 1 of ``images`` images; fields as in drivers/parts.pyx."""

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


@dataclass(frozen=True)
class Cut:
    """How a product is cut: (output, its block) of each block, (blocks, first block, weights) of each group, where the input of each step
    begins, tiles of an item, whether several threads go place by place, and whether items split their input themselves."""

    blocks: list[tuple[int, int]]
    groups: list[tuple[int, int, int]]
    steps: list[int]
    stretch: Stretch
    item_tiles: int
    places_first: bool
    fused: bool


@dataclass
class ProductSpec:
    """Everything that the driver's step needs; read by ``TileProduct.__cinit__``."""

    v: Operand
    w: Operand
    following: Operand
    following_floats: tuple[int, int]
    bias: Operand
    finite: Operand | None
    n_finite: int
    raw: Operand | None
    w_floats: int
    residual: Operand | None
    outs: list[Operand]
    cut: Cut
    source: Operand | None
    window: Window
    oh: int
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


@dataclass(frozen=True)
class Ends:
    """What a convolution reads and writes: blocked, or planar where it stands alone between the caller's arrays."""

    x: Tensor
    outs: list[Tensor]
    residual: Tensor | None
    window: Window

    @property
    def size(self) -> tuple[int, int]:
        """Images, and rows of their output."""
        return self.outs[0].dims[0], self.outs[0].dims[2]

    @classmethod
    def of(cls, low: Lowering, node: Node) -> Ends:
        x, out, window = node.inputs[0], node.outputs[0], Window.of(node)
        call = not low.is_constant(node.inputs[1])  # nothing else but reshapes is in the graph then
        alone = call or (low.only_dense(x) and low.is_last(out))
        if len(node.outputs) > 1 or node.attrs.get("residual") or len(x.shape) != 4 or not alone:
            residual = low.blocked(node.inputs[-1]) if node.attrs.get("residual") else None
            return cls(low.blocked(x), [low.new_blocked(v) for v in node.outputs], residual, window)
        source, target = low.dense(x), low.new_dense(out)
        if len(window.cells) == 1 and window.stride == (1, 1) and x.shape[2:] == out.shape[2:]:
            rows = joined_rows(x.shape)
            h, w = x.shape[2] // rows, rows * x.shape[3]
            source, target = (replace(t, dims=(*t.dims[:2], h, w), h_stride=w) for t in (source, target))
            window = replace(window, ow=w)
        return cls(source, [target], None, window)


def joined_rows(shape: tuple[int, ...]) -> int:
    """How many rows of planes a 1x1 convolution counts as one: all, or as many as leave several of them to a stretch."""
    _, channels, h, w = shape
    floats = PARTS * -(-channels // CHANNELS) * CHANNELS // 2 * w
    most = h if h * floats <= STRETCH_FLOATS else max(STRETCH_FLOATS // LEAST_ROWS // floats, 1)
    return max(rows for rows in range(1, h + 1) if rows <= most and h % rows == 0)


@dataclass(frozen=True)
class PackedWeights:
    """The parts of the weights; of those that come with a call also whether they are finite. `raw` are those that the product packs itself,
    group by group into `w`, which then has room for one group a thread."""

    w: Tensor
    floats: int
    finite: Tensor | None = None
    raw: Tensor | None = None

    @property
    def tensors(self) -> list[Tensor]:
        return [t for t in (self.w, self.finite, self.raw) if t is not None]


def lower_bf16x3(low: Lowering, node: Node, sources: list[tuple[Value, int]], bias: Tensor, activation: Activation) -> None:
    """Emit the packing, and for each stretch its split and its product; ``sources`` are weights and how many blocks they make."""
    ends, ci = Ends.of(low, node), node.inputs[1].shape[1]
    window, (n, oh), pairs = ends.window, ends.size, -(-ci // CHANNELS)
    steps, n_blocks = pairs * len(window.cells), sum(count for _, count in sources)
    floats = steps * PARTS * n_blocks * TILE_FLOATS
    groups = groups_of(n_blocks, steps, stretch_of(window, pairs, (0, n), (0, oh)).tiles)
    rows = fused_rows(window, pairs, oh) if fuses(window, pairs, n, oh, floats) else 0
    fused = rows > 0 and n * -(-oh // rows) >= LEAST_BANDS
    cut = [stretch_of(window, pairs, (0, 1), (0, rows), False)] if fused else stretches(window, pairs, n, oh)
    constant = all(low.is_constant(weight) for weight, _ in sources)
    if not constant and not fused and len(cut) == cut[0].units == 1 and cut[0].tiles <= PACKED_TILES:
        weights = packed_within(low, node, groups, steps)
    else:
        weights = packed_parts(low, node, sources, groups, floats)
    blocks = [(i, b) for i, (_, count) in enumerate(sources) for b in range(count)]
    for s in cut:
        v = low.scratch(s.floats * (low.max_threads if fused else 1), f"{node.name} parts")
        if not fused:
            emit_split(low, node, ends.x, v, s, window)
        item_tiles = s.item_tiles if weights.raw is None else s.unit_tiles
        places = not fused and s.tiles > item_tiles and floats <= FEW_WEIGHTS * s.floats
        offsets = [(j * s.plane + at) * CHANNELS for j in range(pairs) for at in window.offsets(s.phase_rows)]
        emit_product(low, node, ends, v, weights, bias, Cut(blocks, groups, offsets, s, item_tiles, places, fused), activation)
    if weights.finite is not None:
        emit_plain(low, node, ends, bias, weights.finite, activation)


def emit_product(
    low: Lowering, node: Node, ends: Ends, v: Tensor, weights: PackedWeights, bias: Tensor, c: Cut, activation: Activation
) -> None:
    """Append the product of one stretch."""
    s, following = c.stretch, list[Weights]()
    reads = [ends.x if c.fused else v, bias, *weights.tensors] + ([ends.residual] if ends.residual is not None else [])

    def make():
        after, after_floats = following_weights(following, weights.w)
        finite, raw, act = weights.finite, weights.raw, activation
        return TileProduct(
            ProductSpec(
                v.operand(), weights.w.operand(), after, after_floats, bias.operand(),
                finite.operand() if finite is not None else None, finite.dims[3] if finite is not None else 0,
                raw.operand() if raw is not None else None, weights.floats,
                ends.residual.operand() if ends.residual is not None else None, [t.operand() for t in ends.outs],
                c, ends.x.operand() if c.fused else None, ends.window, ends.size[1], *act,
            )
        )  # fmt: skip

    writes = ends.outs + ([v] if c.fused else []) + (weights.tensors[:2] if weights.raw is not None else [])
    task = low.emit_node(node, make, reads, writes, "bfloat16 x 3" if c.fused else "bfloat16 x 3 product")
    pixels = ends.size[0] * ends.size[1] if c.fused else s.images * s.rows
    task.macs = numel(node.inputs[1].shape[1:]) * sum(t.shape[1] for t in node.outputs) * ends.window.ow * pixels
    if weights.finite is None:
        task.weights = Weights(weights.w, weights.floats if c.fused or len(c.groups) == 1 else c.groups[1][2], not c.fused)
        task.following = following


def emit_plain(low: Lowering, node: Node, ends: Ends, bias: Tensor, finite: Tensor, activation: Activation) -> None:
    """Append what computes the convolution where its weights are not all finite."""
    x, w, y = ends.x, low.dense(node.inputs[1]), ends.outs[0]

    def make():
        words = (finite.operand(), finite.dims[3])
        return PlainConv(x.operand(), w.operand(), bias.operand(), y.operand(), ends.window, words, activation)

    low.emit_node(node, make, [x, w, bias, finite], ends.outs, "weights that are not finite")


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


def finite_words(low: Lowering, node: Node, n_blocks: int) -> Tensor:
    """Whether the weights of each block and pair are finite."""
    return low.scratch(n_blocks * -(-node.inputs[1].shape[1] // CHANNELS), f"{node.name} finite")


def packed_within(low: Lowering, node: Node, groups: list[tuple[int, int, int]], steps: int) -> PackedWeights:
    """Room for the weights that the product packs."""
    floats = steps * PARTS * TILE_FLOATS * groups[0][0]
    w = low.scratch(floats * low.max_threads, f"{node.name} weights")
    return PackedWeights(w, floats, finite_words(low, node, sum(count for count, _, _ in groups)), low.dense(node.inputs[1]))


def packed_parts(
    low: Lowering, node: Node, sources: list[tuple[Value, int]], groups: list[tuple[int, int, int]], floats: int
) -> PackedWeights:
    """Emit the packing of the weights' parts, group after group."""
    places = [(at + b * TILE_FLOATS, count) for count, _, at in groups for b in range(count)]
    constant = all(low.is_constant(weight) for weight, _ in sources)
    packed = tensor(Buffer("constant" if constant else "arena", floats, name=f"{node.name} weights"), (1, 1, 1, floats), 1)
    finite = None if constant else finite_words(low, node, len(places))
    first = 0
    for weight, count in sources:
        raw, placed = low.raw(weight, 0) if constant else low.dense(weight), places[first : first + count]
        make = lambda raw=raw, placed=placed: PackParts(raw.operand(), packed.operand(), placed, finite and finite.operand())  # noqa: E731
        writes = [packed.buffer] + ([finite.buffer] if finite is not None else [])
        task = Task("pack", node.name, make, [raw.buffer], writes, shape=(floats,), algorithm="split weights")
        task.out_bytes = 4 * floats
        low.emit(task, [low.constant_array(weight)] if constant else None)
        first += count
    return PackedWeights(packed, floats, finite)
