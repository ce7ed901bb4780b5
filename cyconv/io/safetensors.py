"""Arrays from a .safetensors file that nobody vouches for, mapped into memory instead of read.

The file is a number N (8 bytes, little-endian), N bytes of JSON that say of each tensor its dtype, shape and place, and the
tensors one after the other (https://github.com/huggingface/safetensors, "Format"). Here because the safetensors package copies
what it gives to NumPy, and takes the last of two tensors with one name. Processes that read one file share its pages.
Called by :mod:`cyconv.io.weights`, which turns each failure into a WeightsError.
"""

from __future__ import annotations

import json
import math
import os
from mmap import ACCESS_READ, mmap
from typing import IO

import numpy as np

from cyconv.io.npz import MAX_MEMBERS, MAX_NDIM, MAX_TOTAL_BYTES

MAX_HEADER_BYTES = 2**22  # about 100 are used for each tensor

_METADATA = "__metadata__"
_FIELDS = {"dtype", "shape", "data_offsets"}
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # the upper half of a float32; NumPy has no such dtype
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}


def read_safetensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of a .safetensors file by name, in the order of their data; ValueError when the file is damaged or hostile.

    They are read-only views of the mapped file, but for bfloat16, which comes as float32.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_TOTAL_BYTES:
            raise ValueError(f"it has {size} bytes, at most {MAX_TOTAL_BYTES} are read")
        header, start = _read_header(file, size)
        places = _places(header, size - start)
        mapped = mmap(file.fileno(), size, access=ACCESS_READ)
    return {name: _view(mapped, start + begin, dtype, shape) for name, dtype, shape, begin in places}


def _read_header(file: IO[bytes], size: int) -> tuple[dict, int]:
    """``(header, where the data begin)``."""
    if size < 8:
        raise ValueError("it ends within the length of its header")
    length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"its header has {length} bytes, at most {MAX_HEADER_BYTES} are read")
    text = file.read(length)
    if len(text) != length:
        raise ValueError(f"its header ends after {len(text)} of {length} bytes")
    if not text.startswith(b"{"):
        raise ValueError("its header does not begin with {")
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("its header is nested too deeply") from None
    return header, 8 + length


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict:
    """The object of these keys and values; ValueError when a key stands twice, of which readers take different ones, or is no text."""
    found = dict(pairs)
    "".join(found).encode()  # JSON can write half a character, which could not even be printed
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice[:80]!r} stands in its header twice")
    return found


def _refuse_constant(text: str):
    raise ValueError(f"its header holds {text}, which is no JSON")


def _places(header: dict, data_bytes: int) -> list[tuple[str, str, tuple[int, ...], int]]:
    """``(name, dtype, shape, first byte)`` of each tensor, in the order of the data, which they fill without gap or overlap."""
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError(f"its {_METADATA} is not an object of strings")
    if len(header) > MAX_MEMBERS:
        raise ValueError(f"it holds {len(header)} tensors, at most {MAX_MEMBERS} are read")
    tensors = sorted(((_tensor(name, fields), name) for name, fields in header.items()), key=lambda found: found[0][2:])
    places, at = [], 0
    for (dtype, shape, begin, end), name in tensors:
        if begin != at:
            raise ValueError(f"{name!r} begins at byte {begin} of the data, but the tensor before it ends at {at}")
        places.append((name, dtype, shape, begin))
        at = end
    if at != data_bytes:
        raise ValueError(f"its tensors end at byte {at} of the data, of which there are {data_bytes}")
    return places


def _tensor(name: str, fields) -> tuple[str, tuple[int, ...], int, int]:
    """``(dtype, shape, first byte, byte after the last)`` of one entry of the header, which agree with each other."""
    if not isinstance(fields, dict) or set(fields) != _FIELDS:
        raise ValueError(f"{name[:80]!r} should have exactly the fields dtype, shape and data_offsets")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError(f"{name[:80]!r}: dtype {str(dtype)[:20]} is not read")
    if not _whole_numbers(shape) or len(shape) > MAX_NDIM:
        raise ValueError(f"{name[:80]!r}: its shape is not a list of at most {MAX_NDIM} whole numbers: {str(shape)[:80]}")
    if not _whole_numbers(offsets) or len(offsets) != 2 or offsets[1] > MAX_TOTAL_BYTES:
        raise ValueError(f"{name[:80]!r}: its data_offsets are not two whole numbers up to {MAX_TOTAL_BYTES}: {str(offsets)[:80]}")
    needed = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
    if offsets[1] - offsets[0] != needed:
        raise ValueError(f"{name[:80]!r}: shape {shape} of {dtype} needs {needed} bytes, but its data_offsets are {offsets}")
    return dtype, tuple(shape), offsets[0], offsets[1]


def _whole_numbers(value) -> bool:
    """Whether ``value`` is a list of ints that are not negative; the product of 32 of them has few digits."""
    return isinstance(value, list) and all(type(number) is int and 0 <= number < 2**63 for number in value)


def _view(mapped: mmap, start: int, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor of the mapped file; an empty one has no place in it."""
    stored = np.dtype(_DTYPES[dtype])
    count = math.prod(shape)
    array = np.frombuffer(mapped, stored, count, start) if count else np.frombuffer(b"", stored)
    if dtype == "BF16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.reshape(shape)
