"""What the suites measure: something to run, the work it cannot do without, and the answer that it must give.

Data is made once by a suite's setup_cache, which also compares the answers, and kept as .npz files in the directory that asv makes
for it. Everything is deterministic. Used by kernel_cases.py, layer_cases.py and the bench_*.py files.
"""

from __future__ import annotations

import traceback
import zlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from benchmarks.reference import Work

LINE = 64  # bytes of a cache line
Arrays = dict[str, np.ndarray]


class Case(NamedTuple):
    """``run(n)`` does it n times, ``answer()`` gives its result after that."""

    run: Callable[[int], None]
    answer: Callable[[], np.ndarray]
    work: Work


class Kind(NamedTuple):
    """How to make a case's data, ``expected`` and the largest relative L2 ``error`` among it, and how to make a case from the data."""

    data: Callable[[str], Arrays]
    case: Callable[[str, Arrays], Case]


class WrongAnswer(Exception):
    """Something computes wrongly."""


class Unusable(Exception):
    """A case failed when it was prepared, with this traceback."""


def numbers(name: str, part: str, shape: int | tuple[int, ...]) -> np.ndarray:
    """Normally distributed float32, the same for the same names."""
    return np.random.default_rng([zlib.crc32(name.encode()), zlib.crc32(part.encode())]).standard_normal(shape, np.float32)


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy that begins at a cache line, as it would by chance only: where arrays begin would differ from process to process."""
    room = np.empty(array.nbytes + LINE, np.uint8)
    first = -room.ctypes.data % LINE
    copy = room[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def file_of(name: str) -> str:
    """Where the data of a case is kept."""
    return name.replace("/", "__") + ".npz"


def check(name: str, case: Case, data: Arrays) -> None:
    """Run once; WrongAnswer when the relative L2 error is larger than that of the data, or not a number."""
    case.run(1)
    got, expected = case.answer(), data["expected"]
    if got.shape != expected.shape:
        raise WrongAnswer(f"{name}: shape {got.shape}, expected {expected.shape}")
    error = np.linalg.norm((got - expected).ravel()) / np.linalg.norm(expected.ravel())
    if not error <= data["error"]:
        raise WrongAnswer(f"{name}: relative error {error:.1e}, at most {float(data['error']):.1e} is expected")


def prepare(names: Iterable[str], kind_of: Callable[[str], Kind]) -> None:
    """Make the data of all cases, keep it in the current directory, and check the answers.

    What goes wrong with a case is kept in its place, so that asv loses no other one for it.
    """
    for name in names:
        try:
            kind = kind_of(name)
            data = kind.data(name)
            check(name, kind.case(name, data), data)
        except Exception:
            data = {"trouble": np.array(traceback.format_exc())}
        np.savez(file_of(name), allow_pickle=False, **data)


def load(name: str, kind_of: Callable[[str], Kind]) -> Case:
    """A case from the data that :func:`prepare` kept; Unusable, when that said so."""
    with np.load(file_of(name), allow_pickle=False) as file:
        if "trouble" in file:
            raise Unusable(str(file["trouble"]))
        return kind_of(name).case(name, {key: aligned(array) for key, array in file.items()})
