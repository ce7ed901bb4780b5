"""Damage to files: bytes anywhere, and the fields of each format, with values that are wrong, huge or hostile.

``mutant(kind, number, seeds)`` is the same file for the same arguments, so a finding is repeated by its number.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable

import numpy as np

from tests.fuzz.mutate_onnx import edit_model

EDGES = [0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
NUMBERS = [
    "0",
    "1",
    "-1",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "1099511627776",
    "9223372036854775807",
    "1e999",
    "true",
    "null",
]
HOSTILE_NAMES = ["../../etc/passwd", "/etc/passwd", "a\x00b", "", "x" * 5000, "\ud800", "__proto__", "file"]

Rng = np.random.Generator


def pick(rng: Rng, choices):
    return choices[int(rng.integers(len(choices)))]


# Bytes


def flip_bits(data: bytearray, rng: Rng, seeds: list[bytes]) -> None:
    for at in rng.integers(0, len(data), rng.geometric(0.5)):
        data[at] ^= 1 << int(rng.integers(8))


def set_bytes(data: bytearray, rng: Rng, seeds: list[bytes]) -> None:
    for at in rng.integers(0, len(data), rng.geometric(0.5)):
        data[at] = pick(rng, [0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))])


def set_number(data: bytearray, rng: Rng, seeds: list[bytes]) -> None:
    size = pick(rng, [2, 4, 8])
    at = int(rng.integers(len(data)))
    number = (pick(rng, EDGES) % (1 << 8 * size)).to_bytes(size, pick(rng, ["little", "big"]))
    data[at : at + size] = number[: len(data) - at]


def truncate(data: bytearray, rng: Rng, seeds: list[bytes]) -> None:
    del data[int(rng.integers(len(data))) :]


def remove(data: bytearray, rng: Rng, seeds: list[bytes]) -> None:
    at = int(rng.integers(len(data)))
    del data[at : at + int(rng.integers(1, 64))]


def repeat(data: bytearray, rng: Rng, seeds: list[bytes]) -> None:
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 200))
    data[at:at] = data[at : at + size] * int(pick(rng, [1, 2, 50]))


def insert(data: bytearray, rng: Rng, seeds: list[bytes]) -> None:
    at = int(rng.integers(len(data)))
    data[at:at] = rng.bytes(int(rng.integers(1, 64)))


def splice(data: bytearray, rng: Rng, seeds: list[bytes]) -> None:
    """A part of another file in the place of a part of this one."""
    other = pick(rng, seeds)
    start, size = int(rng.integers(len(other))), int(rng.integers(1, 400))
    at = int(rng.integers(len(data)))
    data[at : at + int(rng.integers(0, size + 1))] = other[start : start + size]


BYTES: list[Callable] = [flip_bits, set_bytes, set_number, truncate, remove, repeat, insert, splice]


def damage_bytes(data: bytes, rng: Rng, seeds: list[bytes]) -> bytes:
    """A few damages, one after the other."""
    damaged = bytearray(data)
    for _ in range(int(rng.geometric(0.6))):
        if not damaged:
            break
        pick(rng, BYTES)(damaged, rng, seeds)
    return bytes(damaged)


# Fields of weights


def edit_npz(data: bytes, rng: Rng) -> bytes:
    """An archive whose members have other headers, names, lengths or contents, and whose checksums are right."""
    members = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            members.append((info.filename, archive.read(info)))
    method = pick(rng, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED] * 8 + [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, stream in members:
            if rng.random() < 0.2:
                stream = pick(rng, [edit_npy] * 4 + [edit_numbers] * 4 + [bomb])(stream, rng)
            if rng.random() < 0.1:
                name = pick(rng, [n for n in HOSTILE_NAMES if n != "\ud800"]) + pick(rng, [".npy", ""])
            archive.writestr(zipfile.ZipInfo(name), stream, method)
    return out.getvalue()


def edit_npy(stream: bytes, rng: Rng) -> bytes:
    """A .npy file with another shape, dtype, order or length of its header."""
    header = re.search(rb"\{.*\}", stream)
    if header is None:
        return stream
    text = header[0].decode("latin-1")
    numbers = [n for n in NUMBERS if n not in ("true", "null")]
    edits = [
        lambda: re.sub(r"'shape': \([^)]*\)", f"'shape': ({pick(rng, numbers)}, {pick(rng, numbers)})", text),
        lambda: re.sub(r"\d+", lambda m: pick(rng, numbers), text, count=1),
        lambda: text.replace("<f4", pick(rng, ["|O", "<f8", ">f4", "<c8", "<U9", "|V4", "<f16", "<M8[s]", "|S4"])),
        lambda: text.replace("False", pick(rng, ["True", "1", "None", "[]"])),
        lambda: text.replace("}", ", 'more': 1}"),
        lambda: "(" * 2000,
        lambda: "__import__('os').system('false')",
    ]
    changed = pick(rng, edits)().encode("latin-1").ljust(len(header[0]))
    if rng.random() < 0.3:
        return stream[:6] + b"\x02\x00" + pick(rng, EDGES[:13]).to_bytes(8, "little")[:4] + changed + stream[header.end() :]
    return stream[: header.start()] + changed + stream[header.end() :]


def edit_numbers(stream: bytes, rng: Rng) -> bytes:
    """A .npy file with other numbers: NaN, infinity, denormals, anything."""
    return stream[:128] + rng.bytes(len(stream) - 128)


def bomb(stream: bytes, rng: Rng) -> bytes:
    """An array of 80 MB of zeros, which deflate packs into 80 kB."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (20000000,), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00\x76\x00" + header + bytes(80_000_000)


