"""Normalisations against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import cyconv.functional as F

from .helpers import EPS, assert_within, both_refuse, check_arrays, double, normal, recorded, single, with_specials

# Subtraction, root, division, product, sum, in whatever order they are done.
ROUNDINGS = 8


def statistics(channels: int) -> list[np.ndarray]:
    """Mean, variance, weight and bias."""
    mean, variance, weight, bias = (normal(channels, seed=seed) for seed in range(1, 5))
    return [mean, variance**2, weight, bias]


def rounding(x, mean, variance, weight, bias, eps) -> np.ndarray:
    """Relative to the magnitudes of x·scale, mean·scale and bias, which the result adds up."""
    scale = np.abs(weight / np.sqrt(variance.astype(np.float64) + eps))
    magnitude = np.moveaxis(np.abs(np.where(np.isfinite(x), x, 0)), 1, -1) * scale + np.abs(mean) * scale + np.abs(bias)
    return ROUNDINGS * EPS * np.moveaxis(magnitude, -1, 1)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 17, 3, 3), (1, 1, 1, 1), (4, 3), (2, 3, 7), (2, 3, 2, 2, 2), (0, 3, 4, 5)])
@pytest.mark.parametrize("eps", [1e-5, 0.001])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm(shape, eps, affine):
    x, (mean, variance, weight, bias) = normal(*shape), statistics(shape[1])
    if not affine:
        weight, bias = np.ones_like(weight), np.zeros_like(bias)
    given = [mean, variance, weight, bias] if affine else [mean, variance]
    want = T.batch_norm(double(x), *map(double, given), eps=eps)
    assert_within(F.batch_norm(x, *given, eps=eps), want, rounding(x, mean, variance, weight, bias, eps))


def test_batch_norm_with_weight_or_bias_alone():
    x, (mean, variance, weight, bias) = normal(2, 3, 4, 5), statistics(3)
    np.testing.assert_array_equal(F.batch_norm(x, mean, variance, weight), F.batch_norm(x, mean, variance, weight, np.zeros_like(bias)))
    np.testing.assert_array_equal(F.batch_norm(x, mean, variance, None, bias), F.batch_norm(x, mean, variance, np.ones_like(weight), bias))


def test_batch_norm_with_special_values():
    x, parameters = with_specials(2, 3, 5, 7), statistics(3)
    assert_within(F.batch_norm(x, *parameters), T.batch_norm(double(x), *map(double, parameters)), rounding(x, *parameters, 1e-5))
    x, parameters = normal(2, 4, 3, 3), statistics(4)
    parameters[1][:2] = -1.0, np.nan
    parameters[0][2] = np.inf
    got = F.batch_norm(x, *parameters)
    assert np.isnan(got[:, :2]).all()
    assert np.isinf(got[:, 2]).all()
    assert np.isfinite(got[:, 3]).all()


@pytest.mark.parametrize("shape", [(2, 7, 4, 5), (1, 3, 9, 9), (2, 33, 6), (2, 5, 2, 2, 3), (0, 3, 4, 5), (1, 1, 1, 1)])
@pytest.mark.parametrize(
    "options", [{"size": 5}, {"size": 1}, {"size": 4, "alpha": 0.3, "beta": 0.5, "k": 2.0}, {"size": 9, "alpha": 1, "beta": 2}]
)
def test_local_response_norm(shape, options):
    x = 3 * normal(*shape)
    want = T.local_response_norm(double(x), **options)
    # The sum of positive numbers and its power: an error relative to the result, larger with the exponent.
    relative = (options["size"] + ROUNDINGS) * (1 + options.get("beta", 0.75)) * EPS
    assert_within(F.local_response_norm(x, **options), want, relative * want.abs())


def test_local_response_norm_with_nan():
    x = normal(1, 9, 3, 3)
    x[0, 4, 1, 1] = np.nan
    got, want = F.local_response_norm(x, 3), T.local_response_norm(single(x), 3)
    np.testing.assert_array_equal(np.isnan(got), torch.isnan(want).numpy())


def moments_bound(x: np.ndarray, axes: tuple[int, ...], weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """A few roundings of the distance to the mean and of the bias; moments are taken in double precision."""
    d = double(x)
    distance = (d - d.mean(axes, keepdim=True)).abs() / (d.var(axes, correction=0, keepdim=True) + 1e-5).sqrt()
    return ROUNDINGS * EPS * (distance * weight.abs() + bias.abs())


@pytest.mark.parametrize("mean", [0, 1e4])
@pytest.mark.parametrize(("shape", "last"), [((5,), 1), ((4, 7), 1), ((2, 3, 96), 1), ((2, 5, 6, 33), 2), ((1, 2, 3, 4, 5), 3)])
def test_layer_norm(shape, last, mean):
    x = normal(*shape) + np.float32(mean)
    sizes = shape[len(shape) - last :]
    axes = tuple(range(-last, 0))
    for weight, bias in [
        (None, None),
        (normal(*sizes, seed=1), None),
        (None, normal(*sizes, seed=2)),
        (normal(*sizes, seed=1), normal(*sizes)),
    ]:
        w, b = (None if v is None else double(v) for v in (weight, bias))
        want = T.layer_norm(double(x), sizes, w, b)
        bound = moments_bound(x, axes, torch.ones(1) if w is None else w, torch.zeros(1) if b is None else b)
        assert_within(F.layer_norm(x, list(sizes), weight, bias), want, bound)


GROUPED = [
    ((2, 6, 5), 3),
    ((2, 64, 7, 3), 32),
    ((1, 58, 5, 6), 2),
    ((3, 36, 3, 3), 3),
    ((2, 31, 3, 4), 31),
    ((2, 12, 3, 4, 2), 4),
    ((2, 8), 2),
]


@pytest.mark.parametrize("mean", [0, 1e4])
@pytest.mark.parametrize(("shape", "groups"), [*GROUPED, ((2, 4, 1, 3), 1), ((2, 8), 2)])
def test_group_norm(shape, groups, mean):
    x = normal(*shape) + np.float32(mean)
    weight, bias = normal(shape[1], seed=1), normal(shape[1], seed=2)
    wide = [double(v).reshape(-1, *[1] * (len(shape) - 2)) for v in (weight, bias)]
    bound = moments_bound(x.reshape(shape[0], groups, -1), (2,), torch.ones(1), torch.zeros(1)).reshape(shape)
    assert_within(F.group_norm(x, groups, eps=1e-5), T.group_norm(double(x), groups), bound)
    want = T.group_norm(double(x), groups, double(weight), double(bias))
    assert_within(F.group_norm(x, groups, weight, bias), want, bound * wide[0].abs() + ROUNDINGS * EPS * wide[1].abs())


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 17, 4, 5), (2, 5, 2, 3, 4)])
def test_instance_norm(shape):
    x, (mean, variance, weight, bias) = normal(*shape) + 3, statistics(shape[1])
    wide = [double(v).reshape(-1, *[1] * (len(shape) - 2)) for v in (weight, bias)]
    bound = moments_bound(x, tuple(range(2, len(shape))), *wide)
    assert_within(F.instance_norm(x, None, None, weight, bias), T.instance_norm(double(x), None, None, double(weight), double(bias)), bound)
    got = F.instance_norm(x, mean, variance, weight, bias, use_input_stats=False)
    np.testing.assert_array_equal(got, F.batch_norm(x, mean, variance, weight, bias))


def test_moments_of_nothing():
    for shape in [(0, 4, 2), (2, 4, 0), (2, 0, 3)]:
        x = normal(*shape)
        assert F.layer_norm(x, shape[1:]).shape == F.group_norm(x, 2).shape == F.instance_norm(x).shape == shape


def test_moments_of_special_values():
    """A NaN or an infinity reaches all that is normalised with it, and no more; constant data give the bias."""
    for value in (np.nan, np.inf, -np.inf):
        x = normal(2, 4, 3, 5)
        x[0, 1, 2, 3] = value
        for got, want in [
            (F.layer_norm(x, (5,)), T.layer_norm(single(x), (5,))),
            (F.group_norm(x, 2), T.group_norm(single(x), 2)),
            (F.instance_norm(x), T.instance_norm(single(x))),
        ]:
            np.testing.assert_array_equal(np.isnan(got), torch.isnan(want).numpy())
    assert not F.layer_norm(np.full((2, 7), 0.1, np.float32), (7,)).any()
    assert not F.instance_norm(np.full((1, 2, 7), 1e30, np.float32)).any()


def test_arrays_are_checked_and_kept():
    check_arrays(F.batch_norm, ["input", "running_mean", "running_var", "weight", "bias"], normal(2, 3, 4, 5), *statistics(3))
    check_arrays(lambda x: F.local_response_norm(x, 3), ["input"], normal(2, 5, 4, 3))
    check_arrays(lambda x, w, b: F.layer_norm(x, (3,), w, b), ["input", "weight", "bias"], normal(2, 5, 3), normal(3), normal(3))
    check_arrays(lambda x, w, b: F.group_norm(x, 2, w, b), ["input", "weight", "bias"], normal(2, 4, 3), normal(4), normal(4))
    check_arrays(lambda x: F.instance_norm(x), ["input"], normal(2, 4, 3))


def test_refusals():
    x, (mean, variance, weight, bias) = normal(2, 3, 4, 5), statistics(3)
    t = [single(a) for a in (mean, variance, weight, bias)]
    both_refuse(lambda: F.batch_norm(x, None, None), lambda: T.batch_norm(single(x), None, None), "running_mean and running_var")
    both_refuse(lambda: F.batch_norm(x, mean[:2], variance), lambda: T.batch_norm(single(x), t[0][:2], t[1]), "running_mean")
    both_refuse(lambda: F.batch_norm(x, mean, variance[:1]), lambda: T.batch_norm(single(x), t[0], t[1][:1]), "running_var")
    both_refuse(lambda: F.batch_norm(x, mean, variance, weight[:1]), lambda: T.batch_norm(single(x), *t[:2], t[2][:1]), "weight")
    both_refuse(lambda: F.batch_norm(x, mean, variance, weight, bias[:2]), lambda: T.batch_norm(single(x), *t[:3], t[3][:2]), "bias")
    both_refuse(lambda: F.batch_norm(x[0, 0, 0], mean, variance), lambda: T.batch_norm(single(x[0, 0, 0]), *t[:2]), "input")
    with pytest.raises(ValueError, match="inference"):
        F.batch_norm(x, mean, variance, training=True)
    both_refuse(lambda: F.local_response_norm(x[0, 0], 3), lambda: T.local_response_norm(single(x[0, 0]), 3), "3D or higher")
    both_refuse(lambda: F.local_response_norm(x, 0), lambda: T.local_response_norm(single(x), 0), "size")
    both_refuse(lambda: F.local_response_norm(x, 1.5), lambda: T.local_response_norm(single(x), 1.5), "size")


def test_moments_refusals():
    x, w = normal(2, 4, 3), normal(4)
    t, v = single(x), single(w)
    both_refuse(lambda: F.layer_norm(x, (4,)), lambda: T.layer_norm(t, (4,)), r"expected input with shape \[\*, 4\]")
    both_refuse(lambda: F.layer_norm(x, (1, 2, 4, 3)), lambda: T.layer_norm(t, (1, 2, 4, 3)), "expected input with shape")
    both_refuse(lambda: F.layer_norm(x, ()), lambda: T.layer_norm(t, ()), "at least 1-dimensional")
    both_refuse(lambda: F.layer_norm(x, (3,), w), lambda: T.layer_norm(t, (3,), v), r"expected weight to be of the sizes \[3\]")
    both_refuse(lambda: F.layer_norm(x, (3.0,)), lambda: T.layer_norm(t, (3.0,)), "normalized_shape must be an int")
    with pytest.raises(TypeError, match="normalized_shape must be a list or tuple of ints, got 3"):
        F.layer_norm(x, 3)
    both_refuse(lambda: F.group_norm(x, 3), lambda: T.group_norm(t, 3), "divisible by num_groups")
    with pytest.raises(ValueError, match="num_groups must be at least 1"):
        F.group_norm(x, 0)
    both_refuse(lambda: F.group_norm(x[0, 0], 1), lambda: T.group_norm(t[0, 0], 1), "at least 2 dimensions")
    both_refuse(lambda: F.group_norm(x, 2, w[:2]), lambda: T.group_norm(t, 2, v[:2]), "weight to be a vector of size")
    both_refuse(lambda: F.instance_norm(x[..., :1]), lambda: T.instance_norm(t[..., :1]), "more than 1 spatial element")
    both_refuse(lambda: F.instance_norm(x, weight=w[:3]), lambda: T.instance_norm(t, weight=v[:3]), "weight")
    both_refuse(lambda: F.instance_norm(x, use_input_stats=False), lambda: T.instance_norm(t, use_input_stats=False), "running_mean and")
    with pytest.raises(ValueError, match="at least 3 dimensions"):
        F.instance_norm(x[0])
    for fn in (lambda: F.layer_norm(x, (3,), eps=-1.0), lambda: F.group_norm(x, 2, eps=-1.0), lambda: F.instance_norm(x, eps=-1.0)):
        with pytest.raises(ValueError, match="eps must be non-negative, but got -1"):
            fn()


def test_trace():
    got = recorded(lambda x, m, v: F.batch_norm(x, m, v, eps=0.1), (2, 3, 4, 5), (3,), (3,))
    assert got == [("batch_norm", {"eps": 0.1})]
    attrs = {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0}
    assert recorded(lambda x: F.local_response_norm(x, 5), (2, 3, 4)) == [("local_response_norm", attrs)]
    assert recorded(lambda x: F.layer_norm(x, (4, 5)), (2, 3, 4, 5)) == [("layer_norm", {"dims": (2, 3), "eps": 1e-5})]
    assert recorded(lambda x: F.group_norm(x, 2), (2, 4, 5)) == [("group_norm", {"num_groups": 2, "eps": 1e-5})]
    assert recorded(lambda x: F.instance_norm(x), (2, 4, 5)) == [("instance_norm", {"eps": 1e-5})]
