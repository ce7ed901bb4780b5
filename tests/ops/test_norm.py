"""The float64 references of the normalisations against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch.nn.functional as F

from .helpers import EPS, SPECIAL, assert_within, refuses, run, tensor

LRN = {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0}
# Each formula has fewer than 20 roundings, and each changes its operand by a factor of at most 1 ± eps.
ROUNDINGS = 20


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (2, 3, 4, 5), (0, 3, 4, 4), (1, 1, 1, 1)])
@pytest.mark.parametrize("eps", [1e-5, 1e-3, 0.0])
def test_batch_norm_agrees_with_pytorch(shape, eps):
    rng = np.random.default_rng(7)
    x, c = rng.standard_normal(shape), shape[1]
    mean, var, weight, bias = rng.standard_normal(c), rng.random(c) + 0.1, rng.standard_normal(c), rng.standard_normal(c)
    want = F.batch_norm(tensor(x), *map(tensor, (mean, var, weight, bias)), eps=eps)
    over = (c,) + (1,) * (len(shape) - 2)
    size = (np.abs(x) + np.abs(mean).reshape(over)) / np.sqrt(var + eps).reshape(over) * np.abs(weight).reshape(over)
    got = run("batch_norm", [x, mean, var, weight, bias], {"eps": eps})[0]
    assert_within(got, want, ROUNDINGS * EPS * (size + np.abs(bias).reshape(over)))


def test_batch_norm_of_special_values():
    x = np.array(SPECIAL).reshape(1, 1, -1)
    one = np.ones(1)
    want = F.batch_norm(tensor(x), *map(tensor, (0 * one, one, one, one)))
    assert_within(run("batch_norm", [x, 0 * one, one, one, one], {"eps": 1e-5})[0], want, ROUNDINGS * EPS * (np.abs(x) + 1))
    # No variance and no eps: 0/0.
    assert np.isnan(run("batch_norm", [one[None], one, 0 * one, one, one], {"eps": 0.0})[0]).all()


@pytest.mark.parametrize(
    ("shapes", "eps", "match"),
    [
        ([(3,), (3,), (3,), (3,), (3,)], 1e-5, "with at least 2 dimensions"),
        ([(1, 3), (2,), (3,), (3,), (3,)], 1e-5, r"running_mean should contain 3 elements, but got running_mean of size \[2\]"),
        ([(1, 3), (3,), (1,), (3,), (3,)], 1e-5, "running_var should contain 3 elements"),
        ([(1, 3), (3,), (3,), (4,), (3,)], 1e-5, "weight should contain 3 elements"),
        ([(1, 3), (3,), (3,), (3,), (3, 1)], 1e-5, "bias should contain 3 elements"),
        ([(1, 3), (3,)], 1e-5, "batch_norm expects 5 inputs, got 2"),
        ([(1, 3), (3,), (3,), (3,), (3,)], -1.0, "eps must be non-negative, but got -1.0"),
        ([(1, 3), (3,), (3,), (3,), (3,)], float("nan"), "eps must be non-negative"),
    ],
)
def test_batch_norm_refusals(shapes, eps, match):
    refuses("batch_norm", shapes, {"eps": eps}, match)


@pytest.mark.parametrize("shape", [(2, 7, 3), (2, 7, 3, 4), (1, 1, 2, 2), (1, 3, 2, 2, 2), (0, 5, 2, 2)])
@pytest.mark.parametrize(
    "attrs", [{}, {"size": 1}, {"size": 2}, {"size": 4}, {"size": 9}, {"alpha": 2.0, "beta": 0.3, "k": 2.0}, {"k": 0.0}]
)
def test_local_response_norm_agrees_with_pytorch(shape, attrs):
    attrs = LRN | attrs
    x = np.random.default_rng(8).standard_normal(shape)
    got = run("local_response_norm", [x], attrs)[0]
    want = F.local_response_norm(tensor(x), **attrs)
    # The sum of squares has no cancellation; the power multiplies a relative error by beta < 1.
    assert_within(got, want, (ROUNDINGS + attrs["size"]) * EPS * np.abs(got))


def test_local_response_norm_window_is_longer_before():
    x = np.zeros((1, 4, 1))
    x[0, 1] = 1.0
    attrs = {"size": 2, "alpha": 2.0, "beta": 1.0, "k": 1.0}
    x[0, :, 0] += 1e-3
    got = run("local_response_norm", [x], attrs)[0][0, :, 0] / x[0, :, 0]
    # Size 2 looks at channels c-1 and c, so the large channel 1 damps itself and channel 2, not channel 0.
    assert (got < 0.6).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("shape", "attrs", "error", "match"),
    [
        ((2, 3), {}, ValueError, r"expected 3D or higher dimensionality input \(got 2 dimensions\)"),
        ((2, 3, 4), {"size": 0}, ValueError, "size must be at least 1, got 0"),
        ((2, 3, 4), {"size": 2.0}, TypeError, "size must be an int"),
        ((2, 3, 4), {"beta": "0.75"}, TypeError, "beta must be a number"),
    ],
)
def test_local_response_norm_refusals(shape, attrs, error, match):
    refuses("local_response_norm", [shape], LRN | attrs, match, error)


@pytest.mark.parametrize(("shape", "last"), [((4,), 1), ((2, 3), 1), ((2, 3, 4), 2), ((2, 3, 4, 5), 3), ((0, 3), 1)])
def test_layer_norm_agrees_with_pytorch(shape, last):
    rng = np.random.default_rng(9)
    sizes = shape[len(shape) - last :]
    x, weight, bias = rng.standard_normal(shape), rng.standard_normal(sizes), rng.standard_normal(sizes)
    attrs = {"dims": tuple(range(len(shape) - last, len(shape))), "eps": 1e-5}
    got = run("layer_norm", [x, weight, bias], attrs)[0]
    want = F.layer_norm(tensor(x), sizes, tensor(weight), tensor(bias))
    assert_within(got, want, moments_bound(x, weight, bias))


def test_layer_norm_over_channels():
    rng = np.random.default_rng(10)
    x, weight, bias = rng.standard_normal((2, 5, 3, 4)), rng.standard_normal(5), rng.standard_normal(5)
    got = run("layer_norm", [x, weight, bias], {"dims": (1,), "eps": 1e-3})[0]
    want = F.layer_norm(tensor(x).movedim(1, -1), (5,), tensor(weight), tensor(bias), 1e-3).movedim(-1, 1)
    assert_within(got, want, moments_bound(x, np.abs(weight).max(), np.abs(bias).max()))


def moments_bound(x, weight, bias) -> np.ndarray:
    """Sums of at most x.size terms; a distance to the mean is at most √n deviations."""
    return (ROUNDINGS + x.size) * EPS * (np.sqrt(x.size) * np.abs(weight) + np.abs(bias))


@pytest.mark.parametrize(("shape", "groups"), [((2, 6), 3), ((2, 6, 4), 2), ((1, 4, 3, 2), 4), ((2, 3, 2, 2, 2), 1), ((0, 4, 2), 2)])
def test_group_and_instance_norm_agree_with_pytorch(shape, groups):
    rng = np.random.default_rng(11)
    x, weight, bias = rng.standard_normal(shape), rng.standard_normal(shape[1]), rng.standard_normal(shape[1])
    bound = moments_bound(x, np.abs(weight).max(), np.abs(bias).max())
    got = run("group_norm", [x, weight, bias], {"num_groups": groups, "eps": 1e-5})[0]
    assert_within(got, F.group_norm(tensor(x), groups, tensor(weight), tensor(bias)), bound)
    if len(shape) > 2 and x.size:
        got = run("instance_norm", [x, weight, bias], {"eps": 1e-5})[0]
        assert_within(got, F.instance_norm(tensor(x), None, None, tensor(weight), tensor(bias)), bound)


@pytest.mark.parametrize(
    ("op", "shapes", "attrs", "match"),
    [
        ("layer_norm", [(2, 3), (3,), (3,)], {"dims": ()}, r"dims must be the last dimensions .*, or \(1,\), got \(\)"),
        ("layer_norm", [(2, 3, 4), (2,), (2,)], {"dims": (0,)}, "dims must be the last dimensions"),
        ("layer_norm", [(3,), (3,), (3,)], {"dims": (1,)}, "dims must be the last dimensions"),
        ("layer_norm", [(2, 3), (3,), (2,)], {"dims": (1,)}, r"expected bias to be of the sizes \[3\]"),
        ("layer_norm", [(2, 3), (3,)], {"dims": (1,)}, "layer_norm expects 3 inputs, got 2"),
        ("layer_norm", [(2, 3), (3,), (3,)], {"dims": (1,), "eps": float("nan")}, "eps must be non-negative"),
        ("group_norm", [(3,), (3,), (3,)], {"num_groups": 1}, "at least 2 dimensions"),
        ("group_norm", [(2, 4), (4,), (4,)], {"num_groups": 3}, "divisible by num_groups"),
        ("group_norm", [(2, 4), (3,), (4,)], {"num_groups": 2}, "expected weight to be a vector of size equal to the number of channels 4"),
        ("instance_norm", [(2, 4), (4,), (3,)], {}, "expected bias to be a vector"),
        ("instance_norm", [(2, 4), (4,), (4,)], {"eps": -1.0}, "eps must be non-negative"),
    ],
)
def test_moments_refusals(op, shapes, attrs, match):
    refuses(op, shapes, {"eps": 1e-5} | attrs, match)
