"""Weights of a network: a dict of names and arrays, from and to .npz and .safetensors files.

``net.load_state_dict(cyconv.load_state_dict(path))`` fills a network, ``cyconv.save_state_dict(path, net.state_dict())`` writes one.
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

from cyconv.io.npz import read_npz, write_npz
from cyconv.io.safetensors import read_safetensors

_PICKLED = (".pth", ".pt", ".bin", ".pkl", ".pickle", ".ckpt")
_CONVERT = """it is a pickle, and reading a pickle can run any code, so cyconv does not. Convert it once where PyTorch is installed:
    import numpy, torch
    state = torch.load({name!r}, map_location="cpu", weights_only=True)
    numpy.savez({npz!r}, **{{key: value.numpy() for key, value in state.items()}})"""


class WeightsError(ValueError):
    """A weights file that cannot be read or written; the message names the file and what is wrong with it."""


def load_state_dict(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the arrays of a weights file.

    Parameters
    ----------
    path : str or path
        A ``.safetensors`` file, or an ``.npz`` file as ``numpy.savez`` and :func:`save_state_dict` write it.

    Returns
    -------
    dict of str to ndarray
        By name, in the order of the file's data, read-only and C-contiguous: floating-point arrays (float16, bfloat16, float32,
        float64) as float32, integers and bools as int64.

    Raises
    ------
    WeightsError
        When the file is missing, damaged, hostile or of another kind. Python pickles (``.pth``, ``.pt``, ``.bin``,
        ``.pkl``) are refused with three lines that convert them; ``examples/convert_pth.py`` also takes checkpoints apart.

    Notes
    -----
    The float32 arrays of a ``.safetensors`` file are views of the mapped file: nothing is copied, a network that loads them
    keeps the views, and all processes that do so share one copy in memory. Such a file must not be changed in place, or cut
    short, while it is in use; a new file may take its name, as :func:`save_state_dict` does it.
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


def save_state_dict(path: str | os.PathLike, state_dict: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a weights file that :func:`load_state_dict` and NumPy, or safetensors, can read.

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
        try:
            from safetensors.numpy import save
        except ImportError as error:
            raise WeightsError(f"{path}: writing .safetensors needs the package safetensors: pip install cyconv[safetensors]") from error
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with aside.open("xb") as file:
            if path.suffix == ".npz":
                write_npz(file, arrays)
            else:
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
        return read_safetensors
    if suffix in _PICKLED:
        raise WeightsError(f"{path}: " + _CONVERT.format(name=path.name, npz=path.with_suffix(".npz").name))
    raise WeightsError(f"{path}: expected a name that ends in .npz or .safetensors")


def _as_loaded(name: str, array: np.ndarray) -> np.ndarray:
    """``array`` in the dtypes that :func:`load_state_dict` promises, read-only, aligned, native, in C order; a copy only if need be."""
    if array.dtype.kind == "u" and array.dtype.itemsize == 8 and array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name!r}: it holds integers beyond int64")
    with np.errstate(over="raise"):
        try:
            loaded = np.require(array, np.float32 if array.dtype.kind == "f" else np.int64, ("C", "A"))
        except FloatingPointError:
            raise ValueError(f"{name!r}: it holds numbers beyond the range of float32") from None
    loaded.flags.writeable = False
    return loaded


def _reason(error: BaseException) -> str:
    """What went wrong, in words, without the path that an OSError repeats."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
