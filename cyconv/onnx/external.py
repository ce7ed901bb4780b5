"""Tensors that a model keeps in a file beside it.

Only a plain file in the model's own folder is read: no path, no link, nothing that ends behind the file. Called by reading.py.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

_KEYS = {"location", "offset", "length", "checksum", "basepath"}


def read_external(entries: Any, folder: Path | None, expected: int) -> bytes:
    """The bytes of a tensor.

    Parameters
    ----------
    entries : the ``external_data`` of a TensorProto
    folder : Path or None
        Where the model lies; None when it came as bytes.
    expected : int
        Bytes that the tensor's shape asks for.

    Raises
    ------
    ValueError
        When the entries are not sound, the file is not a plain file in ``folder``, or it is too short.
    """
    found = {entry.key: entry.value for entry in entries}
    if len(found) != len(entries) or not found.keys() <= _KEYS or "location" not in found:
        raise ValueError(f"its external data has the entries {sorted(entry.key for entry in entries)}")
    if folder is None:
        raise ValueError("it lies in another file, which a model that is given as bytes does not have")
    offset = _whole_number(found.get("offset", "0"), "offset")
    length = _whole_number(found.get("length", str(expected)), "length")
    if length != expected:
        raise ValueError(f"its external data has {length} bytes, its shape asks for {expected}")
    name = found["location"].removeprefix("./")
    if not name or name in (".", "..") or "\0" in name or "/" in name or "\\" in name:
        raise ValueError(f"its external data must lie in the model's own folder, got the path {found['location']!r}")
    return _read_part(folder / name, offset, length)


def _whole_number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError(f"its external data has the {what} {text!r}")
    return int(text)


def _read_part(path: Path, offset: int, length: int) -> bytes:
    """``length`` bytes of a plain file from ``offset`` on; what is checked is the open file, so nobody can swap it in between."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ValueError(f"its external data {path.name!r} cannot be opened: {error.strerror}") from None
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise ValueError(f"its external data {path.name!r} is a link or no plain file")
        if offset + length > status.st_size:
            raise ValueError(f"its external data ends at byte {offset + length} of {path.name!r}, which has {status.st_size}")
        file.seek(offset)
        data = file.read(length)
    if len(data) != length:
        raise ValueError(f"its external data {path.name!r} has become shorter while it was read")
    return data
