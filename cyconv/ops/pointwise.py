"""Mathematical functions of one array, comparisons, selection and conversion between dtypes, element by element.

An op family: :mod:`cyconv.functional` and the ONNX importer record it. NaN and infinity give what PyTorch gives; a comparison with
NaN is false, but for "not equal".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cyconv.ops.activation import register_unary
from cyconv.ops.arithmetic import broadcast_shape, register_broadcasting
from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import expect_inputs, infer_same, real
from cyconv.ops.dtypes import ANY, BOOL, FLOAT32, NUMBERS_ALIKE, alike, expect, expect_one_dtype, in_words

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sign(x: np.ndarray) -> np.ndarray:
    """0 of NaN, as in PyTorch."""
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


def _clip(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bounds may be infinite; where they cross, ``max`` wins."""
    return np.minimum(np.maximum(x, low), high)


def _check_clip(attrs: dict) -> None:
    for name in ("min", "max"):
        if math.isnan(real(attrs[name], name)):
            raise ValueError(f"clip: {name} must not be NaN")


def infer_where(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """What the condition and the two others broadcast to."""
    expect_inputs("where", shapes, 3)
    return [broadcast_shape("where", broadcast_shape("where", shapes[0], shapes[1]), shapes[2])]


def where_dtypes(op: str, dtypes: list[str], attrs: dict) -> list[str]:
    """A bool condition, then two of one dtype, which is that of the output."""
    expect(op, dtypes[0], (BOOL,), "a condition of ")
    for dtype in dtypes[1:]:
        expect(op, dtype, ANY)
    expect_one_dtype(op, dtypes[1:])
    return [dtypes[1]]


def where(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """The second input where the first is true, else the third."""
    return [np.where(*inputs)]


def _check_cast(attrs: dict) -> None:
    if attrs["dtype"] not in ANY:
        raise ValueError(f"cast: dtype must be {in_words(ANY)}, got {attrs['dtype']!r}")


def cast_dtypes(op: str, dtypes: list[str], attrs: dict) -> list[str]:
    """Any in; out comes attrs["dtype"]."""
    expect(op, dtypes[0], ANY)
    return [attrs["dtype"]]


def cast(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """Floats become integers towards zero, and the smallest integer where they are NaN or too large; all but zero becomes true."""
    x, dtype = inputs[0], attrs["dtype"]
    if dtype == FLOAT32:
        return [x.astype(np.float64)]
    if x.dtype.kind != "f" or dtype == BOOL:
        return [x.astype(dtype)]
    limits = np.iinfo(dtype)
    fits = (x >= limits.min) & (x < -float(limits.min))
    return [np.where(fits, np.where(fits, x, 0.0).astype(dtype), limits.min).astype(dtype)]


register_unary("sqrt", np.sqrt)
register_unary("exp", np.exp)
register_unary("log", np.log)
register_unary("abs", np.abs, dtypes=NUMBERS_ALIKE)
register_unary("neg", np.negative, dtypes=NUMBERS_ALIKE)
register_unary("sign", _sign, dtypes=NUMBERS_ALIKE)
register_unary("floor", np.floor)
register_unary("ceil", np.ceil)
register_unary("erf", _erf)
register_unary("reciprocal", lambda x: 1.0 / x)
register_unary("clip", _clip, "min", "max", check=_check_clip)
COMPARISONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
}
for _name, _function in COMPARISONS.items():
    register_broadcasting(_name, _function, alike(ANY, BOOL))
register(Op("where", infer_where, where, dtypes=where_dtypes))
register(Op("cast", infer_same("cast", _check_cast), cast, dtypes=cast_dtypes))
