"""The float64 references of mathematical functions, selection and conversion against PyTorch, also at special values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cyconv.ops import OPS

from .helpers import EPS, SPECIAL, assert_same, assert_within, refuses, run, tensor

UNARY = ["sqrt", "exp", "log", "abs", "neg", "sign", "floor", "ceil", "erf", "reciprocal"]
EXACT = {"abs", "neg", "sign", "floor", "ceil", "reciprocal"}


@pytest.mark.parametrize("name", UNARY)
def test_unary_agrees_with_pytorch(name):
    x = np.concatenate([SPECIAL, np.linspace(-12, 12, 997)])
    want = getattr(torch, name)(tensor(x))
    assert_within(run(name, [x], {})[0], want, 0.0 if name in EXACT else 8 * EPS * np.maximum(np.abs(want.numpy()), np.abs(x)), name)
    for shape in [(), (0,), (2, 0, 3), (1, 2, 3, 4)]:
        y = np.abs(np.random.default_rng(1).standard_normal(shape))
        assert run(name, [np.asarray(y)], {})[0].shape == shape


def test_clip():
    x = np.array(SPECIAL)
    for low, high in [(-1.0, 2.0), (-np.inf, 0.5), (0.5, np.inf), (3.0, 1.0)]:
        assert_same(run("clip", [x], {"min": low, "max": high})[0], torch.clamp(tensor(x), low, high))
    refuses("clip", [(2,)], {"min": float("nan"), "max": 1.0}, "min must not be NaN")
    refuses("clip", [(2,)], {"min": 0.0, "max": "1"}, "max must be a number", TypeError)


def test_where():
    rng = np.random.default_rng(3)
    for c, a, b in [((3, 4), (3, 4), (3, 4)), ((3, 1), (4,), ()), ((), (2, 1), (1, 3)), ((0, 1), (1, 2), (2,))]:
        condition, x, y = rng.random(c) > 0.5, rng.standard_normal(a), rng.standard_normal(b)
        condition, x, y = map(np.asarray, (condition, x, y))
        assert_same(run("where", [condition, x, y], {})[0], torch.where(tensor(condition), tensor(x), tensor(y)))
    refuses("where", [(2,), (3,), (1,)], {}, "where: The size of array a")
    refuses("where", [(2,), (2,)], {}, "where expects 3 inputs, got 2")


@pytest.mark.parametrize("to", ["float32", "int32", "int64", "bool"])
def test_cast(to):
    kind = {"float32": torch.float64}.get(to, getattr(torch, to))
    x = np.array([0.0, -0.0, 0.3, -0.3, 1.9, -1.9, 2.5, 1e6, -1e6, 2147483520.0, -2147483648.0])
    assert_same(run("cast", [x], {"dtype": to})[0], tensor(x).to(kind))
    for dtype in (np.int32, np.int64, np.bool_):
        x = np.arange(-3, 4).astype(dtype)
        assert_same(run("cast", [x], {"dtype": to})[0], tensor(x).to(kind))
    refuses("cast", [(2,)], {"dtype": "float64"}, "cast: dtype must be float32, int32, int64 or bool, got 'float64'")


def test_cast_of_what_does_not_fit():
    x = np.array([np.nan, np.inf, -np.inf, 2.0**31, -(2.0**31) - 1, 2.0**63, -(2.0**63)])
    assert run("cast", [x], {"dtype": "int32"})[0].tolist() == [-(2**31)] * 7
    assert run("cast", [x], {"dtype": "int64"})[0].tolist() == [-(2**63)] * 3 + [2**31, -(2**31) - 1] + [-(2**63)] * 2


def test_dtype_rules():
    for name, dtypes in [("where", ["float32"] * 3), ("where", ["bool", "float32", "int64"]), ("sqrt", ["int64"]), ("neg", ["bool"])]:
        with pytest.raises(TypeError, match=f"{name} takes"):
            OPS[name].output_dtypes(dtypes, {}, 1)
    assert OPS["equal"].output_dtypes(["int64", "int64"], {}, 1) == ["bool"]
    assert OPS["where"].output_dtypes(["bool", "int32", "int32"], {}, 1) == ["int32"]
