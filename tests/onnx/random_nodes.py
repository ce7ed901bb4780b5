"""Single nodes with random attributes, shapes and opsets, in forms that ONNX Runtime computes as ONNX has it. See test_random_nodes.py.

Left out is where it does not: dilations beside auto_pad = SAME, transposed convolutions whose SAME padding would be negative, corners
that are aligned to fractional sizes, and slices backwards that end at the largest number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

Rng = np.random.Generator


@dataclass
class Case:
    """One node. Inputs behind the first may be known before it runs, or not; with ``known_rest`` they decide shapes and must be known."""

    op: str
    opset: int
    inputs: list[np.ndarray | None]
    attrs: dict = field(default_factory=dict)
    outputs: int = 1
    known_rest: bool = False


def pick(rng: Rng, choices):
    return choices[int(rng.integers(len(choices)))]


def maybe(rng: Rng, chance: float, **attrs) -> dict:
    return attrs if rng.random() < chance else {}


def sizes(rng: Rng, count: int, low: int = 1, high: int = 5) -> tuple[int, ...]:
    return tuple(int(v) for v in rng.integers(low, high + 1, count))


def array(rng: Rng, shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    if dtype is np.bool_:
        return np.asarray(rng.random(shape) > 0.5)
    numbers = rng.integers(-9, 10, shape) if np.issubdtype(dtype, np.integer) else rng.standard_normal(shape)
    return np.asarray(numbers).astype(dtype)


def broadcasting(rng: Rng, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to this one."""
    return tuple(size if rng.random() < 0.6 else 1 for size in shape)[int(rng.integers(len(shape) + 1)) :]


def integers(values) -> np.ndarray:
    return np.asarray(values, np.int64)


# Windows


def window(rng: Rng, rank: int, dilations: bool) -> dict:
    kernel = sizes(rng, rank, 1, 3)
    attrs = {"kernel_shape": list(kernel), **maybe(rng, 0.7, strides=list(sizes(rng, rank, 1, 3)))}
    if rng.random() < 0.4:
        return {**attrs, "auto_pad": pick(rng, ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])}
    attrs |= maybe(rng, 0.7, pads=[int(rng.integers(k)) for k in kernel * 2])
    return {**attrs, **(maybe(rng, 0.5, dilations=list(sizes(rng, rank, 1, 2))) if dilations else {})}


def conv(rng: Rng) -> Case:
    rank, groups = pick(rng, [1, 2, 3]), pick(rng, [1, 1, 2, 3])
    attrs = window(rng, rank, True)
    weight = array(rng, (groups * pick(rng, [1, 3]), pick(rng, [1, 2, 5]), *attrs["kernel_shape"]))
    x = array(rng, (2, groups * weight.shape[1], *sizes(rng, rank, 5, 9)))
    bias = [array(rng, weight.shape[:1])] if rng.random() < 0.5 else []
    return Case("Conv", pick(rng, [7, 11, 22]), [x, weight, *bias], {**attrs, "group": groups})


def conv_transpose(rng: Rng) -> Case:
    rank, groups = pick(rng, [1, 2, 3]), pick(rng, [1, 1, 2, 3])
    attrs = window(rng, rank, True)
    attrs.pop("auto_pad", None)
    weight = array(rng, (groups * pick(rng, [1, 2, 5]), pick(rng, [1, 3]), *attrs["kernel_shape"]))
    x = array(rng, (2, weight.shape[0], *sizes(rng, rank, 3, 6)))
    more = maybe(rng, 0.4, output_padding=[int(rng.integers(s)) for s in attrs.get("strides", [1] * rank)])
    bias = [array(rng, (groups * weight.shape[1],))] if rng.random() < 0.5 else []
    return Case("ConvTranspose", pick(rng, [7, 11, 22]), [x, weight, *bias], {**attrs, **more, "group": groups})


