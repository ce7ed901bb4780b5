"""Mathematical functions, comparisons and selection, element by element.

Names, arguments and results are those of ``torch``; NaN gives NaN, and a comparison with NaN is false, but for ``ne``.
"""

from __future__ import annotations

from numbers import Real

import numpy as np

from cyconv.functional.common import record, with_numbers
from cyconv.graph import traceable
from cyconv.ops.dtypes import ANY, NUMBERS


@traceable("input")
def sqrt(input: np.ndarray) -> np.ndarray:
    """Square root; NaN of negative numbers.

    Parameters
    ----------
    input : ndarray, float32, any shape

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("sqrt", [input])


@traceable("input")
def exp(input: np.ndarray) -> np.ndarray:
    """Exponential function, within 1 unit in the last place.

    Parameters
    ----------
    input : ndarray, float32, any shape

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("exp", [input])


@traceable("input")
def log(input: np.ndarray) -> np.ndarray:
    """Natural logarithm, within 1 unit in the last place; NaN of negative numbers.

    Parameters
    ----------
    input : ndarray, float32, any shape

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("log", [input])


@traceable("input", dtypes=NUMBERS)
def abs(input: np.ndarray) -> np.ndarray:
    """Magnitude.

    Parameters
    ----------
    input : ndarray, float32, int32 or int64, any shape

    Returns
    -------
    ndarray, the dtype and shape of ``input``
    """
    return record("abs", [input])


@traceable("input", dtypes=NUMBERS)
def neg(input: np.ndarray) -> np.ndarray:
    """The number with the other sign.

    Parameters
    ----------
    input : ndarray, float32, int32 or int64, any shape

    Returns
    -------
    ndarray, the dtype and shape of ``input``
    """
    return record("neg", [input])


@traceable("input", dtypes=NUMBERS)
def sign(input: np.ndarray) -> np.ndarray:
    """-1, 0 or 1; 0 of NaN, as in PyTorch.

    Parameters
    ----------
    input : ndarray, float32, int32 or int64, any shape

    Returns
    -------
    ndarray, the dtype and shape of ``input``
    """
    return record("sign", [input])


@traceable("input")
def floor(input: np.ndarray) -> np.ndarray:
    """The largest integer that is not above.

    Parameters
    ----------
    input : ndarray, float32, any shape

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("floor", [input])


@traceable("input")
def ceil(input: np.ndarray) -> np.ndarray:
    """The smallest integer that is not below.

    Parameters
    ----------
    input : ndarray, float32, any shape

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("ceil", [input])


@traceable("input")
def erf(input: np.ndarray) -> np.ndarray:
    """Error function, within 1.6 units in the last place.

    Parameters
    ----------
    input : ndarray, float32, any shape

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("erf", [input])


