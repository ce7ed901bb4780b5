"""The frozen reference in Python: compiles reference.c once, and runs as much work as a benchmark does, at the machine's own rate.

Ratios to it are what alerts use. It knows nothing of cyconv; called by benchmarks/ratio.py and bench_reference.py.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("reference.c")
FLAGS = ("-O2", "-std=gnu11", "-fopenmp", "-shared", "-fPIC")
BUFFER_BYTES = 1 << 27  # four times the largest cache seen so far, so that reading it is reading memory


VECTORS = {"amx": "avx512"}  # the reference multiplies on vectors alone


class Work(NamedTuple):
    """What a kernel cannot do without: multiply-adds, and bytes that no cache holds (the weights of a large linear layer)."""

    macs: int = 0
    bytes: int = 0


def method_hash() -> str:
    """SHA-256 of the source and the compiler's flags."""
    return hashlib.sha256(SOURCE.read_bytes() + " ".join(FLAGS).encode()).hexdigest()


def kept() -> Path:
    """Where files are kept that outlive a commit: in asv's environment, or in the user's cache."""
    home = os.environ.get("ASV_ENV_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "cyconv-benchmarks")


def library_path() -> Path:
    """The compiled reference."""
    return kept() / f"reference-{method_hash()[:16]}.so"


@cache
def library() -> ctypes.CDLL:
    """The library, compiled if it is not there yet."""
    path = library_path()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder, path.name)
            subprocess.run(["cc", *FLAGS, str(SOURCE), "-o", str(made)], check=True)
            made.replace(path)  # at once, should two processes compile
    lib = ctypes.CDLL(str(path))
    lib.reference_find.argtypes = [ctypes.c_char_p]
    lib.reference_tile_macs.argtypes, lib.reference_tile_macs.restype = [ctypes.c_int], ctypes.c_ssize_t
    lib.reference_multiply.argtypes = [ctypes.c_int, ctypes.c_ssize_t, ctypes.c_int]
    lib.reference_read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int]
    lib.reference_read.restype = ctypes.c_float
    return lib


class Reference:
    """The reference on one instruction set and a number of threads."""

    def __init__(self, isa: str, threads: int):
        self._lib = library()
        self._which = self._lib.reference_find(VECTORS.get(isa, isa).encode())
        if self._which < 0:
            raise ValueError(f"the reference has no kernel for {isa!r}")
        self._threads = threads
        self._tile_macs = self._lib.reference_tile_macs(self._which)
        self._buffer = b""
        self._address = 0

    def run(self, work: Work, times: int = 1) -> None:
        """Do ``work`` so many times, in whole tiles of multiply-adds."""
        if work.macs:
            self._lib.reference_multiply(self._which, max(1, round(times * work.macs / self._tile_macs)), self._threads)
        for _ in range(times if work.bytes else 0):
            self._read(work.bytes)

    def _read(self, count: int) -> None:
        if not self._buffer:
            self._buffer = b"\x01" * BUFFER_BYTES
            self._address = ctypes.cast(self._buffer, ctypes.c_void_p).value or 0
            self._next = 0
        while count > 0:
            part = min(count, BUFFER_BYTES - self._next)
            self._lib.reference_read(self._which, self._address + self._next, part, self._threads)
            self._next = (self._next + part) % BUFFER_BYTES
            count -= part
