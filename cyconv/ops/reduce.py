"""Reductions along dimensions: sum, mean, maximum and minimum, the place of the maximum, and the k largest.

An op family: :mod:`cyconv.functional` and the ONNX importer record it. A NaN makes a sum, mean, maximum or minimum NaN; where places
are asked for, NaN counts as larger than all numbers, and of equal elements the first comes first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import expect_inputs
from cyconv.ops.dtypes import ALIKE, FLOATS, INT64, NUMBERS, NUMBERS_ALIKE, DtypeRule, alike
from cyconv.shapes import check_shape, integer


def check_dims(op: str, dims, ndim: int) -> tuple[int, ...]:
    """``dims`` as ints, each in [0, ndim) and named once."""
    checked = tuple(integer(d, f"{op}: dim", 0) for d in dims)
    if any(d >= ndim for d in checked) or len(set(checked)) < len(checked):
        raise ValueError(f"{op}: dims must be different and in [0, {ndim}), got {checked}")
    return checked


def reduced(shape: Shape, dims: tuple[int, ...], keepdim: bool) -> Shape:
    """``shape`` with 1 for the dimensions in ``dims``, or without them."""
    return tuple(1 if d in dims else size for d, size in enumerate(shape) if keepdim or d not in dims)


def _register_reduction(name: str, function: Callable[..., np.ndarray], dtypes: DtypeRule) -> None:
    """Register ``y = function(x)`` over attrs["dims"], which stay with size 1 when attrs["keepdim"] is true."""

    def infer(shapes: list[Shape], attrs: dict) -> list[Shape]:
        expect_inputs(name, shapes, 1)
        return [check_shape(reduced(shapes[0], check_dims(name, attrs["dims"], len(shapes[0])), attrs["keepdim"]), f"{name}: output")]

    @np.errstate(all="ignore")
    def reference(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
        return [np.asarray(function(inputs[0], tuple(attrs["dims"]), bool(attrs["keepdim"])))]

    register(Op(name, infer, reference, dtypes=dtypes))


def _sum(x: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> np.ndarray:
    return x.sum(axis=dims, keepdims=keepdim, dtype=x.dtype)


def _mean(x: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> np.ndarray:
    return _sum(x, dims, keepdim) / np.float64(np.prod([x.shape[d] for d in dims]))


def _limit(x: np.ndarray, lowest: bool) -> float | int | bool:
    """What the maximum (or minimum) of nothing is."""
    if x.dtype.kind == "f":
        return -np.inf if lowest else np.inf
    if x.dtype.kind == "b":
        return not lowest
    return int(np.iinfo(x.dtype).min if lowest else np.iinfo(x.dtype).max)


def _max(x: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> np.ndarray:
    return np.max(x, axis=dims, keepdims=keepdim, initial=_limit(x, True))


def _min(x: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> np.ndarray:
    return np.min(x, axis=dims, keepdims=keepdim, initial=_limit(x, False))


def infer_argmax(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """attrs["dim"] goes, or stays with size 1 when attrs["keepdim"] is true."""
    expect_inputs("argmax", shapes, 1)
    x = shapes[0]
    (dim,) = check_dims("argmax", (attrs["dim"],), len(x))
    if x[dim] == 0:
        raise ValueError(f"argmax: expected reduction dim {dim} to have non-zero size, got an array of size {list(x)}")
    return [check_shape(reduced(x, (dim,), attrs["keepdim"]), "argmax: output", 8)]


def argmax(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """The first place of the maximum, or the last when attrs["last"] is true."""
    x, dim = inputs[0], attrs["dim"]
    if attrs.get("last"):
        found = x.shape[dim] - 1 - np.argmax(np.flip(x, dim), axis=dim, keepdims=bool(attrs["keepdim"]))
    else:
        found = np.argmax(x, axis=dim, keepdims=bool(attrs["keepdim"]))
    return [np.asarray(found, np.int64)]


def infer_topk(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """Values and places, with k along attrs["dim"]."""
    expect_inputs("topk", shapes, 1)
    x, k = shapes[0], integer(attrs["k"], "k", 0)
    (dim,) = check_dims("topk", (attrs["dim"],), len(x))
    if k > x[dim]:
        raise ValueError(f"topk: k ({k}) is too big for dimension {dim} of size {x[dim]}")
    shape = check_shape((*x[:dim], k, *x[dim + 1 :]), "topk: output", 8)
    return [shape, shape]


def topk(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """The k largest (attrs["largest"]) or smallest along attrs["dim"], always in order, and their places."""
    x, dim = inputs[0], attrs["dim"]
    # Stable sorts put NaN last and equal elements in order of their places; the largest come from sorting back to front.
    if attrs["largest"]:
        order = x.shape[dim] - 1 - np.flip(np.argsort(np.flip(x, dim), axis=dim, kind="stable"), dim)
    else:
        order = np.argsort(x, axis=dim, kind="stable")
    order = np.take(order, np.arange(attrs["k"]), axis=dim)
    return [np.take_along_axis(x, order, dim), order.astype(np.int64)]


_register_reduction("reduce_sum", _sum, NUMBERS_ALIKE)
_register_reduction("reduce_mean", _mean, FLOATS)
_register_reduction("reduce_max", _max, ALIKE)
_register_reduction("reduce_min", _min, ALIKE)
register(Op("argmax", infer_argmax, argmax, dtypes=alike(NUMBERS, INT64)))
register(Op("topk", infer_topk, topk, dtypes=alike(NUMBERS, "", INT64)))
