"""Products, pools and normalisations as ONNX operators. The table is in writer.py."""

from __future__ import annotations

from math import prod

import numpy as np

from cyconv.graph.ir import Node
from cyconv.onnx.writer import Inexpressible, Writer, writes
from cyconv.shapes import adaptive_windows


def pads(padding: tuple[int, ...]) -> list[int]:
    """(before, after) of each axis in turn, as ONNX has them: first all before."""
    return [*padding[::2], *padding[1::2]]


@writes("conv2d", "conv3d")
def conv(w: Writer, node: Node) -> None:
    """Conv."""
    a = node.attrs
    w.simple(node, "Conv", strides=a["stride"], pads=pads(a["padding"]), dilations=a["dilation"], group=a["groups"])


@writes("conv_transpose2d", "conv_transpose3d")
def conv_transpose(w: Writer, node: Node) -> None:
    """ConvTranspose."""
    a = node.attrs
    shape = {"strides": a["stride"], "pads": pads(a["padding"]), "dilations": a["dilation"], "group": a["groups"]}
    w.simple(node, "ConvTranspose", output_padding=a["output_padding"], **shape)


@writes("linear")
def linear(w: Writer, node: Node) -> None:
    """Gemm of matrices; otherwise MatMul with the transposed weight, and Add."""
    x, weight = node.inputs[:2]
    if len(x.shape) == 2:
        w.simple(node, "Gemm", transB=1)
        return
    product = [w.name(x), w.add("Transpose", [w.name(weight)], perm=[1, 0])]
    if len(node.inputs) == 2:
        w.add("MatMul", product, w.define(node))
    else:
        w.add("Add", [w.add("MatMul", product), w.name(node.inputs[2])], w.define(node))


def _window(a: dict) -> dict:
    more = {"dilations": a["dilation"]} if "dilation" in a else {}
    return {"kernel_shape": a["kernel"], "strides": a["stride"], "pads": pads(a["padding"]), "ceil_mode": int(a["ceil_mode"]), **more}


@writes("max_pool2d", "max_pool3d")
def max_pool(w: Writer, node: Node) -> None:
    """MaxPool, whose indices count in the whole array; PyTorch's count in the plane."""
    x, order = node.inputs[0], node.attrs.get("index_order", "plane")
    if len(node.outputs) == 1:
        w.simple(node, "MaxPool", **_window(node.attrs))
        return
    whole = w.define(node, 1) if order != "plane" else w.fresh("indices")
    outputs = [w.define(node, 0), whole]
    w.add("MaxPool", [w.name(x)], outputs, storage_order=int(order == "column"), **_window(node.attrs))
    if order == "plane":
        plane = w.scalar(prod(x.shape[2:]), "int64")
        before = w.add("Mul", [w.add("Div", [whole, plane]), plane])  # the division of whole numbers rounds down
        w.add("Sub", [whole, before], w.define(node, 1))


@writes("avg_pool2d", "avg_pool3d")
def avg_pool(w: Writer, node: Node) -> None:
    """AveragePool; another divisor is a factor behind it."""
    a, divisor = node.attrs, node.attrs["divisor_override"]
    if divisor is None:
        w.simple(node, "AveragePool", count_include_pad=int(a["count_include_pad"]), **_window(a))
        return
    if a["ceil_mode"]:
        raise Inexpressible("divisor_override together with ceil_mode")
    mean = w.add("AveragePool", [w.name(node.inputs[0])], count_include_pad=1, **_window(a))
    w.add("Mul", [mean, w.scalar(prod(a["kernel"]) / divisor)], w.define(node))


@writes("lp_pool2d", "lp_pool3d")
def lp_pool(w: Writer, node: Node) -> None:
    """LpPool, which takes absolute values and does not scale windows that hang over."""
    a = node.attrs
    p = float(a["norm_type"])
    if p != int(p) or (not a["absolute"] and p % 2) or (a["rescale"] and a["ceil_mode"]):
        raise Inexpressible(f"a power average of order {p} of signed numbers, or in ceil mode")
    w.simple(node, "LpPool", p=int(p), **_window(a))


