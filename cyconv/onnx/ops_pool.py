"""Pools: MaxPool, AveragePool, LpPool and the global ones. Handlers of the importer; the table is in registry.py."""

from __future__ import annotations

from cyconv.onnx.registry import Call, Value, operator
from cyconv.onnx.spatial import Window, drop, lift, op_name, spatial_rank


@operator("MaxPool", 1, 8, 10, 11, 12, 22)
def max_pool(call: Call) -> Value | list[Value]:
    """Maxima, and where they stand in the whole flattened input."""
    x = call.input(0)
    rank = spatial_rank(x)
    order = "column" if call.get("storage_order", 0) else "row"
    more = {"return_indices": True, "index_order": order} if call.wants(1) else {"return_indices": False}
    attrs = Window(call, rank, call["kernel_shape"], x.shape[2:]).attrs()
    outputs = call.emit_all(op_name("max_pool", rank), lift(call, x), ceil_mode=bool(call.get("ceil_mode", 0)), **attrs, **more)
    return [drop(call, y, rank) for y in outputs]


@operator("AveragePool", 1, 7, 10, 11, 19, 22)
def average_pool(call: Call) -> Value:
    """Averages, over the cells of the input or with those of the padding."""
    x = call.input(0)
    rank = spatial_rank(x)
    attrs = Window(call, rank, call["kernel_shape"], x.shape[2:]).attrs()
    if set(attrs["dilation"]) == {1}:
        del attrs["dilation"]
    count = bool(call.get("count_include_pad", 0))
    ceil = bool(call.get("ceil_mode", 0))
    op = op_name("avg_pool", rank)
    return drop(call, call.emit(op, lift(call, x), ceil_mode=ceil, count_include_pad=count, divisor_override=None, **attrs), rank)


@operator("LpPool", 2, 11, 18, 22)
def lp_pool(call: Call) -> Value:
    """(Σ |x|^p)^(1/p)."""
    x = call.input(0)
    rank = spatial_rank(x)
    attrs = Window(call, rank, call["kernel_shape"], x.shape[2:]).attrs()
    ceil = bool(call.get("ceil_mode", 0))
    more = {"norm_type": float(call["p"]), "absolute": True, "rescale": False}
    return drop(call, call.emit(op_name("lp_pool", rank), lift(call, x), ceil_mode=ceil, **attrs, **more), rank)


@operator("GlobalAveragePool", 1, 22)
def global_average_pool(call: Call) -> Value:
    """The mean of each channel."""
    return _global(call, "adaptive_avg_pool", {})


@operator("GlobalMaxPool", 1, 22)
def global_max_pool(call: Call) -> Value:
    """The maximum of each channel."""
    return _global(call, "adaptive_max_pool", {"return_indices": False})


def _global(call: Call, op: str, attrs: dict) -> Value:
    x = call.input(0)
    rank = spatial_rank(x)
    return drop(call, call.emit(op_name(op, rank), lift(call, x), output_size=(1,) * max(rank, 2), **attrs), rank)
