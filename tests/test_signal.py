"""True convolution against its definition, written out with loops in both index forms, and against SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.signal

from cyconv.signal import convolve, convolve2d

from .functional.helpers import EPS, check_arrays, normal, small_integers

LENGTHS = [(1, 1), (5, 1), (1, 5), (7, 3), (7, 4), (3, 7), (4, 7), (6, 6), (40, 17)]
SHAPES = [
    ((1, 1), (1, 1)),
    ((7, 7), (3, 3)),
    ((6, 5), (2, 4)),
    ((3, 4), (5, 6)),
    ((2, 9), (5, 3)),
    ((5, 3), (2, 9)),
    ((4, 4), (4, 4)),
    ((5, 6), (3, 6)),
    ((3, 6), (5, 6)),
]
MODES = ["full", "same", "valid"]


def one_dimension(a: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Σ_i a(i) v(t-i) and Σ_i a(t-i) v(i), for every t at which they overlap."""
    size = len(a) + len(v) - 1
    first, second = np.zeros(size), np.zeros(size)
    for t in range(size):
        for i in range(size):
            if i < len(a) and 0 <= t - i < len(v):
                first[t] += a[i] * v[t - i]
            if 0 <= t - i < len(a) and i < len(v):
                second[t] += a[t - i] * v[i]
    return first, second


def two_dimensions(image: np.ndarray, kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Σ_m Σ_n I(m,n) K(i-m, j-n) and Σ_m Σ_n I(i-m, j-n) K(m,n), for every (i, j) at which they overlap."""
    size = tuple(n + m - 1 for n, m in zip(image.shape, kernel.shape, strict=True))
    first, second = np.zeros(size), np.zeros(size)
    for i, j in np.ndindex(*size):
        for m, n in np.ndindex(*size):
            if m < image.shape[0] and n < image.shape[1] and 0 <= i - m < kernel.shape[0] and 0 <= j - n < kernel.shape[1]:
                first[i, j] += image[m, n] * kernel[i - m, j - n]
            if 0 <= i - m < image.shape[0] and 0 <= j - n < image.shape[1] and m < kernel.shape[0] and n < kernel.shape[1]:
                second[i, j] += image[i - m, j - n] * kernel[m, n]
    return first, second


@pytest.mark.parametrize(("n", "m"), LENGTHS)
def test_both_index_forms_in_one_dimension(n, m):
    a, v = small_integers(n, seed=1), small_integers(m, seed=2)
    first, second = one_dimension(a, v)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(convolve(a, v), first.astype(np.float32), strict=True)
    np.testing.assert_array_equal(convolve(v, a), convolve(a, v), strict=True)


@pytest.mark.parametrize(("image", "kernel"), SHAPES)
def test_both_index_forms_in_two_dimensions(image, kernel):
    image, kernel = small_integers(*image, seed=1), small_integers(*kernel, seed=2)
    first, second = two_dimensions(image, kernel)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(convolve2d(image, kernel), first.astype(np.float32), strict=True)
    np.testing.assert_array_equal(convolve2d(kernel, image), convolve2d(image, kernel), strict=True)


@pytest.mark.parametrize(("n", "m"), LENGTHS)
@pytest.mark.parametrize("mode", MODES)
def test_convolve_agrees_with_scipy(n, m, mode):
    a, v = small_integers(n, seed=1), small_integers(m, seed=2)
    np.testing.assert_array_equal(convolve(a, v, mode), scipy.signal.convolve(a, v, mode, method="direct"), strict=True)
    a, v = normal(n, seed=1), normal(m, seed=2)
    want, magnitude = (scipy.signal.convolve(*(f(x).astype(np.float64) for x in (a, v)), mode, method="direct") for f in (np.array, np.abs))
    assert (np.abs(convolve(a, v, mode) - want) <= min(n, m) * EPS * magnitude).all()


@pytest.mark.parametrize(("image", "kernel"), SHAPES)
@pytest.mark.parametrize("mode", MODES)
def test_convolve2d_agrees_with_scipy(image, kernel, mode):
    image, kernel = small_integers(*image, seed=1), small_integers(*kernel, seed=2)
    try:
        want = scipy.signal.convolve2d(image, kernel, mode)
    except ValueError:
        with pytest.raises(ValueError, match="at least as large as the other in every dimension"):
            convolve2d(image, kernel, mode)
        return
    np.testing.assert_array_equal(convolve2d(image, kernel, mode), want, strict=True)


def test_the_disagreement_of_shapes_was_tested():
    with pytest.raises(ValueError):
        scipy.signal.convolve2d(np.ones(SHAPES[4][0]), np.ones(SHAPES[4][1]), "valid")


def test_samples_approximate_the_continuous_integral():
    """Two Gaussians of variances s² and t² give one of variance s² + t²; the sum is exact to the rounding for a function so smooth."""
    dt, s, t = 0.05, 0.6, 0.8
    x = np.arange(-8, 8 + dt / 2, dt)

    def gaussian(deviation: float) -> np.ndarray:
        return np.exp(-(x**2) / (2 * deviation**2)) / (deviation * np.sqrt(2 * np.pi))

    f, g = gaussian(s).astype(np.float32), gaussian(t).astype(np.float32)
    got = convolve(f, g, "same", dt=dt)
    bound = (len(x) + 3) * EPS * dt * scipy.signal.convolve(f, g, "same", method="direct").max()
    assert np.abs(got - gaussian(np.hypot(s, t))).max() <= bound
    np.testing.assert_array_equal(convolve(f, g, dt=1), convolve(f, g))


def test_a_network_layer_is_the_flipped_one():
    from cyconv.functional import conv2d

    image, kernel = small_integers(7, 7, seed=1), small_integers(3, 3, seed=2)
    np.testing.assert_array_equal(convolve2d(image, kernel[::-1, ::-1], "valid"), conv2d(image[None], kernel[None, None])[0], strict=True)


def test_nan_reaches_what_overlaps_it():
    a, v = normal(9), normal(3)
    a[4] = np.nan
    np.testing.assert_array_equal(np.isnan(convolve(a, v)), np.isin(np.arange(11), [4, 5, 6]))


def test_arrays_are_checked_and_kept():
    check_arrays(convolve, ["a", "v"], normal(9), normal(4))
    check_arrays(convolve2d, ["image", "kernel"], normal(9, 8), normal(4, 3))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"mode": "wrap"}, ValueError),
        ({"mode": None}, ValueError),
        ({"dt": 0}, ValueError),
        ({"dt": -0.1}, ValueError),
        ({"dt": float("inf")}, ValueError),
        ({"dt": float("nan")}, ValueError),
        ({"dt": "1"}, TypeError),
        ({"dt": True}, TypeError),
    ],
)
def test_refused_options(options, error):
    with pytest.raises(error, match=next(iter(options))):
        convolve(normal(5), normal(3), **options)


def test_refused_shapes():
    for x, function in itertools.product([normal(0), normal(2, 2, 2), np.asarray(normal())], [convolve, convolve2d]):
        y = normal(3) if function is convolve else normal(3, 3)
        for arguments, name in (((x, y), "^(a|image)"), ((y, x), "^(v|kernel)")):
            with pytest.raises(ValueError, match=name):
                function(*arguments)
    with pytest.raises(ValueError, match="mode"):
        convolve2d(normal(3, 3), normal(2, 2), "wrap")
