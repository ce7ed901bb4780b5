"""Arrays at the door: what a caller gives is checked, and brought into the form that kernels read."""

from __future__ import annotations

import numpy as np


def as_float32(array, name: str) -> np.ndarray:
    """``array`` as a C-contiguous, aligned, native float32 array; a copy only when it is not one already.

    Raises
    ------
    TypeError
        ``array`` is no NumPy array, or its dtype is not float32.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array of float32, got {type(array).__name__}; convert it with np.asarray(…, np.float32)")
    if array.dtype.kind != "f" or array.dtype.itemsize != 4:
        raise TypeError(f"{name} must be float32, got {array.dtype}; convert it with .astype(np.float32)")
    return np.require(array, np.float32, ("C", "A"))


def check_out(out, shape: tuple[int, ...], inputs: list[np.ndarray]) -> np.ndarray:
    """``out`` when results can be written into it directly; TypeError or ValueError otherwise."""
    if not isinstance(out, np.ndarray) or out.dtype != np.float32 or not out.dtype.isnative:
        got = out.dtype if isinstance(out, np.ndarray) else type(out).__name__
        raise TypeError(f"out must be a NumPy array of float32, got {got}")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {out.shape}")
    if not (out.flags.c_contiguous and out.flags.aligned and out.flags.writeable):
        raise ValueError("out must be C-contiguous, aligned and writeable")
    if any(np.may_share_memory(out, x) for x in inputs):
        raise ValueError("out must not share memory with the input")
    return out
