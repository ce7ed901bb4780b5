"""Lowering of products: conv2d and linear to steps of drivers/conv.pyx.

Three kinds. *dense*: any kernel over blocked channels. *planar*: the first layer, whose few channels are read where NCHW
has them. *lanewise*: depthwise and small-group convolution, each lane with inputs of its own. A product has one or
more *sources*: the weights of each of several merged 1x1 convolutions, or of each group of a grouped one.
"""

from __future__ import annotations

from dataclasses import dataclass

from cyconv._kernels.conv import Conv
from cyconv._kernels.cpu import conv_pixels, lanewise_pixels
from cyconv._kernels.movement import Pack, PadVector
from cyconv.graph.ir import Node, Value
from cyconv.graph.layout import NO_BORDER, Buffer, Operand, Task, Tensor, image_dims, numel, round_up, tensor, tensor_floats
from cyconv.graph.lower import Lowering, lowers
from cyconv.graph.lower_winograd import lower_winograd
from cyconv.graph.select import Group, band_rows, group_blocks, tiles_text, tiling

ACTIVATIONS = {"none": 0, "clamp": 1, "leaky_relu": 2}
Tap = tuple[int, int, int, int, int]  # offset, lanes, channel within the source, kernel row, kernel column
Pairs = list[tuple[int, int]]
NO_ACTIVATION = ("none", 0.0, 0.0, 0.0)


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
    outs: list[Operand]
    blocks: list[tuple[int, int]]
    groups: list[Group]
    taps: list[tuple[int, int]]
    tiles: list[tuple[int, int]]
    images: int
    rows: int
    in_row: int
    in_px: int
    out_px: int
    res_px: int
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
    kernel: tuple[int, int]
    images_are_pixels: bool

    @property
    def width(self) -> int:
        return self.outs[0].dims[0] if self.images_are_pixels else self.outs[0].dims[3]

    @property
    def bfloat16(self) -> bool:
        """Whether the weights are stored in bfloat16, two steps of a tap to a float."""
        return self.node.attrs.get("weights") == "bfloat16"

    @property
    def rows(self) -> int:
        return 1 if self.images_are_pixels else self.outs[0].dims[2]


