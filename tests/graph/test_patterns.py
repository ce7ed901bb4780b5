"""Activations written as several ops, in the orders that exporters write them, become one op; what only looks like them stays."""

import numpy as np
import pytest

from cyconv import functional as F
from cyconv.graph import passes
from cyconv.graph.trace import apply
from tests.graph.helpers import evaluate, ops, record

ROOT = np.float32(np.sqrt(2))
HALF, ONE = np.float32(0.5), np.float32(1)


def erf(x):
    return apply("erf", [x], {})[0]


def plus_one(x):
    return erf(x / ROOT) + ONE


FORMS = {
    "silu": (lambda x: x * F.sigmoid(x), "silu"),
    "silu, turned": (lambda x: F.sigmoid(x) * x, "silu"),
    "hardswish": (lambda x: F.hardsigmoid(x) * x, "hardswish"),
    "PyTorch's gelu": (lambda x: (x * plus_one(x)) * HALF, "gelu"),
    "half first": (lambda x: (x * HALF) * plus_one(x), "gelu"),
    "half last": (lambda x: x * (HALF * (ONE + erf(x * np.float32(np.sqrt(0.5))))), "gelu"),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_op(form):
    fn, op = FORMS[form]
    traced = record(fn, (3, 50))
    graph = passes.optimise(traced)
    assert ops(graph) == [op]
    x = np.linspace(-9, 9, 150, dtype=np.float32).reshape(3, 50)
    (a,), (b,) = evaluate(traced, x), evaluate(graph, x)
    assert np.abs(a - b).max() < 1e-6 * np.abs(a).max()  # √2 is rounded to float32 in the form


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, y: y * F.sigmoid(x),
        lambda x, y: x * F.tanh(x),
        lambda x, y: (x * plus_one(y)) * HALF,
        lambda x, y: (x * plus_one(x)) * np.float32(0.6),
        lambda x, y: (x * (erf(x / np.float32(1.5)) + ONE)) * HALF,
        lambda x, y: (x * (erf(x / ROOT) + HALF)) * HALF,
    ],
)
def test_what_only_looks_like_them_stays(fn):
    graph = passes.optimise(record(fn, (3, 5), (3, 5)))
    assert "mul" in ops(graph) and not {"silu", "gelu"} & set(ops(graph))


def test_what_is_read_elsewhere_stays_too():
    def fn(x):
        s = F.sigmoid(x)
        return x * s, s

    assert sorted(ops(passes.optimise(record(fn, (3, 5))))) == ["sigmoid", "silu"]
