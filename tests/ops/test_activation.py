"""The float64 references of the activations against PyTorch, also at NaN, infinities, zeros and large values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from .helpers import EPS, SPECIAL, assert_same, assert_within, both_or_neither, refuses, run, tensor

CASES = [
    ("relu", {}, F.relu),
    ("relu6", {}, F.relu6),
    ("leaky_relu", {"negative_slope": 0.01}, F.leaky_relu),
    ("leaky_relu", {"negative_slope": 0.0}, lambda x: F.leaky_relu(x, 0.0)),
    ("leaky_relu", {"negative_slope": 2}, lambda x: F.leaky_relu(x, 2)),
    ("sigmoid", {}, torch.sigmoid),
    ("tanh", {}, torch.tanh),
    ("hardswish", {}, F.hardswish),
    ("hardsigmoid", {}, F.hardsigmoid),
    ("silu", {}, F.silu),
    ("gelu", {"approximate": "none"}, F.gelu),
    ("gelu", {"approximate": "tanh"}, lambda x: F.gelu(x, approximate="tanh")),
    ("elu", {"alpha": 1.0}, F.elu),
    ("elu", {"alpha": 0.3}, lambda x: F.elu(x, 0.3)),
    ("softplus", {"beta": 1.0, "threshold": 20.0}, F.softplus),
    ("softplus", {"beta": 0.5, "threshold": 2.0}, lambda x: F.softplus(x, 0.5, 2.0)),
    ("mish", {}, F.mish),
    ("selu", {}, F.selu),
    ("dropout", {"p": 0.5, "training": False}, lambda x: F.dropout(x, 0.5, training=False)),
]
EXACT = {"relu", "relu6", "leaky_relu", "dropout"}
IDS = [f"{name}-{'-'.join(map(str, attrs.values()))}" for name, attrs, _ in CASES]
# A library's exp, tanh and erf are good to about 2 units in the last place, and a handful of roundings follow.
ROUNDINGS = 16


def points() -> np.ndarray:
    return np.concatenate([SPECIAL, np.linspace(-12.0, 12.0, 997), np.random.default_rng(9).standard_normal(1000)])


def bound(name: str, x: np.ndarray) -> np.ndarray | float:
    """Rounding relative to what is added: 1 or |x| in every formula here (erf and tanh cancel against 1 at negative x)."""
    return 0.0 if name in EXACT else ROUNDINGS * EPS * (1.0 + np.abs(x))


@pytest.mark.parametrize(("name", "attrs", "theirs"), CASES, ids=IDS)
def test_agrees_with_pytorch(name, attrs, theirs):
    x = points()
    assert_within(run(name, [x], attrs)[0], theirs(tensor(x)), bound(name, x), name)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (2, 3), (1, 2, 3, 4)])
@pytest.mark.parametrize(("name", "attrs", "theirs"), CASES, ids=IDS)
def test_any_shape(name, attrs, theirs, shape):
    x = np.random.default_rng(10).standard_normal(shape)
    x = np.asarray(x)
    assert_within(run(name, [x], attrs)[0], theirs(tensor(x)), bound(name, x), name)


def test_gelu_keeps_its_precision_far_below_zero():
    # 1 + erf(t) loses all digits at t = -7; the density's tail x·Φ(x) ≈ -φ(x) (1 - 1/x² + 3/x⁴) does not.
    x = -10.0
    tail = -math.exp(-x * x / 2) / math.sqrt(2 * math.pi) * (1 - 1 / x**2 + 3 / x**4)
    got = run("gelu", [np.array([x])], {"approximate": "none"})[0][0]
    assert abs(got - tail) < 15 / x**6 * abs(tail)


@pytest.mark.parametrize("shape", [(), (5,), (2, 4), (2, 4, 3), (2, 4, 3, 3), (0, 4, 2)])
@pytest.mark.parametrize("per_channel", [False, True])
def test_prelu_agrees_with_pytorch(shape, per_channel):
    rng = np.random.default_rng(11)
    x = np.asarray(rng.standard_normal(shape))
    weight = rng.standard_normal(shape[1] if per_channel and len(shape) > 1 else 1)
    assert_same(run("prelu", [x, weight], {})[0], F.prelu(tensor(x), tensor(weight)))


def test_prelu_of_special_values():
    x = np.array(SPECIAL)[None, :, None]
    weight = np.linspace(-1, 1, len(SPECIAL))
    assert_same(run("prelu", [x, weight], {})[0], F.prelu(tensor(x), tensor(weight)))


def test_prelu_refuses_where_pytorch_does():
    for shape in [(2,), (1,), (2, 3), (3, 2, 2)]:
        for channels in (1, 2, 3):
            x, weight = np.ones(shape), np.full(channels, 0.5)
            both_or_neither(lambda x=x, w=weight: F.prelu(tensor(x), tensor(w)), lambda x=x, w=weight: run("prelu", [x, w], {}))


@pytest.mark.parametrize(("x", "weight"), [((2, 3), (2,)), ((3,), (3,)), ((2, 3), ()), ((2, 3), (1, 3)), ((2, 3), (0,))])
def test_prelu_refusals(x, weight):
    refuses("prelu", [x, weight], {}, "Mismatch of parameter numbers and input channel size")


@pytest.mark.parametrize(
    ("name", "attrs", "error", "match"),
    [
        ("gelu", {"approximate": "exact"}, ValueError, "approximate argument must be either none or tanh, got 'exact'"),
        ("leaky_relu", {"negative_slope": "0.1"}, TypeError, "negative_slope must be a number"),
        ("elu", {"alpha": None}, TypeError, "alpha must be a number"),
        ("dropout", {"p": 1.5, "training": False}, ValueError, "dropout probability has to be between 0 and 1, but got 1.5"),
        ("dropout", {"p": True, "training": False}, TypeError, "p must be a number"),
        ("dropout", {"p": 0.5, "training": True}, ValueError, r"plans are for inference; call eval\(\) first"),
    ],
)
def test_attribute_refusals(name, attrs, error, match):
    refuses(name, [(2, 3)], attrs, match, error)


@pytest.mark.parametrize(("name", "attrs", "theirs"), CASES, ids=IDS)
def test_one_input(name, attrs, theirs):
    refuses(name, [(2, 3), (2, 3)], attrs, f"{name} expects 1 inputs, got 2")
    refuses(name, [(2**23, 2**23)], attrs, "would take")
