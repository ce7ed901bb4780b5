"""A look at the bytes of a protobuf message before the library that reads it takes memory for them.

The library makes an object of about a hundred bytes for every message, also for one that takes two bytes in the file, so a
small file can ask for very much memory. Here its messages are counted, without making any. Called by reading.py.
"""

from __future__ import annotations

from typing import Any

# The graph of a large network has some thousand nodes of about thirty fields each. So many take 0.1 GB and half a second here.
MAX_FIELDS = 500_000
MAX_DEPTH = 64  # of messages in messages; a model without functions and branches needs ten

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


def check_wire(data: bytes, descriptor: Any) -> None:
    """Walk through the messages and strings of ``data``, which holds a message of the type of ``descriptor``.

    Raises
    ------
    ValueError
        When a field ends behind its message, a string is not UTF-8, or there are more fields or deeper messages than any model has.
    """
    left = MAX_FIELDS
    open_messages = [(0, len(data), descriptor, 0)]
    while open_messages:
        at, end, message, depth = open_messages.pop()
        fields = message.fields_by_number
        while at < end:
            key, at = read_varint(data, at, end)
            kind = key & 7
            left -= 1
            if left < 0:
                raise ValueError(f"it has more than {MAX_FIELDS} fields")
            if kind == VARINT:
                _, at = read_varint(data, at, end)
            elif kind in (FIXED64, FIXED32):
                at += 8 if kind == FIXED64 else 4
            elif kind == LENGTH:
                size, at = read_varint(data, at, end)
                field = fields.get(key >> 3)
                if field is not None and field.message_type is not None:
                    if depth == MAX_DEPTH:
                        raise ValueError(f"its messages are nested more than {MAX_DEPTH} deep")
                    open_messages.append((at, min(at + size, end), field.message_type, depth + 1))
                elif field is not None and field.type == field.TYPE_STRING:
                    data[at : min(at + size, end)].decode()  # the library would give bytes instead of a name
                at += size
            else:
                raise ValueError(f"it has a field of wire type {kind}")
            if at > end:
                raise ValueError("a field ends behind the message that holds it")


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number of at most 64 bits that begins at ``at``, and where the next field begins."""
    number = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
    raise ValueError("a number is cut off or too long")
