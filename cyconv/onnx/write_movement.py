"""Data movement as ONNX operators, without the batch size where that is possible. The table is in writer.py."""

from __future__ import annotations

import numpy as np

from cyconv.graph.ir import Node
from cyconv.onnx.writer import END, Inexpressible, Writer, writes

_PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@writes("reshape")
def reshape(w: Writer, node: Node) -> None:
    """Reshape; leading dimensions that stay are written as 0, which keeps them, or else the first as what is left."""
    old, new = node.inputs[0].shape, list(node.outputs[0].shape)
    stay = 0
    while stay < min(len(old), len(new)) and old[stay] == new[stay]:
        stay += 1
    if 0 not in old:
        new[:stay] = [0] * stay
        if not stay and new:
            new[0] = -1
    w.add("Reshape", [w.name(node.inputs[0]), w.integers(new)], w.define(node), allowzero=int(0 in old))


@writes("permute")
def permute(w: Writer, node: Node) -> None:
    """Transpose."""
    w.simple(node, "Transpose", perm=node.attrs["dims"])


@writes("cat")
def cat(w: Writer, node: Node) -> None:
    """Concat."""
    w.simple(node, "Concat", axis=node.attrs["dim"])


@writes("slice")
def slice_(w: Writer, node: Node) -> None:
    """Slice, of the dimensions that are cut."""
    a, shape = node.attrs, node.inputs[0].shape
    cuts = []
    for dim, (start, stop, step) in enumerate(zip(a["starts"], a["stops"], a["steps"], strict=True)):
        if (start, stop, step) != (0, shape[dim], 1):
            whole = stop == shape[dim] if step > 0 else stop < 0
            cuts.append((start, (END if step > 0 else -END) if whole else stop, dim, step))
    if cuts:
        w.add("Slice", [w.name(node.inputs[0]), *(w.integers(column) for column in zip(*cuts, strict=True))], w.define(node))
    else:
        w.alias(node.outputs[0], w.name(node.inputs[0]))


@writes("pad")
def pad(w: Writer, node: Node) -> None:
    """Pad."""
    a = node.attrs
    widths = w.integers([side[0] for side in a["pad"]] + [side[1] for side in a["pad"]])
    inputs = [w.name(node.inputs[0]), widths]
    if a["mode"] == "constant":
        inputs.append(w.scalar(a["value"], node.inputs[0].dtype))
    w.add("Pad", inputs, w.define(node), mode=_PAD_MODES[a["mode"]])


@writes("gather")
def gather(w: Writer, node: Node) -> None:
    """Gather."""
    w.simple(node, "Gather", axis=node.attrs["dim"])


@writes("expand")
def expand(w: Writer, node: Node) -> None:
    """Expand; dimensions that stay are written as 1, which keeps them."""
    old, new = node.inputs[0].shape, node.outputs[0].shape
    long = (1,) * (len(new) - len(old)) + old
    shape = [1 if a == b else b for a, b in zip(long, new, strict=True)]
    w.add("Expand", [w.name(node.inputs[0]), w.integers(shape)], w.define(node))


@writes("tile")
def tile(w: Writer, node: Node) -> None:
    """Tile."""
    w.add("Tile", [w.name(node.inputs[0]), w.integers(node.attrs["repeats"])], w.define(node))


@writes("interpolate")
def interpolate(w: Writer, node: Node) -> None:
    """Resize."""
    a, x = node.attrs, node.inputs[0]
    if a["coordinates"] == "tf_half_pixel_for_nn":
        raise Inexpressible("coordinates of the kind tf_half_pixel_for_nn")
    if a["scales"] is None:
        inputs = [w.name(x), "", "", w.integers(a["size"])]
    else:
        inputs = [w.name(x), "", w.constant(np.asarray(a["scales"], np.float32))]
    attrs = {"coordinate_transformation_mode": a["coordinates"], "nearest_mode": a["rounding"]}
    w.add("Resize", inputs, w.define(node), axes=a["dims"], mode=a["mode"], **attrs)
