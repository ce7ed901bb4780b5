"""How a module keeps its arrays: read-only, in C order, float32 (or int64 for buffers that count).

Arrays are copied unless nobody can write them, as those of a mapped file. A compiled plan holds packed copies. As the arrays
cannot be written in place, a network changes only by replacing an array, which the module notices; so a plan can never be out of
date. Called by :mod:`cyconv.nn.module`.
"""

from __future__ import annotations

from mmap import mmap

import numpy as np


def as_stored(array, name: str, like: np.ndarray | None = None, integers: bool = False, copy: bool = False) -> np.ndarray:
    """``array`` as a module keeps it.

    Parameters
    ----------
    array : array
        A NumPy array, or another kind that gives one by ``__array__``, such as a CPU tensor of PyTorch.
    name : str
        For the messages.
    like : ndarray, optional
        The array that it replaces: shape and kind of number must agree.
    integers : bool
        Allow integers (kept as int64) when nothing is replaced.
    copy : bool
        Copy even an array that a module keeps already; otherwise that one is shared. What lies in a read-only mapping of a
        file is never copied.

    Raises
    ------
    TypeError
        When it is no array, or its dtype is of another kind.
    ValueError
        When its shape is not that of ``like``.
    """
    if not isinstance(array, np.ndarray):
        if not hasattr(array, "__array__"):
            raise TypeError(f"{name}: expected a NumPy array, got {array!r} ({type(array).__name__})")
        array = np.asarray(array)
    dtype = _stored_dtype(array.dtype, name, like, integers)
    if like is not None and array.shape != like.shape:
        raise ValueError(f"{name}: expected an array of shape {list(like.shape)}, got shape {list(array.shape)}")
    flags = array.flags
    kept = type(array) is np.ndarray and array.dtype == dtype and flags.c_contiguous and flags.aligned and not flags.writeable
    if kept and (_is_mapped(array) or (flags.owndata and not copy)):
        return array
    stored = np.array(array, dtype=dtype, order="C")
    stored.flags.writeable = False
    return stored


def _is_mapped(array: np.ndarray) -> bool:
    """Whether the memory of a read-only array is a read-only mapping of a file, which no view can write."""
    base = array.base
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        base = base.base
    return isinstance(base, memoryview) and base.readonly and isinstance(base.obj, mmap)


def _stored_dtype(dtype: np.dtype, name: str, like: np.ndarray | None, integers: bool) -> np.dtype:
    """float32 for floating-point numbers of any width, int64 for integers where they are allowed."""
    want_integers = like is not None and like.dtype == np.int64
    if dtype.kind == "f" and not want_integers:
        return np.dtype(np.float32)
    if (want_integers or (integers and like is None)) and dtype.kind in "iu" and np.can_cast(dtype, np.int64):
        return np.dtype(np.int64)
    kinds = "integers" if want_integers else "floating-point numbers, or integers," if integers else "floating-point numbers"
    raise TypeError(f"{name}: expected an array of {kinds}, got dtype {dtype}; convert it with .astype")
