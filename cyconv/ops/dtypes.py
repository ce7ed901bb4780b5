"""The dtypes of the graph, and the rules by which those of an op's outputs follow from those of its inputs.

A rule is ``rule(op, input_dtypes, attrs)``: it gives the dtypes of the outputs (the last one stands for all further ones) or raises
TypeError, naming what the op takes and what came. Tracing asks it; the ops of :mod:`cyconv.ops` name theirs where they register.
"""

from __future__ import annotations

from collections.abc import Callable

FLOAT32, INT32, INT64, BOOL = "float32", "int32", "int64", "bool"
INTEGERS = (INT32, INT64)
NUMBERS = (FLOAT32, *INTEGERS)
ANY = (*NUMBERS, BOOL)

DtypeRule = Callable[[str, list[str], dict], list[str]]


def words(dtype: str) -> int:
    """How many units of four bytes one element takes inside a plan: two for int64, else one; a bool is an int32 of 0 or 1 there."""
    return 2 if dtype == INT64 else 1


def in_words(allowed: tuple[str, ...]) -> str:
    """ "float32", "float32 or int64" and so on."""
    return " or ".join(filter(None, [", ".join(allowed[:-1]), allowed[-1]]))


def expect(op: str, dtype: str, allowed: tuple[str, ...], what: str = "") -> None:
    """Raise TypeError unless ``dtype`` is one of ``allowed``; ``what`` names the input."""
    if dtype not in allowed:
        raise TypeError(f"{op} takes {what}{in_words(allowed)}, got {dtype}")


def expect_one_dtype(op: str, dtypes: list[str]) -> None:
    """Raise TypeError unless all inputs have the dtype of the first."""
    for dtype in dtypes:
        if dtype != dtypes[0]:
            raise TypeError(f"{op} takes arrays of one dtype, got {' and '.join(dtypes)}; convert one of them")


def floats_to(*outputs: str) -> DtypeRule:
    """float32 in; out come ``outputs``."""

    def rule(op: str, dtypes: list[str], attrs: dict) -> list[str]:
        for dtype in dtypes:
            expect(op, dtype, (FLOAT32,))
        return list(outputs)

    return rule


def alike(allowed: tuple[str, ...], *outputs: str) -> DtypeRule:
    """All inputs of one dtype among ``allowed``; out comes the same, or ``outputs``, in which "" stands for the same."""

    def rule(op: str, dtypes: list[str], attrs: dict) -> list[str]:
        for dtype in dtypes:
            expect(op, dtype, allowed)
        expect_one_dtype(op, dtypes)
        return [o or dtypes[0] for o in outputs or ("",)]

    return rule


FLOATS = floats_to(FLOAT32)
ALIKE = alike(ANY)
NUMBERS_ALIKE = alike(NUMBERS)
