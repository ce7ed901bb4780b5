"""Arrays from an .npz file that nobody vouches for, and arrays into one.

NumPy's own reader allocates what a header declares before it looks at the data, and unpacks without a limit. This
one knows every size before it allocates, reads no more than was declared, and never unpickles. An .npz file is a zip
archive with one .npy member an array. Called by :mod:`cyconv.io.weights`, which turns each failure into a WeightsError.
"""

from __future__ import annotations

import ast
import math
import os
import struct
import zipfile
from collections.abc import Mapping
from typing import IO

import numpy as np

MAX_MEMBERS = 10_000
MAX_TOTAL_BYTES = 8 * 2**30  # unpacked, over all members; the largest published CNN weights are below 4 GiB
MAX_HEADER_BYTES = 10_000  # of a .npy header; real ones have about 120
MAX_NDIM = 32
# Deflate reaches 1032:1 on zeros and about 1.1:1 on trained weights. Small files may pack as well as they like.
MAX_RATIO = 100
RATIO_FREE_BYTES = 2**26

_MAGIC = b"\x93NUMPY"
_ENCRYPTED = 0x1  # general purpose bit 0 of a zip member
_DTYPES = frozenset(
    {"<f2", "<f4", "<f8", ">f2", ">f4", ">f8", "|b1", "|i1", "|u1"} | {f"{e}{k}{n}" for e in "<>" for k in "iu" for n in (2, 4, 8)}
)
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the zip format's first date: the same arrays give the same file on any day


def read_npz(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; ValueError, or what zipfile and zlib raise, when the file is damaged or hostile."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _check_members(members, os.path.getsize(path))
        arrays = {}
        for member in members:
            with archive.open(member) as stream:
                try:
                    arrays[member.filename.removesuffix(".npy")] = _read_array(stream, member.file_size)
                except ValueError as error:
                    raise ValueError(f"{member.filename!r}: {error}") from error
        return arrays


def write_npz(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``arrays`` uncompressed; the bytes depend on nothing but names and arrays."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EARLIEST), "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def _check_members(members: list[zipfile.ZipInfo], archive_bytes: int) -> None:
    """Refuse an archive by its table of contents alone."""
    if len(members) > MAX_MEMBERS:
        raise ValueError(f"it holds {len(members)} members, at most {MAX_MEMBERS} are read")
    names = set()
    for member in members:
        name = member.filename
        if not name.endswith(".npy") or name == ".npy":
            raise ValueError(f"member {name!r} is not an array (.npy)")
        if name in names:
            raise ValueError(f"member {name!r} stands in it twice")
        names.add(name)
        if member.flag_bits & _ENCRYPTED:
            raise ValueError(f"member {name!r} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"member {name!r} is compressed by method {member.compress_type}; only stored and deflated members are read")
    total = sum(member.file_size for member in members)
    if total > MAX_TOTAL_BYTES:
        raise ValueError(f"it unpacks to {total} bytes, at most {MAX_TOTAL_BYTES} are read")
    if total > RATIO_FREE_BYTES + MAX_RATIO * archive_bytes:
        raise ValueError(f"it claims to unpack from {archive_bytes} to {total} bytes")
    if sum(member.compress_size for member in members) > archive_bytes:
        raise ValueError("its members overlap: together they are longer than the file")


def _read_array(stream: IO[bytes], size: int) -> np.ndarray:
    """The array of a .npy stream that is ``size`` bytes long, as its table of contents says."""
    dtype, fortran, shape, header_bytes = _read_header(stream)
    data_bytes = math.prod(shape) * dtype.itemsize
    if data_bytes != size - header_bytes:
        raise ValueError(f"shape {shape} of {dtype} needs {data_bytes} bytes of data, but {size - header_bytes} follow the header")
    data = stream.read(data_bytes)
    if len(data) != data_bytes:
        raise ValueError(f"its data ends after {len(data)} of {data_bytes} bytes")
    if stream.read(1):  # at the end zipfile compares the checksum
        raise ValueError("its data is longer than declared")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _read_header(stream: IO[bytes]) -> tuple[np.dtype, bool, tuple[int, ...], int]:
    """``(dtype, fortran_order, shape, bytes read)`` of a .npy stream, checked before anything is allocated."""
    start = _read_exactly(stream, 8)
    if start[:6] != _MAGIC or start[6] not in (1, 2, 3):
        raise ValueError("it does not begin as a .npy file of version 1, 2 or 3")
    length_bytes = 2 if start[6] == 1 else 4
    (length,) = struct.unpack("<H" if start[6] == 1 else "<I", _read_exactly(stream, length_bytes))
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"its header has {length} bytes, at most {MAX_HEADER_BYTES} are read")
    text = _read_exactly(stream, length).decode("latin-1" if start[6] < 3 else "utf-8")
    try:
        header = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"its header is not a Python literal: {text[:80]!r}") from error
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise ValueError(f"its header should have exactly the keys descr, fortran_order and shape: {text[:80]!r}")
    descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    if not isinstance(descr, str) or descr not in _DTYPES:
        raise ValueError(f"its dtype {descr!r} is not a plain float, integer or bool")
    if not isinstance(fortran, bool):
        raise ValueError(f"its fortran_order should be a bool, got {fortran!r}")
    if not isinstance(shape, tuple) or len(shape) > MAX_NDIM or any(type(d) is not int or not 0 <= d < 2**31 for d in shape):
        raise ValueError(f"its shape is not a tuple of at most {MAX_NDIM} integers in 0..2**31: {str(shape)[:80]}")
    return np.dtype(descr), fortran, shape, 8 + length_bytes + length


def _read_exactly(stream: IO[bytes], count: int) -> bytes:
    """``count`` bytes; ValueError when the stream ends before."""
    data = stream.read(count)
    if len(data) != count:
        raise ValueError("it ends within its header")
    return data
