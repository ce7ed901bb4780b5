"""Arrays at the door: what a caller gives is checked, and brought into the form that kernels read."""

from __future__ import annotations

import numpy as np

from cyconv.graph.ir import FLOAT32
from cyconv.ops.dtypes import ANY, in_words

_CPU = 1  # kDLCPU in dlpack.h
_DEVICES = {2: "a CUDA GPU", 3: "pinned memory of CUDA", 8: "a Metal GPU", 10: "a ROCm GPU", 14: "a oneAPI device"}
_NAMES = {np.dtype(name): name for name in ANY}  # str(dtype) takes a microsecond, this a tenth


def as_numpy(array, name: str, dtypes: tuple[str, ...] = (FLOAT32,)) -> np.ndarray:
    """``array`` as a NumPy array, of any dtype; arrays of other libraries are read where they lie, without a copy.

    Parameters
    ----------
    array
        A NumPy array, or what has ``__dlpack__`` (such as a CPU tensor of PyTorch) or ``__array__``.
    name : str
        For the messages.
    dtypes : tuple of str
        What is wanted, for the messages.

    Raises
    ------
    TypeError
        It is none of these, does not lie in the CPU's memory, or its library gives no array that NumPy knows.
    """
    if isinstance(array, np.ndarray):
        return array
    kind = type(array).__name__
    try:
        if hasattr(array, "__dlpack__"):
            device = int(array.__dlpack_device__()[0])
            if device == _CPU:
                return np.from_dlpack(array)
            where = _DEVICES.get(device, f"a device of DLPack's type {device}")
            raise TypeError(f"it lies on {where}; copy it to the CPU first, in PyTorch with .cpu()")
        if hasattr(array, "__array__"):
            return np.asarray(array)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise TypeError(f"{name} ({kind}) cannot be used as an array of {in_words(dtypes)}: {error}") from error
    advice = f"convert it with np.asarray(…, np.{dtypes[0]})"
    raise TypeError(f"{name} must be a NumPy array of {in_words(dtypes)}, got {kind}; {advice}")


def as_array(array, name: str, dtypes: tuple[str, ...] = (FLOAT32,)) -> np.ndarray:
    """``array``, of one of these dtypes, C-contiguous, aligned and native; a copy only when it is not so already.

    Raises
    ------
    TypeError
        As in :func:`as_numpy`, and when the dtype is another one.
    """
    found = as_numpy(array, name, dtypes)
    native = found.dtype if found.dtype.isnative else found.dtype.newbyteorder("=")
    if _NAMES.get(native) not in dtypes:
        how = f".astype(np.{dtypes[0]})" if found is array else f"np.asarray(…, np.{dtypes[0]})"
        raise TypeError(f"{name} must be {in_words(dtypes)}, got {found.dtype}; convert it with {how}")
    flags = found.flags
    if flags.c_contiguous and flags.aligned and found.dtype.isnative:
        return found
    return np.require(found, native, ("C", "A"))


def check_out(out, shape: tuple[int, ...], inputs: list[np.ndarray], dtype: str = FLOAT32) -> np.ndarray:
    """``out`` when results can be written into it directly; TypeError or ValueError otherwise."""
    if not isinstance(out, np.ndarray) or str(out.dtype) != dtype or not out.dtype.isnative:
        got = out.dtype if isinstance(out, np.ndarray) else type(out).__name__
        raise TypeError(f"out must be a NumPy array of {dtype}, got {got}")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {out.shape}")
    if not (out.flags.c_contiguous and out.flags.aligned and out.flags.writeable):
        raise ValueError("out must be C-contiguous, aligned and writeable")
    if any(np.may_share_memory(out, x) for x in inputs):
        raise ValueError("out must not share memory with the input")
    return out
