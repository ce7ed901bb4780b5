"""Shapes, constants, identities and conversions. Handlers of the importer; the table is in registry.py."""

from __future__ import annotations

import numpy as np
import onnx

from cyconv.onnx.errors import Unsupported
from cyconv.onnx.registry import Call, Value, operator
from cyconv.ops.dtypes import ANY
from cyconv.shapes import check_shape

_NEWER = (21, 23, 24, 25)  # opsets that added dtypes


@operator("Shape", 1, 13, 15, 19, *_NEWER)
def shape(call: Call) -> Value:
    """The sizes of the input, which are known while tracing."""
    sizes = np.array(call.input(0).shape, np.int64)
    return sizes[slice(call.get("start", 0), call.get("end"))]


@operator("Size", 1, 13, 19, *_NEWER)
def size(call: Call) -> Value:
    """The number of elements."""
    return np.asarray(np.prod(call.input(0).shape, dtype=np.int64))


@operator("Constant", 1, 9, 11, 12, 13, 19, *_NEWER)
def constant(call: Call) -> Value:
    """An array, or numbers."""
    given = {name: call[name] for name in call.node.attrs}
    if len(given) != 1:
        raise ValueError(f"it must have one value, got {', '.join(given) or 'none'}")
    name, value = next(iter(given.items()))
    dtypes = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if name in dtypes:
        return np.asarray(value, dtypes[name])
    if name != "value" or value is None:
        raise Unsupported(f"the attribute {name}")
    return value


@operator("ConstantOfShape", 9, 20, *_NEWER, known=(0,))
def constant_of_shape(call: Call) -> Value:
    """One number everywhere; no memory is taken for it here."""
    value = call.get("value", np.zeros(1, np.float32))
    if value.size != 1:
        raise ValueError(f"its value must be one number, got an array of shape {list(value.shape)}")
    sizes = check_shape(call.ints(0, "shape") or [], "its shape", 8)
    return np.broadcast_to(value.reshape(()), sizes)


@operator("Cast", 6, 9, 13, 19, *_NEWER, 28)
def cast(call: Call) -> Value:
    """Another dtype."""
    x = call.input(0)
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(call["to"]))
    except (KeyError, ValueError):
        raise Unsupported(f"the dtype {call['to']}") from None
    if dtype.kind not in "fiub" or dtype.name.startswith(("float8", "bfloat")):
        raise Unsupported(f"the dtype {dtype.name}")
    if not isinstance(x, np.ndarray) and dtype.name not in ANY:
        raise Unsupported(f"the dtype {dtype.name} for values that are known only when the network runs")
    return x if dtype == x.dtype else call.emit("cast", x, dtype=dtype.name)


@operator("Identity", 1, 13, 14, 16, 19, *_NEWER)
def identity(call: Call) -> Value:
    """The input as it is."""
    return call.input(0)


@operator("Range", 11, 27, known=(0, 1, 2))
def range_(call: Call) -> Value:
    """Known numbers from start to below limit."""
    start, limit, delta = (call.known(place, what) for place, what in enumerate(("start", "limit", "step")))
    if start is None or limit is None or delta is None or delta == 0:
        raise ValueError("it needs a start, a limit and a step that is not 0")
    count = max(int(np.ceil((limit - start) / delta)), 0)
    check_shape([count], "its result", 8)
    if count > 1 << 24:
        raise Unsupported(f"a range of {count} numbers")
    return (start + np.arange(count) * delta).astype(start.dtype)
