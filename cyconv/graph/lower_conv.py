"""Lowering of products: conv2d, conv3d and linear to steps of drivers/conv.pyx.

Three kinds. *dense*: any kernel over blocked channels. *planar*: the first layer, whose few channels are read where NCHW
has them. *lanewise*: depthwise and small-group convolution, each lane with inputs of its own. A product has one or
more *sources*: the weights of each of several merged 1x1 convolutions, or of each group of a grouped one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cyconv._kernels.conv import Conv
from cyconv._kernels.cpu import conv_pixels, lanewise_pixels
from cyconv._kernels.movement import Pack, PadVector
from cyconv._kernels.prefetch import second_level_floats
from cyconv.graph.ir import Node, Value, branches_of
from cyconv.graph.layout import (
    NO_BORDER,
    Buffer,
    Operand,
    Task,
    Tensor,
    Weights,
    depth,
    following_weights,
    numel,
    round_up,
    tensor,
)
from cyconv.graph.lower import Lowering, lowers
from cyconv.graph.lower_bf16x3 import lower_bf16x3
from cyconv.graph.lower_conv_places import blocked_input, expanded_input, gather_groups, grouped_output, planar_input
from cyconv.graph.lower_planes import lower_planes, suits_planes
from cyconv.graph.lower_winograd import lower_winograd
from cyconv.graph.phases import Phase, convolution
from cyconv.graph.select import Group, Traffic, band_rows, bands_first, group_blocks, tiles_text, tiling

ACTIVATIONS = {"none": 0, "clamp": 1, "leaky_relu": 2}
Tap = tuple[int, int, int, int, int]  # offset, lanes, channel within the source, kernel row, kernel column
Pairs = list[tuple[int, int]]
NO_ACTIVATION = ("none", 0.0, 0.0, 0.0)
LEAST_BANDS = 4  # items of a product that goes band by band: with fewer, threads would wait for each other


@dataclass
class Source:
    """Output channels that share a weight array and an input range."""

    weight: Value
    bias: Value | None
    first: int  # of its rows of the weight array
    channels: int  # output channels
    input: tuple[int, int]  # first input channel, and how many
    out: int  # which output
    out_block: int  # where in that output its first block lies

    def blocks(self, lanes: int) -> int:
        return -(-self.channels // lanes)


@dataclass
class ConvSpec:
    """Everything that the driver's step needs; read by ``Conv.__cinit__``."""

    x: Operand
    w: Operand
    bias: Operand
    residual: Operand | None
    following: Operand
    following_floats: tuple[int, int]
    outs: list[Operand]
    blocks: list[tuple[int, int]]
    groups: list[Group]
    taps: list[tuple[int, int]]
    tiles: list[tuple[int, int]]
    slices: list[tuple[int, int, int, int]]
    volumes: int
    out_depth: int
    x_volume: int
    row_step: int
    in_row: int
    in_px: int
    out_px: int
    res_px: int
    bands_first: bool
    pointwise: bool
    lanewise: bool
    bfloat16: bool
    act: int
    lo: float
    hi: float
    slope: float


@dataclass
class Product:
    """A product being lowered."""

    low: Lowering
    node: Node
    kind: str  # "dense", "planar" or "lanewise"
    x: Tensor
    outs: list[Tensor]
    residual: Tensor | None
    sources: list[Source]
    phases: list[Phase]
    stride: tuple[int, int]  # between the input pixels of neighbouring outputs
    out_stride: tuple[int, int] = (1, 1)  # between the outputs of a phase
    images_are_pixels: bool = False
    by_input: bool = False  # whether the weight's first axis is that of the input channels

    @property
    def depths(self) -> tuple[int, int]:
        """Slices of a volume, of the input and of the output."""
        return depth(self.node.inputs[0].shape), depth(self.node.outputs[0].shape)

    @property
    def x_slice(self) -> int:
        """Floats between the slices of an input volume."""
        return self.x.dims[2] * self.x.h_stride if self.x.depth > 1 else self.x.n_stride

    @property
    def x_volume(self) -> int:
        """Floats between the volumes of the input."""
        return self.x.n_stride if self.x.depth > 1 else self.depths[0] * self.x.n_stride

    @property
    def bfloat16(self) -> bool:
        """Whether the weights are stored in bfloat16, two steps of a tap to a float."""
        return self.node.attrs.get("weights") == "bfloat16"

    def extent(self, phase: Phase) -> tuple[int, int]:
        """Rows and pixels of a row that the tiles of a phase cover."""
        return (1, self.outs[0].dims[0]) if self.images_are_pixels else (phase.rows, phase.columns)


