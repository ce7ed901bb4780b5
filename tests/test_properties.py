"""What must hold between convolutions of different arguments, on integers and so exactly (Hypothesis draws the cases)."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import signal

from cyconv import functional as F

EXACT = settings(max_examples=60, deadline=None, derandomize=True, database=None)
SMALL = st.integers(1, 4)


def integers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).integers(-8, 9, shape).astype(np.float32)


@st.composite
def convolutions(draw, groups: bool = True):
    """(x, weight, options) that fit each other."""
    g = draw(SMALL) if groups else 1
    ci, co = draw(st.integers(1, 12)), draw(st.integers(1, 20))
    kernel, stride, dilation = (draw(st.tuples(SMALL, SMALL)) for _ in range(3))
    pads = draw(st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2))
    size = draw(st.tuples(st.integers(1, 14), st.integers(1, 20)))
    for axis in (0, 1):
        assume(size[axis] + sum(pads[axis]) > dilation[axis] * (kernel[axis] - 1))
    seed = draw(st.integers(0, 2**16))
    x, w = integers(seed, draw(st.integers(1, 2)), g * ci, *size), integers(seed + 1, g * co, ci, *kernel)
    return x, w, {"stride": stride, "dilation": dilation, "padding": pads, "groups": g}


@EXACT
@given(convolutions(), st.integers(-3, 3), st.integers(-3, 3))
def test_linear_in_the_image(case, a, b):
    x, w, options = case
    y = integers(7, *x.shape)
    a, b = np.float32(a), np.float32(b)
    assert np.array_equal(F.conv2d(a * x + b * y, w, **options), a * F.conv2d(x, w, **options) + b * F.conv2d(y, w, **options))


@EXACT
@given(convolutions(), st.integers(-3, 3), st.integers(-3, 3))
def test_linear_in_the_weights(case, a, b):
    x, w, options = case
    v = integers(7, *w.shape)
    a, b = np.float32(a), np.float32(b)
    assert np.array_equal(F.conv2d(x, a * w + b * v, **options), a * F.conv2d(x, w, **options) + b * F.conv2d(x, v, **options))


@EXACT
@given(convolutions())
def test_bias_is_added_to_every_pixel(case):
    x, w, options = case
    bias = integers(3, len(w))
    assert np.array_equal(F.conv2d(x, w, bias, **options), F.conv2d(x, w, **options) + bias[:, None, None])


@EXACT
@given(convolutions(), st.integers(0, 3), st.integers(0, 3))
def test_shifting_the_image_shifts_the_result(case, down, right):
    x, w, options = case
    options["padding"] = 0
    sh, sw = options["stride"]
    wide = np.pad(x, ((0, 0), (0, 0), (down * sh, w.shape[2] * 4), (right * sw, w.shape[3] * 4)))
    still = np.pad(x, ((0, 0), (0, 0), (0, w.shape[2] * 4), (0, w.shape[3] * 4)))
    y = F.conv2d(still, w, **options)
    moved = F.conv2d(wide, w, **options)[:, :, down:, right:]
    assert np.array_equal(moved, y)


@EXACT
@given(convolutions())
def test_groups_are_separate_convolutions(case):
    x, w, options = case
    g = options.pop("groups")
    parts = [F.conv2d(a, b, **options) for a, b in zip(np.split(x, g, 1), np.split(w, g), strict=True)]
    assert np.array_equal(F.conv2d(x, w, groups=g, **options), np.concatenate(parts, 1))


@EXACT
@given(convolutions())
def test_groups_are_a_block_diagonal_kernel(case):
    x, w, options = case
    g = options.pop("groups")
    whole = np.zeros((len(w), x.shape[1], *w.shape[2:]), np.float32)
    co, ci = len(w) // g, w.shape[1]
    for k in range(g):
        whole[k * co : (k + 1) * co, k * ci : (k + 1) * ci] = w[k * co : (k + 1) * co]
    assert np.array_equal(F.conv2d(x, w, groups=g, **options), F.conv2d(x, whole, **options))


@EXACT
@given(convolutions())
def test_dilation_is_a_kernel_stuffed_with_zeros(case):
    x, w, options = case
    dh, dw = options.pop("dilation")
    stuffed = np.zeros((*w.shape[:2], dh * (w.shape[2] - 1) + 1, dw * (w.shape[3] - 1) + 1), np.float32)
    stuffed[:, :, ::dh, ::dw] = w
    assert np.array_equal(F.conv2d(x, w, dilation=(dh, dw), **options), F.conv2d(x, stuffed, **options))


@EXACT
@given(convolutions(), st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
def test_padding_is_np_pad(case, mode):
    x, w, options = case
    pads = options.pop("padding")
    if mode in ("reflect", "circular"):
        assume(all(max(p) < s for p, s in zip(pads, x.shape[2:], strict=True)))
    names = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    padded = np.pad(x, ((0, 0), (0, 0), *pads), mode=names[mode])
    assert np.array_equal(F.conv2d(x, w, padding=pads, padding_mode=mode, **options), F.conv2d(padded, w, **options))


@EXACT
@given(convolutions())
def test_stride_keeps_every_nth_pixel(case):
    x, w, options = case
    sh, sw = options.pop("stride")
    assert np.array_equal(F.conv2d(x, w, stride=(sh, sw), **options), F.conv2d(x, w, **options)[:, :, ::sh, ::sw])


@EXACT
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 30))
def test_1x1_is_a_matrix_product(n, ci, co, h, w):
    x, weight = integers(1, n, ci, h, w), integers(2, co, ci)
    assert np.array_equal(F.conv2d(x, weight[:, :, None, None]), (weight @ x.reshape(n, ci, h * w)).reshape(n, co, h, w))
    assert np.array_equal(F.linear(x.transpose(0, 2, 3, 1), weight), F.conv2d(x, weight[:, :, None, None]).transpose(0, 2, 3, 1))


@EXACT
@given(convolutions(groups=False))
def test_a_flipped_kernel_is_a_true_convolution(case):
    x, w, _ = case
    image, kernel = x[:1, :1], w[:1, :1]
    kh, kw = kernel.shape[2:]
    got = F.conv2d(image, kernel[:, :, ::-1, ::-1], padding=(kh - 1, kw - 1))
    assert np.array_equal(got[0, 0], signal.convolve2d(image[0, 0], kernel[0, 0]))


@EXACT
@given(convolutions())
def test_the_order_of_channels_does_not_matter(case):
    x, w, options = case
    options["groups"] = 1
    w = np.concatenate([w] * (x.shape[1] // w.shape[1]), 1)
    inputs, outputs = np.random.default_rng(0).permutation(x.shape[1]), np.random.default_rng(1).permutation(len(w))
    assert np.array_equal(F.conv2d(x[:, inputs], w[outputs][:, inputs], **options), F.conv2d(x, w, **options)[:, outputs])


@EXACT
@given(convolutions(groups=False))
def test_a_pool_is_a_pool_of_each_channel(case):
    x, w, options = case
    kernel = w.shape[2:]
    assume(all(k <= s for k, s in zip(kernel, x.shape[2:], strict=True)))
    for pool in (F.max_pool2d, F.avg_pool2d):
        whole = pool(x, kernel, options["stride"])
        for c in range(x.shape[1]):
            assert np.array_equal(pool(x[:, c : c + 1], kernel, options["stride"]), whole[:, c : c + 1])
    ones = np.full((x.shape[1], 1, *kernel), 1, np.float32)
    area = np.float32(kernel[0] * kernel[1])
    assert np.array_equal(F.avg_pool2d(x, kernel, options["stride"]), F.conv2d(x, ones, stride=options["stride"], groups=x.shape[1]) / area)
    assert np.array_equal(
        F.max_pool2d(-x, kernel),
        -np.min(np.lib.stride_tricks.sliding_window_view(x, kernel, (2, 3))[:, :, :: kernel[0], :: kernel[1]], (4, 5)),
    )
