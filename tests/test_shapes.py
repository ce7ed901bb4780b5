"""Convolution arithmetic against PyTorch's own shape inference (on its "meta" device, so nothing is computed)."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cyconv import shapes

CASES = 1500


def size_or_refusal(function, *args):
    """What the function gives, or None when it refuses the values."""
    try:
        return function(*args)
    except (RuntimeError, ValueError):
        return None


def meta(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


def pytorch_conv_size(padded: int, kernel: int, stride: int, dilation: int) -> int:
    return F.conv2d(meta(1, 1, 1, padded), meta(1, 1, 1, kernel), stride=(1, stride), dilation=(1, dilation)).shape[3]


def pytorch_pool_size(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    return F.max_pool2d(meta(1, 1, 1, size), (1, kernel), (1, stride), (0, padding), (1, dilation), ceil_mode).shape[3]


def test_conv_output_size_is_pytorchs():
    rng, refused = random.Random(1), 0
    for _ in range(CASES):
        size, kernel, stride, dilation = rng.randint(1, 30), rng.randint(1, 7), rng.randint(1, 5), rng.randint(1, 4)
        before, after = rng.randint(0, 5), rng.randint(0, 5)
        want = size_or_refusal(pytorch_conv_size, size + before + after, kernel, stride, dilation)
        got = size_or_refusal(shapes.conv_output_size, size, kernel, stride, before, after, dilation)
        assert got == want, (size, kernel, stride, before, after, dilation)
        refused += want is None
    assert CASES * 0.01 < refused < CASES * 0.5


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_pool_output_size_is_pytorchs(ceil_mode):
    rng, refused = random.Random(2), 0
    for _ in range(CASES):
        size, kernel, stride, dilation = rng.randint(1, 30), rng.randint(1, 8), rng.randint(1, 12), rng.randint(1, 4)
        padding = rng.randint(0, kernel // 2)
        want = size_or_refusal(pytorch_pool_size, size, kernel, stride, padding, dilation, ceil_mode)
        got = size_or_refusal(shapes.pool_output_size, size, kernel, stride, padding, padding, dilation, ceil_mode)
        assert got == want, (size, kernel, stride, padding, dilation, ceil_mode)
        refused += want is None
    assert CASES * 0.01 < refused < CASES * 0.5


def test_last_ceil_mode_window_starts_inside_the_input_or_the_padding_before_it():
    # Windows at 0 and 2 (in padded cells); one at 4 would start in the padding after.
    assert shapes.pool_output_size(2, 2, 2, 1, 1, 1, ceil_mode=True) == 2
    assert shapes.pool_output_size(3, 2, 2, 0, 0, 1, ceil_mode=True) == 2
    assert shapes.pool_output_size(3, 2, 2, 0, 0, 1, ceil_mode=False) == 1


def test_too_large_kernels_are_explained():
    with pytest.raises(ValueError, match=r"padded input size: 4\. Kernel size: 5 .*Kernel size can't be greater than actual input size"):
        shapes.conv_output_size(2, 3, 1, 1, 1, 2)
    with pytest.raises(ValueError, match=r"Given input size: 2 .*Output size is too small"):
        shapes.pool_output_size(2, 3, 1)


@pytest.mark.parametrize(
    ("args", "match"),
    [
        ((-1, 1), "input size must be at least 0, got -1"),
        ((5, 0), "kernel size must be at least 1, got 0"),
        ((5, 1, 0), "stride must be at least 1, got 0"),
        ((5, 1, 1, -1), "padding must be at least 0, got -1"),
        ((5, 1, 1, 0, -2), "padding must be at least 0, got -2"),
        ((5, 1, 1, 0, 0, 0), "dilation must be at least 1, got 0"),
        ((2**31, 1), "input size must be below"),
        ((2**30, 1, 1, 2**30, 2**30), "padded input size must be below"),
        ((5, 2**20, 1, 0, 0, 2**20), "effective kernel size"),
    ],
)
def test_window_arguments_out_of_range(args, match):
    with pytest.raises(ValueError, match=match):
        shapes.conv_output_size(*args)
    with pytest.raises(ValueError, match=match):
        shapes.pool_output_size(*args[:2], *(args[2:] or (1,)))


@pytest.mark.parametrize("bad", [True, 1.0, "1", None, [1], np.float64(1), np.array([1]), np.bool_(True)])
def test_integer_refuses_what_is_no_integer(bad):
    with pytest.raises(TypeError, match="stride must be an int, got"):
        shapes.integer(bad, "stride")


def test_integer_gives_python_ints():
    assert type(shapes.integer(np.int64(3), "size")) is int
    assert shapes.integer(-3, "dim") == -3
    for far in (2**31, -(2**31)):
        with pytest.raises(ValueError, match=r"size must be below 2\*\*31"):
            shapes.integer(far, "size")


@pytest.mark.parametrize("good", [(2, 3), [2, 3], np.array([2, 3]), (np.int32(2), 3)])
def test_pair_takes_sequences(good):
    result = shapes.pair(good, "kernel_size")
    assert result == (2, 3)
    assert [type(v) for v in result] == [int, int]


def test_pair_repeats_one_int():
    assert shapes.pair(np.uint8(4), "kernel_size", 1) == (4, 4)


@pytest.mark.parametrize(
    "bad", [True, 1.5, None, "22", b"22", (1, 2.0), (1, True), [None, 1], {1: 2, 3: 4}, {1, 2}, np.array([1.0, 2.0]), ((1, 1), 2)]
)
def test_pair_refuses_other_types(bad):
    with pytest.raises(TypeError, match="kernel_size must be an int or a pair of ints"):
        shapes.pair(bad, "kernel_size")


def test_pair_refuses_other_lengths_and_values():
    with pytest.raises(ValueError, match="kernel_size must be an int or a pair of ints, got 3 entries"):
        shapes.pair((1, 2, 3), "kernel_size")
    with pytest.raises(ValueError, match="kernel_size must be at least 1, got 0"):
        shapes.pair((1, 0), "kernel_size", 1)


def test_conv_padding_forms():
    kernel = (3, 3)
    assert shapes.conv_padding(2, kernel) == (2, 2, 2, 2)
    assert shapes.conv_padding((1, 2), kernel) == (1, 1, 2, 2)
    assert shapes.conv_padding(((1, 2), (3, 4)), kernel) == (1, 2, 3, 4)
    assert shapes.conv_padding([[1, 2], [3, 4]], kernel) == (1, 2, 3, 4)
    assert shapes.conv_padding("valid", kernel, (2, 2)) == (0, 0, 0, 0)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_same_padding_keeps_the_size_as_pytorch_does():
    x = torch.rand(1, 1, 12, 12, dtype=torch.float64)
    for kernel in range(1, 6):
        for dilation in range(1, 4):
            w = torch.rand(1, 1, kernel, 3, dtype=torch.float64)
            top, bottom, left, right = shapes.conv_padding("same", (kernel, 3), (1, 1), (dilation, 2))
            assert top + bottom == dilation * (kernel - 1)
            want = F.conv2d(x, w, padding="same", dilation=(dilation, 2))
            got = F.conv2d(F.pad(x, (left, right, top, bottom)), w, dilation=(dilation, 2))
            # The same products in another order: 15 terms of at most 1.
            torch.testing.assert_close(got, want, rtol=0, atol=30 * float(np.finfo(float).eps) * 15)


@pytest.mark.parametrize(
    ("padding", "error", "match"),
    [
        ("sam", ValueError, "Invalid padding string: 'sam'"),
        (-1, ValueError, "padding must be at least 0, got -1"),
        (((1, -1), (0, 0)), ValueError, "padding must be at least 0, got -1"),
        ((1, 2, 3), ValueError, "padding must be an int or a pair of ints, got 3 entries"),
        ((1, 2, 3, 4), ValueError, "padding must be an int or a pair of ints, got 4 entries"),
        (((1, 2), 3), TypeError, "padding must be an int or a pair of ints"),
        (((1, 2), (3, 4, 5)), ValueError, "padding must be an int or a pair of ints, got 3 entries"),
        (1.0, TypeError, "padding must be an int or a pair of ints"),
        (True, TypeError, "padding must be an int or a pair of ints"),
        (None, TypeError, "padding must be an int or a pair of ints"),
    ],
)
def test_conv_padding_refusals(padding, error, match):
    with pytest.raises(error, match=match):
        shapes.conv_padding(padding, (3, 3))


def test_same_padding_needs_stride_one():
    with pytest.raises(ValueError, match="padding='same' is not supported for strided convolutions"):
        shapes.conv_padding("same", (3, 3), (1, 2))


def test_pool_padding_is_at_most_half_of_the_kernel():
    assert shapes.pool_padding(1, (3, 2)) == (1, 1, 1, 1)
    assert shapes.pool_padding(((0, 1), (1, 0)), (3, 2)) == (0, 1, 1, 0)
    for kernel in range(1, 7):
        for padding in range(5):
            theirs = size_or_refusal(F.avg_pool2d, meta(1, 1, 20, 20), kernel, 1, padding)
            ours = size_or_refusal(shapes.pool_padding, padding, (kernel, kernel))
            assert (theirs is None) == (ours is None), (kernel, padding)
    with pytest.raises(ValueError, match="pad should be smaller than or equal to half of kernel size"):
        shapes.pool_padding(((0, 2), (0, 0)), (3, 3))
    with pytest.raises(TypeError, match="padding must be an int or a pair of ints, got 'same'"):
        shapes.pool_padding("same", (3, 3))


def test_adaptive_windows_cover_as_pytorchs_do():
    for size in range(1, 20):
        for output in range(1, 25):
            windows = shapes.adaptive_windows(size, output)
            assert len(windows) == output
            assert windows[0][0] == 0 and windows[-1][1] == size
            means = F.adaptive_avg_pool1d(torch.arange(size, dtype=torch.float64)[None], output)[0]
            # Sums of small integers are exact, so the means agree to the last division.
            assert [(start + end - 1) / 2 for start, end in windows] == means.tolist()
    assert shapes.adaptive_windows(5, 0) == []
    with pytest.raises(ValueError, match="output_size must be at least 0"):
        shapes.adaptive_windows(5, -1)


def test_normalise_dim():
    for ndim in range(4):
        x = torch.zeros([2] * ndim)
        for dim in range(-6, 6):
            try:
                x.softmax(dim)
            except IndexError as error:
                with pytest.raises(ValueError, match="Dimension out of range") as ours:
                    shapes.normalise_dim(dim, ndim)
                assert str(error) in str(ours.value)
            else:
                assert shapes.normalise_dim(dim, ndim) == dim % max(ndim, 1)
    with pytest.raises(TypeError, match="axis must be an int"):
        shapes.normalise_dim(1.0, 2, "axis")


def test_check_shape():
    assert shapes.check_shape([2, np.int64(3)], "x") == (2, 3)
    assert shapes.check_shape((), "x") == ()
    assert shapes.check_shape((2**22, 2**22), "x") == (2**22, 2**22)
    assert shapes.check_shape((0, 2**30, 2**30), "x") == (0, 2**30, 2**30)


@pytest.mark.parametrize(
    ("shape", "itemsize", "error", "match"),
    [
        ((2, -1), 4, ValueError, "x: dimension 1 must be at least 0, got -1"),
        ((2**31,), 4, ValueError, "x: dimension 0 must be below"),
        ((2**22, 2**22, 2), 4, ValueError, r"x of shape .* would take 140737488355328 bytes"),
        ((2**22, 2**22), 8, ValueError, "would take"),
        ((2**30,) * 5, 4, ValueError, "would take"),
        ((2.0,), 4, TypeError, "x: dimension 0 must be an int"),
        (7, 4, TypeError, "x: a shape must be a sequence of ints"),
        ("12", 4, TypeError, "x: a shape must be a sequence of ints"),
    ],
)
def test_check_shape_refusals(shape, itemsize, error, match):
    with pytest.raises(error, match=match):
        shapes.check_shape(shape, "x", itemsize)