@dataclass
class Tables:
    """What the driver walks over, as phase after phase is planned."""

    groups: list[Group] = field(default_factory=list)
    taps: Pairs = field(default_factory=list)
    tiles: Pairs = field(default_factory=list)
    slices: list[tuple[int, int, int, int]] = field(default_factory=list)
    weights: int = 0  # floats
    macs: int = 0
    bands_first: bool = False


def activation_of(node: Node) -> tuple[int, float, float, float]:
    """(act, lo, hi, slope) of what a product's store applies, as in microkernels.h."""
    kind, lo, hi, slope = node.attrs.get("activation", NO_ACTIVATION)
    return ACTIVATIONS[kind], lo, hi, slope


@lowers("conv2d", "conv3d")
def lower_conv2d(low: Lowering, node: Node) -> None:
    """Choose the kind, bring the input into its layout, emit the packing and the product."""
    attrs, lanes = node.attrs, low.lanes
    weights = branches_of(node)
    groups, (ci_g, *kernel) = attrs["groups"], weights[0][0].shape[1:]
    co_g = weights[0][0].shape[0] // groups
    if 0 in node.outputs[0].shape:
        for v in node.outputs:
            low.new_blocked(v)
        return
    whole = [Source(w, b, 0, w.shape[0], (0, ci_g), i, 0) for i, (w, b) in enumerate(weights)]
    if attrs.get("winograd"):
        lower_winograd(low, node, attrs["winograd"], packed_biases(low, node.name, whole), activation_of(node))
        return
    if attrs.get("tiles"):
        counts = [(s.weight, s.blocks(lanes)) for s in whole]
        lower_bf16x3(low, node, counts, packed_biases(low, node.name, whole), activation_of(node))
        return
    if suits_planes(low, node):
        lower_planes(low, node, activation_of(node))
        return
    if groups > 1 and co_g < lanes:
        kind, x = "lanewise", expanded_input(low, node, ci_g, co_g)
    elif groups == 1 and ci_g < lanes and not low.has_blocked(node.inputs[0]) and attrs.get("weights") != "bfloat16":
        kind, x = "planar", planar_input(low, node)
    else:
        kind, x = "dense", blocked_input(low, node)
    sources = whole
    if groups > 1 and kind == "dense":
        per_group = -(-co_g // lanes)
        w, b = weights[0]
        sources = [Source(w, b, g * co_g, co_g, (g * ci_g, ci_g), 0, g * per_group) for g in range(groups)]
    scattered = len(sources) > 1 and len(whole) == 1 and co_g % lanes != 0
    outs = [grouped_output(low, node, len(sources), co_g)] if scattered else [low.new_blocked(v) for v in node.outputs]
    residual = low.blocked(node.inputs[-1]) if attrs.get("residual") else None
    size, out = node.inputs[0].shape[2:], node.outputs[0].shape[2:]
    p = Product(low, node, kind, x, outs, residual, sources, [convolution(size, out, kernel, attrs)], attrs["stride"][-2:])
    p.images_are_pixels = p.depths == (1, 1) and outs[0].dims[2:] == (1, 1) and outs[0].border == NO_BORDER and len(outs) == 1
    emit_product(p)
    if scattered:
        gather_groups(low, node, outs[0], co_g)


@lowers("linear")
def lower_linear(low: Lowering, node: Node) -> None:
    """A linear layer is a 1x1 convolution whose pixels are the rows of its input."""
    x, out = node.inputs[0], node.outputs[0]
    k, m = x.shape[-1], out.shape[-1]
    rows = numel(x.shape[:-1])
    x2, out2 = x, out
    if len(x.shape) != 2:
        x2, out2 = Value((rows, k), name=x.name), Value((rows, m), name=out.name)
        low.alias_dense(x2, low.dense(x))
    weight = Value((m, k, 1, 1), name=node.inputs[1].name)
    low.rename(weight, node.inputs[1])
    attrs = {"stride": (1, 1), "padding": NO_BORDER, "dilation": (1, 1), "groups": 1, **node.attrs, "has_bias": len(node.inputs) > 2}
    attrs["has_bias"] = node.attrs.get("has_bias", len(node.inputs) > 2)
    conv = Node("conv2d", [x2, weight, *node.inputs[2:]], [out2], attrs, node.name)
    lower_conv2d(low, conv)
    if out2 is not out:
        low.alias_dense(out, low.dense(out2))


# Taps: what one output pixel reads


def window(p: Product, phase: Phase, px: int) -> list[list[tuple[int, int, int]]]:
    """For each depth cell (offset, kernel row, kernel column) of what a pixel reads; rows count through the slices of the kernel."""
    kh = p.sources[0].weight.shape[-2]
    return [
        [(z * p.x_slice + y * p.x.h_stride + x * px, kz * kh + ky, kx) for ky, y in phase.row_cells for kx, x in phase.column_cells]
        for kz, z in phase.depth_cells
    ]


def dense_taps(p: Product, phase: Phase, source: Source) -> list[list[Tap]]:
    """Taps of a dense product, for each depth cell: whole channel blocks, or what of a block belongs to the source's inputs."""
    lanes = p.low.lanes
    first, count = source.input
    runs = []
    c = first
    while c < first + count:
        run = min(lanes - c % lanes, first + count - c)
        runs.append((c // lanes * p.x.c_stride + c % lanes, run, c - first))
        c += run
    return [[(base + at, run, c, ky, kx) for base, run, c in runs for at, ky, kx in cells] for cells in window(p, phase, lanes)]


def single_taps(p: Product, phase: Phase, plane: int, px: int, channels: int) -> list[list[Tap]]:
    """Taps of one float (or one vector, lane-wise) each; input channel i lies ``i * plane`` floats on, pixels ``px`` apart."""
    return [[(i * plane + at, 1, i, ky, kx) for i in range(channels) for at, ky, kx in cells] for cells in window(p, phase, px)]


def taps_of(p: Product, phase: Phase, source: Source) -> tuple[list[Tap], Pairs]:
    """Taps for packing, and (offset, lanes) of those that the kernel walks over."""
    if p.kind == "lanewise":
        taps = single_taps(p, phase, -(-p.outs[0].dims[1] // p.low.lanes) * p.x.c_stride, p.low.lanes, source.input[1])
    elif p.kind == "planar":
        taps = single_taps(p, phase, p.x.c_stride, 1, source.input[1])
    else:
        taps = dense_taps(p, phase, source)
    flat = [tap for of_depth in taps for tap in of_depth]
    if p.kind == "planar" and p.node.attrs["dilation"][-1] == 1:
        return flat, [pair for of_depth in taps for pair in merge_columns(of_depth)]
    return flat, [tap[:2] for tap in flat]


def merge_columns(taps: list[Tap]) -> Pairs:
    """(offset, lanes) with taps that read neighbouring floats joined into one."""
    joined: Pairs = []
    for offset, lanes, *_ in taps:
        if joined and joined[-1][0] + joined[-1][1] == offset:
            joined[-1] = (joined[-1][0], joined[-1][1] + lanes)
        else:
            joined.append((offset, lanes))
    return joined


# The product


def plan_phase(p: Product, phase: Phase, runs: list[list[Source]], t: Tables) -> list[tuple[list[Tap], Pairs]]:
    """Add the groups and tiles of one phase, for ``runs`` of sources that read the same inputs.

    For each run also the taps to pack, and (target, pitch) of each of its blocks in the packed weights.
    """
    lanes, (rows, width) = p.low.lanes, p.extent(phase)
    limits = ((lanewise_pixels(), 0),) if p.kind == "lanewise" else conv_pixels()
    out = p.outs[0]
    shift, first_slice = phase.top * out.h_stride + phase.left * lanes, len(t.slices)
    t.slices += [(s.out, s.first * p.x_slice, s.begin, s.end) for s in phase.slices]
    first_tile: dict[int, tuple[int, int]] = {}
    packing = []
    block = 0
    for run in runs:
        taps, walked = taps_of(p, phase, run[0])
        first_tap, steps = len(t.taps), sum(tap[1] for tap in taps)
        t.taps += walked
        vectors = sum(-(-tap[1] // 2) for tap in taps) if p.bfloat16 else steps
        places: Pairs = []
        for size in group_blocks(sum(s.blocks(lanes) for s in run), rows, width, limits):
            tile = tiling(size, rows, width, limits[size - 1])
            if size not in first_tile:
                first_tile[size] = len(t.tiles), len(tile.tiles)
                t.tiles += tile.tiles
            band = band_rows(rows, tile.rows, steps * size * lanes * width)
            floats, inputs = vectors * size * lanes, block * p.x.c_stride if p.kind == "lanewise" else 0
            cut = (*first_tile[size], tile.rows, band, rows, shift, first_slice, len(phase.slices), max(len(phase.depth_cells), 1))
            t.groups.append(Group(size, block, t.weights, floats, inputs, first_tap, len(walked), *cut))
            places += [(t.weights + b * lanes, size * lanes) for b in range(size)]
            t.weights += floats
            block += size
        packing.append((taps, places))
        t.macs += steps * sum(s.channels for s in run) * rows * width * len(phase.slices) * volumes_of(p)
    return packing


def volumes_of(p: Product) -> int:
    """Volumes, or images, that the driver walks over."""
    return 1 if p.images_are_pixels else p.outs[0].dims[0] // p.depths[1]


def emit_product(p: Product) -> None:
    """Pack weights and biases, then append the product's task."""
    low, lanes, node = p.low, p.low.lanes, p.node
    # Sources with the same input range share their taps and may share a group.
    runs: list[list[Source]] = []
    for s in p.sources:
        if runs and runs[-1][0].input == s.input:
            runs[-1].append(s)
        else:
            runs.append([s])
    t = Tables()
    packing = [plan_phase(p, phase, runs, t) for phase in p.phases]
    t.bands_first = order_bands(p, t)
    w = packed_weights(p, runs, packing, t.weights)
    bias = packed_biases(low, node.name, p.sources)
    blocks = [(s.out, s.out_block + b) for s in p.sources for b in range(s.blocks(lanes))]
    spec = {"bands_first": t.bands_first, "blocks": blocks, "groups": t.groups, "taps": t.taps, "tiles": t.tiles, "slices": t.slices}
    reads = [p.x, w, bias] + ([p.residual] if p.residual is not None else [])
    phases = f" in {len(p.phases)} phases" if len(p.phases) > 1 else ""
    algorithm = f"{p.kind} {tiles_text(t.groups, t.tiles)}{phases}{', bfloat16 weights' if p.bfloat16 else ''}"
    following: list[Weights] = []
    task = low.emit_node(node, lambda: Conv(make_spec(p, w, bias, following, spec)), reads, p.outs, algorithm)
    task.following = following
    task.weights = Weights(w, t.weights if t.bands_first else t.groups[0].weight_floats if t.groups else 0, not t.bands_first)
    task.macs = t.macs


def order_bands(p: Product, t: Tables) -> bool:
    """Whether bands come first, see :func:`bands_first`; if so, the groups are given the same bands, of one item for all of them."""
    if len(p.phases) != 1 or len({g.first_tap for g in t.groups}) != 1 or p.kind == "lanewise" or p.images_are_pixels:
        return False
    rows, _ = p.extent(p.phases[0])
    images = volumes_of(p) * len(p.phases[0].slices)
    tile_rows = max(g.tile_rows for g in t.groups)
    reads = numel(p.x.dims) // (p.stride[0] * p.stride[1] if pointwise(p) else 1)
    writes = sum(numel(o.dims) for o in p.outs) * (2 if p.residual is not None else 1)
    for band in (band_rows(rows, tile_rows, t.macs // max(rows * images, 1)), round_up(rows, tile_rows)):
        bands = -(-rows // band) * images
        traffic = Traffic(reads, writes, t.weights, len(t.groups), bands)
        if bands >= LEAST_BANDS and bands_first(traffic, second_level_floats()):
            t.groups = [replace(g, band_rows=band) for g in t.groups]
            return True
    return False


def pointwise(p: Product) -> bool:
    """Whether an output pixel reads one input pixel only."""
    return p.kind == "dense" and all(len(phase.row_cells) == len(phase.column_cells) == 1 for phase in p.phases)


def packed_weights(p: Product, runs: list[list[Source]], packing: list[list[tuple[list[Tap], Pairs]]], floats: int) -> Tensor:
    """Emit the packing of every source's weights for every phase; the packed tensor."""
    low, lanes = p.low, p.low.lanes
    constant = all(low.is_constant(s.weight) for s in p.sources)
    buffer = Buffer("constant" if constant else "arena", floats, name=f"{p.node.name} weights")
    packed = tensor(buffer, (1, 1, 1, floats), 1)
    for phase in packing:
        for run, (taps, places) in zip(runs, phase, strict=True):
            pack_taps = [(channel, ky, kx, count) for _, count, channel, ky, kx in taps]
            block = 0
            for s in run if taps else ():
                count = s.blocks(lanes)
                placed = [(k, *places[block + k]) for k in range(count)]
                block += count
                rows = weight_rows(s, low.raw(s.weight, 0) if constant else low.dense(s.weight), p.by_input)

                def make(rows=rows, placed=placed, pack_taps=pack_taps):
                    return Pack(rows.operand(), packed.operand(), placed, pack_taps, p.bfloat16)

                task = Task("pack", p.node.name, make, [rows.buffer], [buffer], shape=(floats,), algorithm="pack weights")
                task.out_bytes = 4 * floats
                low.emit(task, [low.constant_array(s.weight)] if constant else None)
    return packed


def weight_rows(s: Source, raw: Tensor, by_input: bool) -> Tensor:
    """The weights of a source as (output channel, input channel, kernel slice and row, kernel column).

    They lie in this order in [O, C, kd, kh, kw]; ``by_input`` those of a transposed convolution, [C, O, kd, kh, kw].
    """
    shape, (first, ci) = s.weight.shape, s.input
    kw, cells = shape[-1], numel(shape[2:])
    dims = (s.channels, ci, cells // kw, kw)
    if by_input:
        return Tensor(raw.buffer, 1, dims, cells, shape[1] * cells, kw, raw.offset + first * shape[1] * cells)
    return Tensor(raw.buffer, 1, dims, ci * cells, cells, kw, raw.offset + s.first * ci * cells)


def packed_biases(low: Lowering, name: str, sources: list[Source]) -> Tensor:
    """Emit the padding of every source's biases to whole blocks; the packed vector."""
    lanes = low.lanes
    floats = sum(s.blocks(lanes) for s in sources) * lanes
    constant = all(s.bias is None or low.is_constant(s.bias) for s in sources)
    buffer = Buffer("constant" if constant else "arena", floats, name=f"{name} bias")
    packed = tensor(buffer, (1, 1, 1, floats), 1)
    first = 0
    for s in sources:
        padded = s.blocks(lanes) * lanes
        target = Tensor(buffer, 1, (1, 1, 1, padded), padded, padded, padded, first)
        if s.bias is None:
            raw, count = target, 0
        else:
            whole = low.raw(s.bias, 0) if constant else low.dense(s.bias)
            raw, count = Tensor(whole.buffer, 1, (1, 1, 1, s.channels), 0, 0, 0, whole.offset + s.first), s.channels
        make = lambda raw=raw, target=target, count=count, padded=padded: PadVector(raw.operand(), target.operand(), count, padded)  # noqa: E731
        task = Task("pack", name, make, [raw.buffer], [buffer], shape=(floats,), algorithm="pack bias", out_bytes=4 * floats)
        low.emit(task, [low.constant_array(s.bias)] if constant and s.bias is not None else ([] if constant else None))
        first += padded
    return packed


def make_spec(p: Product, w: Tensor, bias: Tensor, following: list[Weights], tables: dict) -> ConvSpec:
    """The step's description with placed operands."""
    x, out = p.x, p.outs[0]
    sh, sw = p.stride
    act, lo, hi, slope = activation_of(p.node)
    res = p.residual
    after, after_floats = following_weights(following, w)
    if p.images_are_pixels:
        in_px, out_px, res_px = x.n_stride, out.n_stride, res.n_stride if res is not None else 0
    else:
        in_px, out_px, res_px = sw * x.lanes, p.out_stride[1] * p.low.lanes, p.low.lanes
    return ConvSpec(
        x=x.operand(),
        w=w.operand(),
        bias=bias.operand(),
        residual=res.operand() if res is not None else None,
        following=after,
        following_floats=after_floats,
        outs=[t.operand() for t in p.outs],
        volumes=volumes_of(p),
        out_depth=p.depths[1],
        x_volume=p.x_volume,
        row_step=p.out_stride[0],
        in_row=sh * x.h_stride,
        in_px=in_px,
        out_px=out_px,
        res_px=res_px,
        pointwise=pointwise(p),
        lanewise=p.kind == "lanewise",
        bfloat16=p.bfloat16,
        act=act,
        lo=lo,
        hi=hi,
        slope=slope,
        **tables,
    )