@writes("adaptive_avg_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool3d")
def adaptive_pool(w: Writer, node: Node) -> None:
    """A global pool, or a pool with fixed windows where sizes divide; other averages are products with matrices."""
    x, wanted, mean = node.inputs[0], node.attrs["output_size"], "avg" in node.op
    if len(node.outputs) > 1:
        raise Inexpressible("indices of adaptive pooling")
    sizes = x.shape[2:]
    if tuple(wanted) == sizes:
        w.alias(node.outputs[0], w.name(x))
    elif set(wanted) == {1}:
        w.simple(node, "GlobalAveragePool" if mean else "GlobalMaxPool")
    elif all(out and size % out == 0 for size, out in zip(sizes, wanted, strict=True)):
        window = [size // out for size, out in zip(sizes, wanted, strict=True)]
        w.simple(node, "AveragePool" if mean else "MaxPool", kernel_shape=window, strides=window)
    elif mean and len(sizes) == 2 and 0 not in wanted:
        rows, columns = (_means(size, out) for size, out in zip(sizes, wanted, strict=True))
        above = w.add("MatMul", [w.constant(rows), w.name(x)])
        w.add("MatMul", [above, w.constant(np.ascontiguousarray(columns.T))], w.define(node))
    else:
        raise Inexpressible(f"adaptive pooling from {list(sizes)} to {list(wanted)}")


def _means(size: int, out: int) -> np.ndarray:
    """The matrix [out, size] that takes the mean of each window of an adaptive pool."""
    matrix = np.zeros((out, size), np.float32)
    for row, (start, end) in zip(matrix, adaptive_windows(size, out), strict=True):
        row[start:end] = 1 / (end - start)
    return matrix


@writes("batch_norm")
def batch_norm(w: Writer, node: Node) -> None:
    """BatchNormalization, which takes the scale first."""
    x, mean, var, weight, bias = (w.name(v) for v in node.inputs)
    w.add("BatchNormalization", [x, weight, bias, mean, var], w.define(node), epsilon=float(node.attrs["eps"]))


@writes("local_response_norm")
def local_response_norm(w: Writer, node: Node) -> None:
    """LRN; of an even size its window lies otherwise, so the channels are turned round before and after."""
    a, x = node.attrs, w.name(node.inputs[0])
    attrs = {"size": a["size"], "alpha": float(a["alpha"]), "beta": float(a["beta"]), "bias": float(a["k"])}
    if a["size"] % 2:
        w.add("LRN", [x], w.define(node), **attrs)
    else:
        turned = w.add("LRN", [w.add("Slice", [x, *_backwards(w)])], **attrs)
        w.add("Slice", [turned, *_backwards(w)], w.define(node))


def _backwards(w: Writer) -> list[str]:
    """Starts, ends, axes and steps of a slice with the channels from the last to the first."""
    return [w.integers([v]) for v in (-1, -(2**63) + 1, 1, -1)]


@writes("layer_norm")
def layer_norm(w: Writer, node: Node) -> None:
    """LayerNormalization; over the channels of an image between two transpositions."""
    names = [w.name(v) for v in node.inputs]
    dims, ndim, eps = tuple(node.attrs["dims"]), len(node.inputs[0].shape), float(node.attrs["eps"])
    if dims == tuple(range(dims[0], ndim)):
        w.add("LayerNormalization", names, w.define(node), axis=dims[0], epsilon=eps)
        return
    there, back = [0, *range(2, ndim), 1], [0, ndim - 1, *range(1, ndim - 1)]
    last = w.add("Transpose", names[:1], perm=there)
    y = w.add("LayerNormalization", [last, *names[1:]], axis=-1, epsilon=eps)
    w.add("Transpose", [y], w.define(node), perm=back)


@writes("group_norm")
def group_norm(w: Writer, node: Node) -> None:
    """GroupNormalization."""
    w.simple(node, "GroupNormalization", num_groups=node.attrs["num_groups"], epsilon=float(node.attrs["eps"]))


@writes("instance_norm")
def instance_norm(w: Writer, node: Node) -> None:
    """InstanceNormalization."""
    w.simple(node, "InstanceNormalization", epsilon=float(node.attrs["eps"]))