def pool(rng: Rng) -> Case:
    rank, op = pick(rng, [1, 2, 3]), pick(rng, ["MaxPool", "AveragePool", "LpPool"])
    opset = pick(rng, [8, 10, 11, 12, 19, 22])
    attrs = window(rng, rank, opset >= {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[op])
    if opset >= (10 if op != "LpPool" else 18):
        attrs |= maybe(rng, 0.4, ceil_mode=1)
    attrs |= {"AveragePool": maybe(rng, 0.5, count_include_pad=1), "LpPool": {"p": pick(rng, [1, 2, 3])}}.get(op, {})
    return Case(op, opset, [array(rng, (2, 3, *sizes(rng, rank, 5, 8)))], attrs, 2 if op == "MaxPool" and rng.random() < 0.3 else 1)


# Element by element


def arithmetic(rng: Rng) -> Case:
    op = pick(rng, ["Add", "Sub", "Mul", "Div", "Pow", "Equal", "Greater", "Less", "Min", "Max", "LessOrEqual", "Sum", "Mean"])
    shape, dtype = sizes(rng, int(rng.integers(5)), 1, 4), pick(rng, [np.float32, np.int64, np.int32])
    if op in ("Sum", "Mean"):
        dtype = np.float32
    pair = [array(rng, broadcasting(rng, shape), dtype), array(rng, shape, dtype)]
    if rng.random() < 0.5:
        pair.reverse()
    if op in ("Div", "Pow"):
        pair = [np.abs(a) % dtype(4) + dtype(1) for a in pair]
    return Case(op, pick(rng, [13, 17, 21]), pair)


def where(rng: Rng) -> Case:
    shape, dtype = sizes(rng, int(rng.integers(4)), 1, 4), pick(rng, [np.float32, np.int64, np.int32])
    chosen = [array(rng, broadcasting(rng, shape), dtype) for _ in range(2)]
    return Case("Where", pick(rng, [9, 16]), [array(rng, shape, np.bool_), *chosen])


def clip(rng: Rng) -> Case:
    opset = pick(rng, [9, 11, 12, 13])
    dtype = pick(rng, [np.float32, np.int32, np.int64] if opset >= 12 else [np.float32])
    bounds = [np.asarray(v).astype(dtype) if rng.random() < 0.7 else None for v in np.sort(5 * rng.standard_normal(2))]
    if opset == 9:
        named = zip(("min", "max"), bounds, strict=True)
        return Case("Clip", opset, [array(rng, (4, 5))], {name: float(v) for name, v in named if v is not None})
    return Case("Clip", opset, [array(rng, (4, 5), dtype), *bounds], known_rest=True)


def prelu(rng: Rng) -> Case:
    shape = sizes(rng, int(rng.integers(1, 5)), 1, 4)
    return Case("PRelu", pick(rng, [7, 9, 16]), [array(rng, shape), array(rng, broadcasting(rng, shape))])


# Data movement


def slices(rng: Rng) -> Case:
    ndim = int(rng.integers(1, 5))
    count = int(rng.integers(1, ndim + 1))
    axes, steps = rng.permutation(ndim)[:count], integers([pick(rng, [1, 2, -1, -2, 3]) for _ in range(count)])
    starts, ends = rng.integers(-8, 9, count), rng.integers(-8, 9, count)
    ends = np.where(rng.random(count) < 0.2, np.where(steps > 0, 2**31 - 1, -(2**31)), ends)
    x = array(rng, sizes(rng, ndim, 1, 6), pick(rng, [np.float32, np.int64]))
    return Case("Slice", pick(rng, [10, 11, 13]), [x, *map(integers, (starts, ends, axes, steps))], known_rest=True)


def pad(rng: Rng) -> Case:
    ndim, mode = int(rng.integers(1, 5)), pick(rng, ["constant", "reflect", "edge"])
    widths = rng.integers(-1 if mode == "constant" else 0, 3, 2 * ndim)
    fill = [np.float32(2.5)] if rng.random() < 0.5 else []
    x = array(rng, sizes(rng, ndim, 3, 6))
    return Case("Pad", pick(rng, [11, 13, 18]), [x, integers(widths), *fill], {"mode": mode}, known_rest=True)


def gather(rng: Rng) -> Case:
    shape = sizes(rng, int(rng.integers(1, 5)))
    axis = int(rng.integers(len(shape)))
    index = rng.integers(-shape[axis], shape[axis], sizes(rng, int(rng.integers(3)), 1, 3))
    x = array(rng, shape, pick(rng, [np.float32, np.int64]))
    return Case("Gather", pick(rng, [9, 11, 13]), [x, np.asarray(index).astype(pick(rng, [np.int64, np.int32]))], {"axis": axis})


def resize(rng: Rng) -> Case:
    shape = (1, 2, *sizes(rng, pick(rng, [1, 2, 3]), 2, 6))
    opset, mode = pick(rng, [11, 13, 18, 19]), pick(rng, ["nearest", "linear"] + (["cubic"] if len(shape) == 4 else []))
    by_size = rng.random() < 0.5
    coordinates = pick(rng, ["half_pixel", "pytorch_half_pixel", "asymmetric"] + (["align_corners"] if by_size else []))
    attrs = {"mode": mode, "coordinate_transformation_mode": coordinates}
    if mode == "nearest":
        attrs["nearest_mode"] = pick(rng, ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    to = [None, integers([1, 2, *sizes(rng, len(shape) - 2, 1, 9)])]
    if not by_size:
        to = [np.float32([1, 1, *(pick(rng, [0.5, 0.75, 1, 1.5, 2, 3]) for _ in shape[2:])])]
    return Case("Resize", opset, [array(rng, shape), None, *to], attrs, known_rest=True)


# Along axes


def reduction(rng: Rng) -> Case:
    op = pick(rng, ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"])
    shape, opset = sizes(rng, int(rng.integers(1, 6)), 1, 4), pick(rng, [9, 11, 13, 18])
    axes = rng.permutation(len(shape))[: int(rng.integers(len(shape) + 1))].tolist()
    if opset >= 11:
        axes = [axis - len(shape) if rng.random() < 0.3 else axis for axis in axes]
    attrs = maybe(rng, 0.6, keepdims=pick(rng, [0, 1]))
    x = array(rng, shape, pick(rng, [np.float32, np.int32, np.int64]) if op in ("ReduceSum", "ReduceMax", "ReduceMin") else np.float32)
    if opset >= (13 if op == "ReduceSum" else 18):
        return Case(op, opset, [x, *([integers(axes)] if axes else [])], attrs, known_rest=True)
    return Case(op, opset, [x], {**attrs, **({"axes": axes} if axes else {})})


def along_an_axis(rng: Rng) -> Case:
    shape = sizes(rng, int(rng.integers(1, 5)), 2, 6)
    axis, op = int(rng.integers(len(shape))), pick(rng, ["Softmax", "LogSoftmax", "ArgMax", "TopK"])
    attrs, opset = {"axis": axis}, pick(rng, [9, 11, 12, 13])
    if op == "ArgMax":
        return Case(op, opset, [array(rng, shape).round()], {**attrs, **(maybe(rng, 0.5, select_last_index=1) if opset >= 12 else {})})
    if op != "TopK":
        return Case(op, opset, [5 * array(rng, shape)], attrs)
    k = int(rng.integers(1, shape[axis] + 1))
    if opset == 9:
        return Case(op, opset, [array(rng, shape)], {**attrs, "k": k}, 2)
    attrs |= maybe(rng, 0.5, largest=0) if opset >= 11 else {}
    return Case(op, opset, [array(rng, shape), integers([k])], attrs, 2, known_rest=True)


def norm(rng: Rng) -> Case:
    op = pick(rng, ["InstanceNormalization", "LayerNormalization", "GroupNormalization"])
    shape = (2, 6, *sizes(rng, pick(rng, [1, 2, 3]), 2, 5))
    x, attrs = array(rng, shape), maybe(rng, 0.5, epsilon=1e-3)
    if op == "LayerNormalization":
        axis = int(rng.integers(1, len(shape)))
        return Case(op, 17, [x, array(rng, shape[axis:]), array(rng, shape[axis:])], {**attrs, "axis": axis}, pick(rng, [1, 3]))
    if op == "InstanceNormalization":
        return Case(op, pick(rng, [9, 17]), [x, array(rng, (6,)), array(rng, (6,))], attrs)
    opset, groups = pick(rng, [18, 21]), pick(rng, [1, 2, 3, 6])
    each = (groups if opset == 18 else 6,)
    return Case(op, opset, [x, array(rng, each), array(rng, each)], {**attrs, "num_groups": groups})


# Products


def gemm(rng: Rng) -> Case:
    m, k, n = sizes(rng, 3)
    flags = {"transA": pick(rng, [0, 1]), "transB": pick(rng, [0, 1])}
    pair = [array(rng, (k, m) if flags["transA"] else (m, k)), array(rng, (n, k) if flags["transB"] else (k, n))]
    added = array(rng, pick(rng, [(m, n), (n,), (1, n), (m, 1), (1,), ()]))
    return Case("Gemm", pick(rng, [7, 9, 11, 13]), [*pair, added], {**flags, **maybe(rng, 0.5, alpha=0.5), **maybe(rng, 0.5, beta=2.0)})


def matmul(rng: Rng) -> Case:
    batch, (m, k, n) = sizes(rng, int(rng.integers(3)), 1, 3), sizes(rng, 3)
    a = (*broadcasting(rng, batch), m, k) if rng.random() < 0.8 else (k,)
    b = (*batch, k, n) if rng.random() < 0.8 else (k,)
    return Case("MatMul", pick(rng, [7, 9, 13]), [array(rng, a), array(rng, b)])


MAKERS: list[Callable[[Rng], Case]] = [
    conv, conv_transpose, pool, arithmetic, where, clip, prelu, slices, pad, gather, resize, reduction, along_an_axis, norm, gemm, matmul,
]  # fmt: skip
