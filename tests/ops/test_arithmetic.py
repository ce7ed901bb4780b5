"""linear and the element-wise functions of two arrays against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cyconv.ops import OPS

from .helpers import EPS, SPECIAL, assert_same, assert_within, both_or_neither, refuses, run, tensor


@pytest.mark.parametrize("batch", [(), (1,), (5,), (2, 3), (0,), (2, 0, 3)])
@pytest.mark.parametrize(("m", "k"), [(1, 1), (4, 7), (10, 300), (3, 0), (0, 3)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_linear_agrees_with_pytorch(batch, m, k, with_bias):
    rng = np.random.default_rng(18)
    inputs = [rng.standard_normal((*batch, k)), rng.standard_normal((m, k))] + [rng.standard_normal(m)] * with_bias
    got = run("linear", inputs, {})[0]
    bound = 2 * (k + 1) * EPS * OPS["linear"].reference([np.abs(a) for a in inputs], {})[0]
    assert_within(got, F.linear(*map(tensor, inputs)), bound)


def test_linear_multiply_adds_are_products():
    shapes = [(2, 3, 5), (7, 5), (7,)]
    assert OPS["linear"].macs(shapes, OPS["linear"].infer(shapes, {}), {}) == 2 * 3 * 7 * 5


@pytest.mark.parametrize(
    ("shapes", "match"),
    [
        ([(2, 3), (4, 5)], r"input of size \[2, 3\] needs 5 as its last dimension, given weight of size \[4, 5\]"),
        ([(), (4, 5)], "needs 5 as its last dimension"),
        ([(2, 5), (5,)], r"expected 2D weight \[M, K\]"),
        ([(2, 5), (4, 5), (5,)], "expected bias to be 1-dimensional with 4 elements"),
        ([(2, 5), (4, 5), (1, 4)], "expected bias to be 1-dimensional"),
        ([(2, 5)], "linear expects 2 or 3 inputs, got 1"),
        ([(2**22, 1), (2**23, 1)], "would take"),
    ],
)
def test_linear_refusals(shapes, match):
    refuses("linear", shapes, {}, match)


def check_broadcasting(name: str, a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to PyTorch; False when both refuse."""
    found = both_or_neither(lambda: THEIRS.get(name, getattr(torch, name, None))(tensor(a), tensor(b)), lambda: run(name, [a, b], {})[0])
    if found is not None:
        if name == "pow":
            assert_within(found[1], found[0], EPS * np.abs(found[0].numpy()), (a.shape, b.shape))
        else:
            assert_same(found[1], found[0], (a.shape, b.shape))
    return found is not None


THEIRS = {"minimum": torch.minimum, "maximum": torch.maximum, "greater": torch.gt, "less": torch.lt, "equal": torch.eq}
THEIRS |= {"not_equal": torch.ne, "greater_equal": torch.ge, "less_equal": torch.le}
NAMES = ["add", "sub", "mul", "div", "pow", *THEIRS]


@pytest.mark.parametrize("name", NAMES)
def test_broadcasting_agrees_with_pytorch(name):
    rng, computed = np.random.default_rng(19), 0
    for _ in range(300):
        a, b = (np.asarray(rng.standard_normal(tuple(rng.choice([0, 1, 1, 3, 3, 3], rng.integers(0, 4))))) for _ in range(2))
        computed += check_broadcasting(name, a, b)
    assert 100 < computed < 300
    assert check_broadcasting(name, np.array(SPECIAL)[:, None], np.array(SPECIAL))
    # Sizes that come to be 2 and 3 never match.
    refuses(name, [(2, 3), (2, 2)], {}, r"The size of array a \(3\) must match the size of array b \(2\) at non-singleton dimension 1")


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integers(dtype):
    rng = np.random.default_rng(21)
    a, b = (rng.integers(-9, 10, (40, 40)).astype(dtype) for _ in range(2))
    for name in ("add", "sub", "mul", "minimum", "maximum"):
        assert_same(run(name, [a, b], {})[0], getattr(torch, name)(tensor(a), tensor(b)), name)
    divisor = np.where(b == 0, 1, b).astype(dtype)
    assert_same(run("div", [a, divisor], {})[0], torch.div(tensor(a), tensor(divisor), rounding_mode="trunc"))
    assert not run("div", [a, np.zeros_like(b)], {})[0].any()
    small = np.abs(b)
    assert_same(run("pow", [a, small], {})[0], torch.pow(tensor(a), tensor(small)))
    with np.errstate(divide="ignore"):
        want = np.trunc(np.power(a.astype(float), -small - 1.0))
    assert_same(run("pow", [a, -small - 1], {})[0], np.where(a == 0, 0, want).astype(dtype))


@pytest.mark.parametrize("name", NAMES)
def test_limits(name):
    refuses(name, [(2**24, 1), (1, 2**24)], {}, "would take")
    refuses(name, [(1,)], {}, f"{name} expects 2 inputs, got 1")
