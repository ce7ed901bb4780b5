"""batch_norm and local_response_norm against PyTorch."""

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


def test_arrays_are_checked_and_kept():
    check_arrays(F.batch_norm, ["input", "running_mean", "running_var", "weight", "bias"], normal(2, 3, 4, 5), *statistics(3))
    check_arrays(lambda x: F.local_response_norm(x, 3), ["input"], normal(2, 5, 4, 3))


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


def test_trace():
    got = recorded(lambda x, m, v: F.batch_norm(x, m, v, eps=0.1), (2, 3, 4, 5), (3,), (3,))
    assert got == [("batch_norm", {"eps": 0.1})]
    attrs = {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0}
    assert recorded(lambda x: F.local_response_norm(x, 5), (2, 3, 4)) == [("local_response_norm", attrs)]
