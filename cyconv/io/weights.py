"""Weights of a network: a dict of names and arrays, from and to .npz and .safetensors files.

``net.load_state_dict(load_weights(path))`` fills a network, ``save_weights(path, net.state_dict())`` writes one.
Files are not trusted: nothing is unpickled, and sizes are checked before memory is taken. Layer of the house: io;
called by users and the command line.
"""

from __future__ import annotations

import os
import secrets
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cyconv.io.npz import MAX_TOTAL_BYTES, read_npz, write_npz

_PICKLED = (".pth", ".pt", ".bin", ".pkl", ".pickle", ".ckpt")
_CONVERT = """it is a pickle, and reading a pickle can run any code, so cyconv does not. Convert it once where PyTorch is installed:
    import numpy, torch
    state = torch.load({name!r}, map_location="cpu", weights_only=True)
    numpy.savez({npz!r}, **{{key: value.numpy() for key, value in state.items()}})"""
_SAFETENSORS_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}


class WeightsError(ValueError):
    """A weights file that cannot be read or written; the message names the file and what is wrong with it."""


def load_weights(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the arrays of a weights file.

    Parameters
    ----------
    path : str or path
        A ``.npz`` file, as ``numpy.savez`` and :func:`save_weights` write it, or a ``.safetensors`` file, which needs
        ``pip install cyconv[safetensors]``.

    Returns
    -------
    dict of str to ndarray
        By name, in the file's order, C-contiguous: floating-point arrays (float16, bfloat16, float32, float64) as
        float32, integers and bools as int64.

    Raises
    ------
    WeightsError
        When the file is missing, damaged, hostile or of another kind. Python pickles (``.pth``, ``.pt``, ``.bin``,
        ``.pkl``) are refused with three lines that convert them.
    """
    path = Path(path)
    reader = _reader(path)
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not a regular file")
        return {name: _as_loaded(name, array) for name, array in reader(path).items()}
    except MemoryError:
        raise WeightsError(f"{path}: there is not enough memory to read it") from None
    # RuntimeError and NotImplementedError: zipfile, of passwords and of features it does not have.
    except (ValueError, OSError, EOFError, RuntimeError, NotImplementedError, OverflowError, zipfile.BadZipFile, zlib.error) as error:
        raise WeightsError(f"{path}: {_reason(error)}") from error


def save_weights(path: str | os.PathLike, state_dict: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a weights file that :func:`load_weights` and NumPy, or safetensors, can read.

    The file is written aside and renamed, so at no time does ``path`` hold half a file. The same arrays give the same bytes.

    Parameters
    ----------
    path : str or path
        Ends in ``.npz`` or ``.safetensors``, which decides the format.
    state_dict : mapping of str to ndarray
        float32 arrays (and int64 ones, such as a counter of batches).

    Raises
    ------
    WeightsError
        When the name's ending is unknown, an array has another dtype, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".npz", ".safetensors"):
        raise WeightsError(f"{path}: expected a name that ends in .npz or .safetensors")
    arrays = {}
    for name, value in state_dict.items():
        if not isinstance(name, str) or not name:
            raise WeightsError(f"{path}: names of arrays must be strings with at least one character, got {name!r}")
        array = np.asarray(value)
        if array.dtype.newbyteorder("=") not in (np.float32, np.int64):
            raise WeightsError(f"{path}: {name!r} must be float32 or int64, got {array.dtype}; convert it with .astype(np.float32)")
        # Not ascontiguousarray, which would turn a scalar into a vector of one.
        arrays[name] = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    try:
        _replace_file(path, arrays)
    except OSError as error:
        raise WeightsError(f"{path}: {_reason(error)}") from error


def _replace_file(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write beside ``path``, then rename; on failure nothing is left behind."""
    if path.suffix == ".safetensors":
        _import_safetensors(path)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with aside.open("xb") as file:
            if path.suffix == ".npz":
                write_npz(file, arrays)
            else:
                from safetensors.numpy import save

                file.write(save(arrays))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _reader(path: Path):
    """The function that reads files of this name's ending."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return read_npz
    if suffix == ".safetensors":
        return _read_safetensors
    if suffix in _PICKLED:
        raise WeightsError(f"{path}: " + _CONVERT.format(name=path.name, npz=path.with_suffix(".npz").name))
    raise WeightsError(f"{path}: expected a name that ends in .npz or .safetensors")


def _import_safetensors(path: Path):
    try:
        import safetensors
    except ImportError as error:
        raise WeightsError(
            f"{path}: reading and writing .safetensors needs the package safetensors: pip install cyconv[safetensors]"
        ) from error
    return safetensors


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .safetensors file; bfloat16, which NumPy lacks, comes as float32."""
    safetensors = _import_safetensors(path)
    size = path.stat().st_size
    if size > MAX_TOTAL_BYTES:
        raise ValueError(f"it has {size} bytes, at most {MAX_TOTAL_BYTES} are read")
    try:
        tensors = safetensors.deserialize(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise ValueError(f"it is not a sound safetensors file: {error}") from error
    return {name: _from_safetensors(name, tensor) for name, tensor in tensors}


def _from_safetensors(name: str, tensor: dict) -> np.ndarray:
    """One tensor of ``safetensors.deserialize`` as an array."""
    if tensor["dtype"] == "BF16":  # the upper half of a float32
        return (np.frombuffer(tensor["data"], "<u2").astype(np.uint32) << 16).view(np.float32).reshape(tensor["shape"])
    if tensor["dtype"] not in _SAFETENSORS_DTYPES:
        raise ValueError(f"{name!r}: dtype {tensor['dtype']} is not read")
    return np.frombuffer(tensor["data"], _SAFETENSORS_DTYPES[tensor["dtype"]]).reshape(tensor["shape"])


def _as_loaded(name: str, array: np.ndarray) -> np.ndarray:
    """``array`` in the dtypes that :func:`load_weights` promises, writable, native and C-contiguous."""
    if array.dtype.kind != "f":
        if array.dtype.kind == "u" and array.dtype.itemsize == 8 and array.size and array.max() > np.iinfo(np.int64).max:
            raise ValueError(f"{name!r}: it holds integers beyond int64")
        return array.astype(np.int64, order="C")
    with np.errstate(over="raise"):
        try:
            return array.astype(np.float32, order="C", copy=not array.flags.writeable)
        except FloatingPointError:
            raise ValueError(f"{name!r}: it holds numbers beyond the range of float32") from None


def _reason(error: BaseException) -> str:
    """What went wrong, in words, without the path that an OSError repeats."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
