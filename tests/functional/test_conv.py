"""conv2d and conv1d against PyTorch: exact on small integers, within the rounding of their sums on real numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import cyconv.functional as F

from .helpers import (
    EPS,
    absolute,
    assert_same,
    assert_within,
    both_refuse,
    check_arrays,
    double,
    normal,
    recorded,
    single,
    small_integers,
    with_specials,
)

# PyTorch warns that it copies the input.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")

# input, weight, has bias, options
CASES = [
    ((2, 3, 7, 8), (4, 3, 3, 3), True, {}),
    ((1, 1, 1, 1), (1, 1, 1, 1), True, {}),
    ((2, 5, 6, 7), (3, 5, 1, 1), False, {}),
    ((1, 3, 23, 17), (8, 3, 7, 7), True, {"stride": 2, "padding": 3}),
    ((3, 4, 9, 9), (6, 4, 3, 5), True, {"stride": (2, 3), "padding": (1, 2), "dilation": (2, 1)}),
    ((2, 6, 8, 8), (6, 1, 3, 3), True, {"padding": 1, "groups": 6}),
    ((2, 6, 8, 8), (12, 2, 3, 3), False, {"stride": 2, "groups": 3}),
    ((2, 3, 6, 9), (4, 3, 3, 4), True, {"padding": "same"}),
    ((2, 3, 9, 9), (4, 3, 2, 3), True, {"padding": "same", "dilation": 3}),
    ((2, 3, 6, 9), (4, 3, 3, 4), True, {"padding": "valid"}),
    ((2, 3, 1, 1), (4, 3, 5, 5), True, {"padding": 2}),
    ((1, 2, 2, 3), (2, 2, 7, 6), True, {"padding": (4, 3)}),
    ((1, 17, 5, 5), (19, 17, 3, 3), True, {"padding": 1}),
    ((0, 3, 7, 8), (4, 3, 3, 3), True, {"padding": 1}),
]
CASES_1D = [
    ((2, 3, 9), (4, 3, 3), True, {}),
    ((2, 4, 20), (6, 2, 5), False, {"stride": 3, "padding": 2, "dilation": 2, "groups": 2}),
    ((2, 3, 9), (4, 3, 4), True, {"padding": "same"}),
    ((2, 3, 1), (4, 3, 5), True, {"padding": (2,), "stride": (1,), "dilation": (1,)}),
    ((0, 3, 9), (4, 3, 3), True, {}),
]
MODES = ["reflect", "replicate", "circular"]


def arrays(make, x_shape, weight_shape, has_bias) -> list:
    return [make(*x_shape, seed=1), make(*weight_shape, seed=2), make(weight_shape[0], seed=3) if has_bias else None]


def tensors(convert, inputs) -> list:
    return [None if a is None else convert(a) for a in inputs]


def rounding(theirs, inputs, options) -> torch.Tensor:
    """K roundings of a sum of products, each relative to the sum of magnitudes, and one for the bias."""
    return (inputs[1][0].size + 1) * EPS * theirs(*tensors(absolute, inputs), **options)


@pytest.mark.parametrize(("x", "weight", "bias", "options"), CASES)
def test_conv2d(x, weight, bias, options):
    inputs = arrays(normal, x, weight, bias)
    assert_within(F.conv2d(*inputs, **options), T.conv2d(*tensors(double, inputs), **options), rounding(T.conv2d, inputs, options))


@pytest.mark.parametrize(("x", "weight", "bias", "options"), CASES_1D)
def test_conv1d(x, weight, bias, options):
    inputs = arrays(normal, x, weight, bias)
    assert_within(F.conv1d(*inputs, **options), T.conv1d(*tensors(double, inputs), **options), rounding(T.conv1d, inputs, options))


@pytest.mark.parametrize(("x", "weight", "bias", "options"), CASES)
def test_conv2d_is_exact_on_small_integers(x, weight, bias, options):
    inputs = arrays(small_integers, x, weight, bias)
    assert_same(F.conv2d(*inputs, **options), T.conv2d(*tensors(single, inputs), **options))


@pytest.mark.parametrize("seed", range(40))
def test_conv2d_is_exact_in_random_cases(seed):
    rng = np.random.default_rng(seed)
    groups, co, ci = (int(n) for n in rng.integers(1, 4, 3))
    kernel = [int(n) for n in rng.integers(1, 6, 2)]
    stride, dilation, padding = (tuple(int(n) for n in rng.integers(low, 4, 2)) for low in (1, 1, 0))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    size = [n + int(more) for n, more in zip(least, rng.integers(0, 7, 2), strict=True)]
    inputs = arrays(small_integers, (int(rng.integers(1, 4)), groups * ci, *size), (groups * co, ci, *kernel), bool(seed % 2))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    assert_same(F.conv2d(*inputs, **options), T.conv2d(*tensors(single, inputs), **options))


def test_unbatched_input():
    inputs = arrays(small_integers, (3, 7, 8), (4, 3, 3, 3), True)
    assert_same(F.conv2d(*inputs, padding=1), T.conv2d(*tensors(single, inputs), padding=1))
    inputs = arrays(small_integers, (3, 9), (4, 3, 3), True)
    assert_same(F.conv1d(*inputs, padding=1), T.conv1d(*tensors(single, inputs), padding=1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{"padding": 1}, {"padding": (2, 1), "stride": 2}, {"padding": "same"}, {"padding": "valid"}])
def test_padding_modes(mode, options):
    inputs = arrays(small_integers, (2, 3, 6, 5), (4, 3, 4, 3), True)
    layer = torch.nn.Conv2d(3, 4, (4, 3), padding_mode=mode, **options)
    layer.load_state_dict(dict(zip(("weight", "bias"), map(single, inputs[1:]), strict=True)))
    assert_same(F.conv2d(*inputs, padding_mode=mode, **options), layer(single(inputs[0])))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [2, "same"])
def test_padding_modes_in_one_dimension(mode, padding):
    inputs = arrays(small_integers, (2, 3, 7), (4, 3, 4), True)
    layer = torch.nn.Conv1d(3, 4, 4, padding_mode=mode, padding=padding)
    layer.load_state_dict(dict(zip(("weight", "bias"), map(single, inputs[1:]), strict=True)))
    assert_same(F.conv1d(*inputs, padding_mode=mode, padding=padding), layer(single(inputs[0])))


@pytest.mark.parametrize(
    ("mode", "numpy_mode"), [("zeros", "constant"), ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
def test_asymmetric_padding(mode, numpy_mode):
    x, weight, bias = arrays(small_integers, (2, 3, 6, 5), (4, 3, 3, 3), True)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 0), (1, 3)), numpy_mode)
    got = F.conv2d(x, weight, bias, padding=((2, 0), (1, 3)), padding_mode=mode)
    np.testing.assert_array_equal(got, F.conv2d(padded, weight, bias), strict=True)
    along = np.pad(x[:, :, 0], ((0, 0), (0, 0), (1, 3)), numpy_mode)
    got = F.conv1d(x[:, :, 0], weight[:, :, 0], bias, padding=((1, 3),), padding_mode=mode)
    np.testing.assert_array_equal(got, F.conv1d(along, weight[:, :, 0], bias), strict=True)


@pytest.mark.parametrize("shape", [(2, 3, 9, 8), (1, 16, 20, 20)])
@pytest.mark.parametrize("kernel", [1, 3])
def test_nan_and_infinity_spread_as_in_pytorch(shape, kernel):
    """Without padding, where libraries differ on whether a padding zero meets a weight."""
    x, weight, bias = with_specials(*shape), normal(5, shape[1], kernel, kernel), normal(5)
    options = {"stride": 2}
    want = T.conv2d(double(x), double(weight), double(bias), **options)
    finite = np.where(np.isfinite(x), x, 0)
    assert 0 < np.isfinite(want.numpy()).sum() or shape[1] > 3
    assert_within(F.conv2d(x, weight, bias, **options), want, rounding(T.conv2d, [finite, weight, bias], options))


def test_one_nan_reaches_the_outputs_that_see_it():
    x, weight = normal(1, 2, 9, 9), normal(3, 2, 3, 3)
    x[0, 1, 4, 6] = np.nan
    got = np.isnan(F.conv2d(x, weight, padding=1))
    want = np.zeros((1, 3, 9, 9), bool)
    want[:, :, 3:6, 5:8] = True
    np.testing.assert_array_equal(got, want)


def test_arrays_are_checked_and_kept():
    check_arrays(F.conv2d, ["input", "weight", "bias"], *arrays(normal, (2, 3, 7, 8), (4, 3, 3, 3), True))
    check_arrays(F.conv1d, ["input", "weight", "bias"], *arrays(normal, (2, 3, 7), (4, 3, 3), True))


# input, weight, bias, options, what the message says
REFUSED = [
    ((3, 8), (4, 3, 3, 3), None, {}, "conv2d.*input.*size"),
    ((1, 1, 3, 8, 8), (4, 3, 3, 3), None, {}, "conv2d.*input.*size"),
    ((1, 3, 8, 8), (4, 3, 3), None, {}, "weight"),
    ((1, 4, 8, 8), (4, 3, 3, 3), None, {}, "channels"),
    ((1, 4, 8, 8), (3, 2, 3, 3), None, {"groups": 2}, "weight.*divisible"),
    ((1, 3, 8, 8), (4, 3, 3, 3), (5,), {}, "bias"),
    ((1, 3, 8, 8), (4, 3, 3, 3), (4, 1), {}, "bias"),
    ((1, 3, 8, 8), (4, 3, 9, 3), None, {}, "[Kk]ernel size"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"dilation": 4}, "[Kk]ernel size"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"stride": 0}, "stride"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"stride": (1, 1, 1)}, "stride"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"stride": 1.5}, "stride"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"dilation": -1}, "dilation"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"padding": -1}, "padding"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"padding": "full"}, "padding"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"padding": "same", "stride": 2}, "padding='same'"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"groups": 0}, "groups"),
    ((1, 3, 0, 8), (4, 3, 3, 3), None, {}, "input"),
]


@pytest.mark.parametrize(("x", "weight", "bias", "options", "match"), REFUSED)
def test_refusals(x, weight, bias, options, match):
    inputs = [normal(*x), normal(*weight), None if bias is None else normal(*bias)]
    both_refuse(lambda: F.conv2d(*inputs, **options), lambda: T.conv2d(*tensors(single, inputs), **options), match)


@pytest.mark.parametrize(
    ("x", "weight", "options", "match"),
    [
        ((9,), (4, 3, 3), {}, "conv1d.*input.*size"),
        ((1, 1, 3, 9), (4, 3, 3), {}, "conv1d.*input.*size"),
        ((1, 3, 9), (4, 3, 3, 3), {}, "weight"),
        ((1, 3, 9), (4, 3, 3), {"stride": (1, 2)}, "stride"),
        ((1, 3, 9), (4, 3, 3), {"padding": (1, 2)}, "padding"),
        ((1, 3, 9), (4, 3, 3), {"dilation": 0}, "dilation"),
        ((1, 3, 9), (4, 3, 10), {}, "[Kk]ernel size"),
    ],
)
def test_refusals_in_one_dimension(x, weight, options, match):
    inputs = [normal(*x), normal(*weight)]
    both_refuse(lambda: F.conv1d(*inputs, **options), lambda: T.conv1d(*tensors(single, inputs), **options), match)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"padding_mode": "zero"}, "padding_mode must be one of zeros, reflect, replicate, circular, got 'zero'"),
        ({"padding_mode": "reflect", "padding": 8}, "Padding size should be less"),
        ({"padding_mode": "circular", "padding": 9}, "wrapping around"),
        ({"padding": ((1, 2), 1)}, "padding"),
        ({"padding": ((1, 2), (1, 2, 3))}, "padding"),
        ({"padding": ((1, 2), (1, -2))}, "padding"),
    ],
)
def test_refusals_beyond_pytorch(options, match):
    with pytest.raises((ValueError, TypeError), match=match):
        F.conv2d(normal(1, 3, 8, 8), normal(4, 3, 3, 3), **options)


def test_trace():
    weight = normal(4, 3, 3, 3)
    attrs = {"stride": (2, 1), "padding": (1, 1, 2, 2), "dilation": (1, 1), "groups": 1}
    assert recorded(lambda x: F.conv2d(x, weight, stride=(2, 1), padding=(1, 2)), (2, 3, 8, 8)) == [("conv2d", attrs)]
    pad = {"pad": ((0, 0), (0, 0), (1, 1), (2, 2)), "mode": "reflect", "value": 0.0}
    got = recorded(lambda x: F.conv2d(x, weight, stride=(2, 1), padding=(1, 2), padding_mode="reflect"), (2, 3, 8, 8))
    assert got == [("pad", pad), ("conv2d", attrs | {"padding": (0, 0, 0, 0)})]
    got = recorded(lambda x: F.conv2d(x, weight, padding_mode="reflect"), (3, 8, 8))
    assert [op for op, _ in got] == ["reshape", "conv2d", "reshape"]
    got = recorded(lambda x: F.conv1d(x, weight[:, :, 0]), (2, 3, 8))
    assert [op for op, _ in got] == ["reshape", "conv2d", "reshape"]
