"""Dtypes: sizes inside a plan, the rules, and their messages."""

import pytest

from cyconv.ops import OPS
from cyconv.ops.dtypes import ANY, BOOL, FLOAT32, INT32, INT64, alike, floats_to, in_words, words


def test_words():
    assert [words(d) for d in (FLOAT32, INT32, INT64, BOOL)] == [1, 1, 2, 1]
    assert [in_words(ANY[:n]) for n in (1, 2, 4)] == ["float32", "float32 or int32", "float32, int32, int64 or bool"]


def test_rules():
    assert floats_to(FLOAT32, INT64)("op", [FLOAT32] * 2, {}) == [FLOAT32, INT64]
    assert alike(ANY)("op", [INT32, INT32], {}) == [INT32]
    assert alike(ANY, "", INT64)("op", [BOOL], {}) == [BOOL, INT64]
    with pytest.raises(TypeError, match="op takes float32, got int64"):
        floats_to(FLOAT32)("op", [FLOAT32, INT64], {})
    with pytest.raises(TypeError, match="op takes arrays of one dtype, got int32 and int64; convert one of them"):
        alike(ANY)("op", [INT32, INT64], {})
    with pytest.raises(TypeError, match="op takes float32 or int32, got bool"):
        alike(ANY[:2])("op", [BOOL], {})


def test_the_last_dtype_stands_for_all_further_outputs():
    assert OPS["topk"].output_dtypes([INT32], {}, 2) == [INT32, INT64]
    assert OPS["add"].output_dtypes([FLOAT32, FLOAT32], {}, 3) == [FLOAT32] * 3
