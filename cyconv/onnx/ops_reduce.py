"""Reductions along axes: sums, means, extremes, and where the largest are. Handlers of the importer; the table is in registry.py."""

from __future__ import annotations

import numpy as np

from cyconv.onnx.errors import Unsupported
from cyconv.onnx.registry import Call, Value, operator


def _register_reduction(name: str, op: str, with_attribute: tuple[int, ...], with_input: tuple[int, ...]) -> None:
    """The axes are an attribute in the older versions and an input in the newer ones."""
    operator(name, *with_attribute)(lambda call: _reduce(call, op, call.get("axes")))
    operator(name, *with_input, known=(1,))(lambda call: _reduce(call, op, call.ints(1, "axes")))


def _reduce(call: Call, op: str, axes: list[int] | None) -> Value:
    return call.input(0) if not axes and call.get("noop_with_empty_axes", 0) else _reduced(call, op, call.input(0), axes)


def _reduced(call: Call, op: str, x: Value, axes: list[int] | None) -> Value:
    """``x`` reduced along ``axes``, or along all when none are named."""
    keep = bool(call["keepdims"])
    dims = axes_of(x, axes) if axes else tuple(range(x.ndim))
    if op == "reduce_mean" and x.ndim == 4 and dims == (2, 3) and not isinstance(x, np.ndarray) and 0 not in x.shape:
        y = call.emit("adaptive_avg_pool2d", x, output_size=(1, 1))
        return y if keep else call.emit("reshape", y, shape=x.shape[:2])
    return call.emit(op, x, dims=dims, keepdim=keep)


def axes_of(x: Value, axes: list[int]) -> tuple[int, ...]:
    """Axes of ``x`` in ascending order, counted from the front."""
    for axis in axes:
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"axis {axis} is out of range for {x.ndim} dimensions")
    found = sorted({axis % x.ndim for axis in axes})
    if len(found) != len(axes):
        raise ValueError(f"an axis is named twice in {axes}")
    return tuple(found)


_register_reduction("ReduceSum", "reduce_sum", (1, 11), (13,))
_register_reduction("ReduceMean", "reduce_mean", (1, 11, 13), (18,))
_register_reduction("ReduceMax", "reduce_max", (1, 11, 12, 13), (18, 20))
_register_reduction("ReduceMin", "reduce_min", (1, 11, 12, 13), (18, 20))


def _register_norm(name: str, absolute: bool, root: bool) -> None:
    """A sum of absolute values or squares, and its square root if wanted."""

    def norm(call: Call, axes: list[int] | None) -> Value:
        if not axes and call.get("noop_with_empty_axes", 0):
            raise Unsupported("no axes with noop_with_empty_axes = 1")
        x = call.input(0)
        sums = _reduced(call, "reduce_sum", call.emit("abs", x) if absolute else call.emit("mul", x, x), axes)
        return call.emit("sqrt", sums) if root else sums

    operator(name, 1, 11, 13)(lambda call: norm(call, call.get("axes")))
    operator(name, 18, known=(1,))(lambda call: norm(call, call.ints(1, "axes")))


_register_norm("ReduceL1", absolute=True, root=False)
_register_norm("ReduceL2", absolute=False, root=True)
_register_norm("ReduceSumSquare", absolute=False, root=False)


@operator("ArgMax", 1, 11, 12, 13)
def arg_max(call: Call) -> Value:
    """Where the largest number along an axis stands: the first, or with select_last_index the last of equal ones."""
    x, keep = call.input(0), bool(call["keepdims"])
    (dim,) = axes_of(x, [call["axis"]])
    return call.emit("argmax", x, dim=dim, keepdim=keep, last=bool(call.get("select_last_index", 0)))


@operator("TopK", 1)
def top_k_1(call: Call) -> list[Value]:
    """The k largest along an axis; k is an attribute."""
    return _top_k(call, call["k"], True)


@operator("TopK", 10, 11, 24, known=(1,))
def top_k(call: Call) -> list[Value]:
    """The k largest or smallest along an axis."""
    k = call.ints(1, "k") or []
    if len(k) != 1:
        raise ValueError(f"k must be one number, got {k}")
    return _top_k(call, k[0], bool(call.get("largest", 1)))


def _top_k(call: Call, k: int, largest: bool) -> list[Value]:
    x = call.input(0)
    (dim,) = axes_of(x, [call["axis"]])
    return call.emit_all("topk", x, k=k, dim=dim, largest=largest, sorted=True)
