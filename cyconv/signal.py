"""True convolution, as mathematics and the lecture define it, in one and two dimensions.

What networks call convolution is cross-correlation (:func:`cyconv.functional.conv2d`); true convolution flips the kernel first, and
that is how it is computed here. Modes and sizes are SciPy's. Layer of the house: beside functional, on which it builds.
"""

from __future__ import annotations

import math
from numbers import Real

import numpy as np

from cyconv.functional import conv2d
from cyconv.graph.arrays import as_array

MODES = ("full", "same", "valid")


def convolve(a: np.ndarray, v: np.ndarray, mode: str = "full", dt: float | None = None) -> np.ndarray:
    """Discrete convolution of two signals; with a sample spacing, an approximation of the continuous one.

    Discrete:   (a*v)(t) = Σ_i a(i) v(t-i) = Σ_i a(t-i) v(i)
    Continuous: (f*g)(t) = ∫ f(τ) g(t-τ) dτ = ∫ f(t-τ) g(τ) dτ ≈ dt · Σ_i a(i) v(t-i) for the samples a, v of f, g.

    Parameters
    ----------
    a, v : ndarray, float32, [N] and [M]
        Not empty. The continuous functions count as 0 outside of the samples.
    mode : "full", "same" or "valid"
        "full" gives every t at which the two overlap. "same" gives the N values in the middle of that. "valid" gives the t at
        which the shorter one lies wholly inside the longer.
    dt : float, optional
        The spacing of the samples of both; the sum is multiplied by it.

    Returns
    -------
    ndarray, float32, [N + M - 1], [N] or [|N - M| + 1]
        As ``scipy.signal.convolve`` gives it.

    Raises
    ------
    TypeError
        When an array is not a float32 NumPy array, or ``dt`` not a number.
    ValueError
        When an array is empty or not 1-D, the mode is unknown, or ``dt`` is not positive and finite.

    Examples
    --------
    >>> convolve(np.float32([1, 2, 3]), np.float32([0, 1, 0.5]))
    array([0. , 1. , 2.5, 4. , 1.5], dtype=float32)
    """
    a, v = _checked(a, "a", 1), _checked(v, "v", 1)
    if dt is not None:
        _check_spacing(dt)
    y = _convolve(a[None, :], v[None, :], mode)[0]
    return y if dt is None else y * np.float32(dt)


def convolve2d(image: np.ndarray, kernel: np.ndarray, mode: str = "full") -> np.ndarray:
    """Convolution of an image with a kernel, which is flipped in both directions.

    (I*K)(i,j) = Σ_m Σ_n I(m,n) K(i-m, j-n) = Σ_m Σ_n I(i-m, j-n) K(m,n)

    Parameters
    ----------
    image, kernel : ndarray, float32, [H, W] and [P, Q]
        Not empty; they count as 0 outside.
    mode : "full", "same" or "valid"
        "full" gives every (i, j) at which the two overlap. "same" gives the H×W values in the middle of that. "valid" gives the
        (i, j) at which one lies wholly inside the other.

    Returns
    -------
    ndarray, float32, [H + P - 1, W + Q - 1], [H, W] or [|H - P| + 1, |W - Q| + 1]
        As ``scipy.signal.convolve2d`` gives it.

    Raises
    ------
    TypeError
        When an array is not a float32 NumPy array.
    ValueError
        When an array is empty or not 2-D, the mode is unknown, or in mode "valid" neither contains the other.
    """
    return _convolve(_checked(image, "image", 2), _checked(kernel, "kernel", 2), mode)


def _convolve(image: np.ndarray, kernel: np.ndarray, mode: str) -> np.ndarray:
    """:func:`convolve2d` after the checks of the arrays; a signal is an image of height 1."""
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    sizes = list(zip(image.shape, kernel.shape, strict=True))
    if mode == "valid":
        if any(n < m for n, m in sizes):
            if any(n > m for n, m in sizes):
                raise ValueError(
                    "For 'valid' mode, one must be at least as large as the other in every dimension, "
                    f"got shapes {list(image.shape)} and {list(kernel.shape)}"
                )
            image, kernel = kernel, image  # convolution is symmetric
        sides = [(0, 0) for _ in sizes]
    elif mode == "same":
        # The middle of "full" begins (m-1)//2 values after its start.
        sides = [(m - 1 - (m - 1) // 2, (m - 1) // 2) for _, m in sizes]
    else:
        sides = [(m - 1, m - 1) for _, m in sizes]
    flipped = np.ascontiguousarray(kernel[::-1, ::-1])
    return conv2d(image[None], flipped[None, None], padding=tuple(sides))[0]


def _checked(array, name: str, ndim: int) -> np.ndarray:
    """``array`` as float32 with ``ndim`` dimensions and at least one element; TypeError or ValueError otherwise."""
    x = as_array(array, name)
    if x.ndim != ndim or x.size == 0:
        raise ValueError(f"{name}: expected a {ndim}-D array that is not empty, got shape {list(x.shape)}")
    return x


def _check_spacing(dt) -> None:
    """Raise unless ``dt`` is a positive finite number."""
    if isinstance(dt, bool) or not isinstance(dt, Real):
        raise TypeError(f"dt must be a number, got {dt!r} ({type(dt).__name__})")
    if not (float(dt) > 0 and math.isfinite(dt)):
        raise ValueError(f"dt must be positive and finite, got {dt}")