def edit_safetensors(data: bytes, rng: Rng) -> bytes:
    """A file with another header, of the right length or not, or with other numbers."""
    length = int.from_bytes(data[:8], "little")
    text, numbers = data[8 : 8 + length].decode(), data[8 + length :]
    for _ in range(int(rng.geometric(0.7))):
        text = pick(rng, HEADER_EDITS)(text, rng)
    if rng.random() < 0.3:
        numbers = rng.bytes(len(numbers))
    head = text.encode("utf-8", "surrogatepass")
    size = pick(rng, [len(head)] * 100 + EDGES) % (1 << 64)
    return size.to_bytes(8, "little") + head + numbers


def rename(text: str, rng: Rng) -> str:
    new = pick(rng, [*HOSTILE_NAMES, "other"])
    return re.sub(r'"[a-z0-9.]+":\{', lambda m: json.dumps(new) + ":{", text, count=int(rng.integers(1, 3)))


def retype(text: str, rng: Rng) -> str:
    new = pick(rng, ['"F64"', '"I64"', '"I32"', '"F32"', '"BF16"', '"F16"', '"I8"', '"BOOL"', '"F8_E5M2"', '"X"', "4"])
    return re.sub(r'"(F|I|BF|U|BOOL)\d*"', lambda m: new, text, count=int(rng.integers(1, 4)))


def renumber(text: str, rng: Rng) -> str:
    return re.sub(r"\d+", lambda m: pick(rng, [*NUMBERS, "1e999", "true", "null"]), text, count=int(rng.integers(1, 9)))


HEADER_EDITS: list[Callable[[str, Rng], str]] = [
    rename,
    rename,
    retype,
    retype,
    renumber,
    lambda text, rng: text + " " * int(rng.integers(1, 9)),
    lambda text, rng: text.replace(",", " ,\n"),
    lambda text, rng: text.replace("{", '{"__metadata__":{"a":"b"},', 1),
    lambda text, rng: text.replace("{", pick(rng, ["{{", "[", '{"a":{},', '{"__metadata__":7,'])),
    lambda text, rng: text[: len(text) // 2] + text[len(text) // 3 :],
    lambda text, rng: "[" * 100_000,
    lambda text, rng: text.replace("]", ",0]" * int(pick(rng, [1, 40])), 1),
    lambda text, rng: re.sub(r"\[([^][]*)\],\"d", lambda m: "[1," + m[1] + '],"d', text),
]


FIELDS: dict[str, Callable[[bytes, Rng], bytes]] = {
    "npz": edit_npz,
    "safetensors": edit_safetensors,
    "onnx": edit_model,
    "nodes": edit_model,
}


def mutant(kind: str, number: int, seeds: list[bytes]) -> bytes:
    """Mutant ``number`` of the files of one kind: damaged in its bytes, its fields or both."""
    rng = np.random.default_rng([list(FIELDS).index(kind), number])
    data = pick(rng, seeds)
    way = number % 6
    if way != 0:
        data = FIELDS[kind](data, rng)
    if way in (0, 5):
        data = damage_bytes(data, rng, seeds)
    return data
