"""Activation layers and softmax against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

from ..functional.helpers import EPS, SPECIAL, assert_within, double, normal, single
from .helpers import build

CASES = [
    *[(name, {}) for name in ("ReLU", "ReLU6", "LeakyReLU", "Sigmoid", "Tanh", "Hardswish", "Hardsigmoid", "SiLU", "GELU", "ELU", "PReLU")],
    *[(name, {"inplace": True}) for name in ("ReLU", "ReLU6", "LeakyReLU", "Hardswish", "Hardsigmoid", "SiLU", "ELU")],
    ("LeakyReLU", {"negative_slope": 0.3}),
    ("GELU", {"approximate": "tanh"}),
    ("ELU", {"alpha": 0.4}),
    *[(name, {}) for name in ("SELU", "Mish", "Softplus")],
    *[(name, {"inplace": True}) for name in ("SELU", "Mish")],
    ("Softplus", {"beta": 2.5, "threshold": 3.0}),
    ("PReLU", {"num_parameters": 5, "init": 0.1}),
    ("Softmax", {"dim": 1}),
    ("LogSoftmax", {"dim": -1}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_layer(name, options):
    ours, theirs = build(name, **options)
    x = 3 * normal(2, 5, 4, 3)
    if not name.endswith("Softmax"):
        x.flat[: SPECIAL.size] = SPECIAL
    size = np.abs(np.where(np.isfinite(x), x, 0))
    assert_within(ours(x), theirs.double()(double(x)), 32 * EPS * (1 + size))


def test_prelu_starts_as_pytorchs():
    from cyconv import nn

    np.testing.assert_array_equal(nn.PReLU(3).weight, np.full(3, 0.25, np.float32))


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_softmax_without_dimension(name):
    ours, theirs = build(name)
    x = normal(2, 5)
    with pytest.warns(UserWarning, match="Implicit dimension"):
        want = theirs(single(x))
    with pytest.warns(UserWarning, match="Implicit dimension"):
        got = ours(x)
    assert_within(got, want, 64 * EPS)