@lowers("conv2d")
def lower_conv2d(low: Lowering, node: Node) -> None:
    """Choose the kind, bring the input into its layout, emit the packing and the product."""
    attrs, lanes = node.attrs, low.lanes
    branches = attrs.get("branches", 1)
    per_branch = 2 if attrs["has_bias"] else 1
    weights = [(node.inputs[1 + i * per_branch], node.inputs[2 + i * per_branch] if attrs["has_bias"] else None) for i in range(branches)]
    groups, (ci_g, kh, kw) = attrs["groups"], weights[0][0].shape[1:]
    co_g = weights[0][0].shape[0] // groups
    if 0 in node.outputs[0].shape:
        for v in node.outputs:
            low.new_blocked(v)
        return
    if attrs.get("winograd"):
        bias = packed_biases(low, node.name, [Source(*weights[0], 0, groups * co_g, (0, ci_g), 0, 0)])
        act, lo, hi, slope = attrs.get("activation", NO_ACTIVATION)
        lower_winograd(low, node, attrs["winograd"], bias, (ACTIVATIONS[act], lo, hi, slope))
        return
    if groups > 1 and co_g < lanes:
        kind, x = "lanewise", expanded_input(low, node, ci_g, co_g)
    elif groups == 1 and ci_g < lanes and not low.has_blocked(node.inputs[0]) and attrs.get("weights") != "bfloat16":
        kind, x = "planar", planar_input(low, node)
    else:
        kind, x = "dense", blocked_input(low, node)
    sources = []
    if groups > 1 and kind == "dense":
        per_group = -(-co_g // lanes)
        w, b = weights[0]
        sources = [Source(w, b, g * co_g, co_g, (g * ci_g, ci_g), 0, g * per_group) for g in range(groups)]
    else:
        sources = [Source(w, b, 0, w.shape[0], (0, ci_g), i, 0) for i, (w, b) in enumerate(weights)]
    scattered = len(sources) > 1 and branches == 1 and co_g % lanes != 0
    outs = [grouped_output(low, node, len(sources), co_g)] if scattered else [low.new_blocked(v) for v in node.outputs]
    residual = low.blocked(node.inputs[-1]) if attrs.get("residual") else None
    image_wise = outs[0].dims[2:] == (1, 1) and outs[0].border == NO_BORDER and len(outs) == 1
    emit_product(Product(low, node, kind, x, outs, residual, sources, (kh, kw), image_wise))
    if scattered:
        padded = round_up(co_g, lanes)
        channel = [c // co_g * padded + c % co_g for c in range(node.outputs[0].shape[1])]
        low.relayout(outs[0], low.new_blocked(node.outputs[0]), node.outputs[0], channel)


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


# Inputs


def blocked_input(low: Lowering, node: Node) -> Tensor:
    """The input in blocks; rows of a dense matrix serve as they are, since only valid lanes are read."""
    x = node.inputs[0]
    n, c, h, w = image_dims(x.shape)
    if (h, w) == (1, 1) and not low.has_blocked(x) and node.attrs["padding"] == NO_BORDER:
        dense = low.dense(x)
        return Tensor(dense.buffer, low.lanes, (n, c, 1, 1), c, low.lanes, low.lanes, dense.offset)
    return low.blocked(x)


def planar_input(low: Lowering, node: Node) -> Tensor:
    """The input as NCHW has it; with its border when there is padding."""
    x, padding = node.inputs[0], node.attrs["padding"]
    source = low.dense(x)
    if padding == NO_BORDER:
        return tensor(source.buffer, image_dims(x.shape), 1)
    dims = image_dims(x.shape)
    planar = tensor(Buffer("arena", tensor_floats(dims, 1, padding), name=x.name), dims, 1, padding)
    low.relayout(tensor(source.buffer, dims, 1), planar, x)
    return planar


def expanded_input(low: Lowering, node: Node, ci_g: int, co_g: int) -> Tensor:
    """For lane-wise products: ci_g copies of the output's channels, the i-th holding each lane's i-th input channel."""
    x = low.blocked(node.inputs[0])
    if ci_g == 1 and co_g == 1:
        return x
    co = node.outputs[0].shape[1]
    padded = round_up(co, low.lanes)
    channel = [min(o, co - 1) // co_g * ci_g + i for i in range(ci_g) for o in range(padded)]
    n, _, h, w = x.dims
    dims = (n, padded * ci_g, h, w)
    border = node.attrs["padding"]
    wide = tensor(Buffer("arena", tensor_floats(dims, low.lanes, border), name=node.name), dims, low.lanes, border)
    low.relayout(x, wide, node.inputs[0], channel)
    return wide


def grouped_output(low: Lowering, node: Node, groups: int, co_g: int) -> Tensor:
    """Room for the outputs of a grouped convolution whose groups do not end at block boundaries: each begins a block."""
    n, _, h, w = node.outputs[0].shape
    dims = (n, groups * round_up(co_g, low.lanes), h, w)
    return tensor(Buffer("arena", tensor_floats(dims, low.lanes), name=node.name), dims, low.lanes)


# Taps: what one output pixel reads


def dense_taps(p: Product, source: Source) -> list[Tap]:
    """Taps of a dense product: whole channel blocks, or what of a block belongs to the source's inputs."""
    lanes, (kh, kw) = p.low.lanes, p.kernel
    (dh, dw), (top, _, left, _) = p.node.attrs["dilation"], p.node.attrs["padding"]
    first, count = source.input
    taps = []
    c = first
    while c < first + count:
        run = min(lanes - c % lanes, first + count - c)
        base = c // lanes * p.x.c_stride + c % lanes
        for ky in range(kh):
            for kx in range(kw):
                taps.append((base + (ky * dh - top) * p.x.h_stride + (kx * dw - left) * lanes, run, c - first, ky, kx))
        c += run
    return taps


def single_taps(p: Product, plane: int, px: int, channels: int) -> list[Tap]:
    """Taps of one float (or one vector, lane-wise) each; input channel i lies ``i * plane`` floats on, pixels ``px`` apart."""
    (kh, kw), (dh, dw), (top, _, left, _) = p.kernel, p.node.attrs["dilation"], p.node.attrs["padding"]
    return [
        (i * plane + (ky * dh - top) * p.x.h_stride + (kx * dw - left) * px, 1, i, ky, kx)
        for i in range(channels)
        for ky in range(kh)
        for kx in range(kw)
    ]


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


def plan_groups(p: Product, runs: list[list[Source]], run_taps: Pairs, steps: int, vectors: int) -> tuple[list[Group], Pairs, Pairs]:
    """Groups and tiles for ``runs`` of sources that read the same inputs by the taps (first, count) of ``run_taps``.

    A pixel takes ``steps`` multiply-adds for each output channel, a block has ``vectors`` of weights. Also (target, pitch) of each block in
    the packed weights.
    """
    lanes = p.low.lanes
    limits = ((lanewise_pixels(), 0),) if p.kind == "lanewise" else conv_pixels()
    groups: list[Group] = []
    tiles: Pairs = []
    places: Pairs = []
    first_tile: dict[int, int] = {}
    weights = block = 0
    for run, taps in zip(runs, run_taps, strict=True):
        count = sum(s.blocks(lanes) for s in run)
        for size in group_blocks(count, p.rows, p.width, limits):
            t = tiling(size, p.rows, p.width, limits[size - 1])
            if size not in first_tile:
                first_tile[size] = len(tiles)
                tiles += t.tiles
            band = band_rows(p.rows, t.rows, steps * size * lanes * p.width)
            shift = block * p.x.c_stride if p.kind == "lanewise" else 0
            floats = vectors * size * lanes
            groups.append(Group(size, block, weights, floats, shift, *taps, first_tile[size], len(t.tiles), t.rows, band))
            places += [(weights + b * lanes, size * lanes) for b in range(size)]
            weights += floats
            block += size
    return groups, tiles, places


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
    all_taps: list[list[Tap]] = []
    tap_table: Pairs = []
    run_taps: Pairs = []
    for run in runs:
        if p.kind == "lanewise":
            taps = single_taps(p, -(-p.outs[0].dims[1] // lanes) * p.x.c_stride, lanes, run[0].input[1])
            joined = [(offset, count) for offset, count, *_ in taps]
        elif p.kind == "planar":
            taps = single_taps(p, p.x.c_stride, 1, run[0].input[1])
            joined = merge_columns(taps) if p.node.attrs["dilation"][1] == 1 else [(offset, count) for offset, count, *_ in taps]
        else:
            taps = dense_taps(p, run[0])
            joined = [(offset, count) for offset, count, *_ in taps]
        all_taps.append(taps)
        run_taps.append((len(tap_table), len(joined)))
        tap_table += joined
    steps = sum(tap[1] for tap in all_taps[0])
    vectors = sum(-(-tap[1] // 2) for tap in all_taps[0]) if p.bfloat16 else steps
    groups, tiles, places = plan_groups(p, runs, run_taps, steps, vectors)
    total_blocks = sum(s.blocks(lanes) for s in p.sources)
    w = packed_weights(p, all_taps, runs, places, total_blocks * vectors * lanes)
    bias = packed_biases(low, node.name, p.sources)
    blocks = [(s.out, s.out_block + b) for s in p.sources for b in range(s.blocks(lanes))]
    spec = {"blocks": blocks, "groups": groups, "taps": tap_table, "tiles": tiles}
    reads = [p.x, w, bias] + ([p.residual] if p.residual is not None else [])
    algorithm = f"{p.kind} {tiles_text(groups, tiles)}{', bfloat16 weights' if p.bfloat16 else ''}"
    following: list[Tensor] = []
    task = low.emit_node(node, lambda: Conv(make_spec(p, w, bias, following, spec)), reads, p.outs, algorithm)
    task.following = following
    task.weights = w
    task.macs = steps * sum(s.channels for s in p.sources) * p.outs[0].dims[0] * p.outs[0].dims[2] * p.outs[0].dims[3]


def packed_weights(p: Product, all_taps: list[list[Tap]], runs: list[list[Source]], places: Pairs, floats: int) -> Tensor:
    """Emit the packing of every source's weights; the packed tensor."""
    low, lanes = p.low, p.low.lanes
    constant = all(low.is_constant(s.weight) for s in p.sources)
    buffer = Buffer("constant" if constant else "arena", floats, name=f"{p.node.name} weights")
    packed = tensor(buffer, (1, 1, 1, floats), 1)
    block = 0
    for run, taps in zip(runs, all_taps, strict=True):
        pack_taps = [(channel, ky, kx, count) for _, count, channel, ky, kx in taps]
        for s in run:
            count = s.blocks(lanes)
            placed = [(k, *places[block + k]) for k in range(count)]
            block += count
            raw = low.raw(s.weight, 0) if constant else low.dense(s.weight)
            _, ci, kh, kw = s.weight.shape
            rows = Tensor(raw.buffer, 1, (s.channels, ci, kh, kw), ci * kh * kw, kh * kw, kw, raw.offset + s.first * ci * kh * kw)

            def make(rows=rows, placed=placed, pack_taps=pack_taps):
                return Pack(rows.operand(), packed.operand(), placed, pack_taps, p.bfloat16)

            task = Task("pack", p.node.name, make, [rows.buffer], [buffer], shape=(floats,), algorithm="pack weights", out_bytes=4 * floats)
            low.emit(task, [low.constant_array(s.weight)] if constant else None)
    return packed


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


def make_spec(p: Product, w: Tensor, bias: Tensor, following: list[Tensor], tables: dict) -> ConvSpec:
    """The step's description with placed operands."""
    attrs, x, out = p.node.attrs, p.x, p.outs[0]
    sh, sw = attrs["stride"]
    kind, lo, hi, slope = attrs.get("activation", NO_ACTIVATION)
    res = p.residual
    if p.images_are_pixels:
        in_px, out_px, res_px, images = x.n_stride, out.n_stride, res.n_stride if res is not None else 0, 1
    else:
        in_px, out_px, res_px, images = sw * x.lanes, p.low.lanes, p.low.lanes, out.dims[0]
    return ConvSpec(
        x=x.operand(),
        w=w.operand(),
        bias=bias.operand(),
        residual=res.operand() if res is not None else None,
        following=(following[0] if following else w).operand(),
        outs=[t.operand() for t in p.outs],
        images=images,
        rows=p.rows,
        in_row=sh * x.h_stride,
        in_px=in_px,
        out_px=out_px,
        res_px=res_px,
        lanewise=p.kind == "lanewise",
        bfloat16=p.bfloat16,
        act=ACTIVATIONS[kind],
        lo=lo,
        hi=hi,
        slope=slope,
        **tables,
    )