@traceable("input")
def reciprocal(input: np.ndarray) -> np.ndarray:
    """``1 / x``.

    Parameters
    ----------
    input : ndarray, float32, any shape

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("reciprocal", [input])


@traceable("input", "min", "max", dtypes=NUMBERS)
def _clamp_between(input: np.ndarray, min: np.ndarray | None, max: np.ndarray | None) -> np.ndarray:
    """Between bounds that are arrays."""
    y = input if min is None else record("maximum", [input, min])
    return y if max is None else record("minimum", [y, max])


@traceable("input", dtypes=NUMBERS)
def _clamp(input: np.ndarray, min: float | None, max: float | None) -> np.ndarray:
    """Between bounds that are numbers."""
    if input.dtype == np.float32:
        low, high = (-np.inf if min is None else min), (np.inf if max is None else max)
        return record("clip", [input], min=low, max=high)
    return _clamp_between(input, *(None if bound is None else np.asarray(bound, input.dtype) for bound in (min, max)))


def clamp(input: np.ndarray, min: np.ndarray | float | None = None, max: np.ndarray | float | None = None) -> np.ndarray:
    """``min(max(input, min), max)``.

    Parameters
    ----------
    input : ndarray, float32, int32 or int64, any shape
    min, max : number, or ndarray that broadcasts with ``input``, optional
        Where they cross, ``max`` wins.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        When both bounds are left out or one is NaN.
    """
    if min is None and max is None:
        raise ValueError("clamp: At least one of 'min' or 'max' must not be None")
    if all(bound is None or isinstance(bound, Real) for bound in (min, max)):
        return _clamp(input, min, max)
    bounds = (np.asarray(bound, input.dtype) if isinstance(bound, Real) else bound for bound in (min, max))
    return _clamp_between(input, *bounds)


@with_numbers
@traceable("input", "other", dtypes=ANY)
def eq(input: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """``input == other``, with NumPy's broadcasting.

    Parameters
    ----------
    input, other : ndarray of one dtype: float32, int32, int64 or bool; or number

    Returns
    -------
    ndarray, bool, the shape that both broadcast to
    """
    return record("equal", [input, other])


@with_numbers
@traceable("input", "other", dtypes=ANY)
def ne(input: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """``input != other``, with NumPy's broadcasting.

    Parameters
    ----------
    input, other : ndarray of one dtype: float32, int32, int64 or bool; or number

    Returns
    -------
    ndarray, bool, the shape that both broadcast to
    """
    return record("not_equal", [input, other])


@with_numbers
@traceable("input", "other", dtypes=ANY)
def gt(input: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """``input > other``, with NumPy's broadcasting.

    Parameters
    ----------
    input, other : ndarray of one dtype: float32, int32, int64 or bool; or number

    Returns
    -------
    ndarray, bool, the shape that both broadcast to
    """
    return record("greater", [input, other])


@with_numbers
@traceable("input", "other", dtypes=ANY)
def ge(input: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """``input >= other``, with NumPy's broadcasting.

    Parameters
    ----------
    input, other : ndarray of one dtype: float32, int32, int64 or bool; or number

    Returns
    -------
    ndarray, bool, the shape that both broadcast to
    """
    return record("greater_equal", [input, other])


@with_numbers
@traceable("input", "other", dtypes=ANY)
def lt(input: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """``input < other``, with NumPy's broadcasting.

    Parameters
    ----------
    input, other : ndarray of one dtype: float32, int32, int64 or bool; or number

    Returns
    -------
    ndarray, bool, the shape that both broadcast to
    """
    return record("less", [input, other])


@with_numbers
@traceable("input", "other", dtypes=ANY)
def le(input: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """``input <= other``, with NumPy's broadcasting.

    Parameters
    ----------
    input, other : ndarray of one dtype: float32, int32, int64 or bool; or number

    Returns
    -------
    ndarray, bool, the shape that both broadcast to
    """
    return record("less_equal", [input, other])


@traceable("condition", "input", "other", dtypes=ANY)
def _where(condition: np.ndarray, input: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of three arrays."""
    return record("where", [condition, input, other])


def where(condition: np.ndarray, input: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """``input`` where the condition is true, else ``other``, with NumPy's broadcasting.

    Parameters
    ----------
    condition : ndarray, bool
    input, other : ndarray of one dtype: float32, int32, int64 or bool; or number

    Returns
    -------
    ndarray
        Of the shape that all three broadcast to.

    Raises
    ------
    TypeError
        When the dtypes are others or differ.
    ValueError
        When the shapes do not broadcast.
    """
    return with_numbers(lambda a, b: _where(condition, a, b))(input, other)


@traceable("input", dtypes=ANY)
def cast(input: np.ndarray, dtype: str) -> np.ndarray:
    """``input`` as another dtype; what ``torch.Tensor.to(dtype)`` does.

    Parameters
    ----------
    input : ndarray, float32, int32, int64 or bool, any shape
    dtype : "float32", "int32", "int64" or "bool"
        Floats become integers towards zero, NaN and what is too large the smallest integer. All but zero becomes true.

    Returns
    -------
    ndarray, ``dtype``, the shape of ``input``

    Raises
    ------
    ValueError
        When ``dtype`` is another one.
    """
    return record("cast", [input], dtype=dtype)
