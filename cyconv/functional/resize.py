"""Resizing of signals, images and volumes by interpolation, nearest or linear."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import numpy as np

from cyconv.functional.common import record
from cyconv.graph import traceable
from cyconv.ops.common import real
from cyconv.shapes import integer

# PyTorch's modes: the op's mode, its rule for coordinates, and the dimensions of the input, None for 3 to 5.
MODES: dict[str, tuple[str, str, int | None]] = {
    "nearest": ("nearest", "asymmetric", None),
    "nearest-exact": ("nearest", "tf_half_pixel_for_nn", None),
    "linear": ("linear", "half_pixel", 3),
    "bilinear": ("linear", "half_pixel", 4),
    "trilinear": ("linear", "half_pixel", 5),
}


@traceable("input")
def interpolate(
    input: np.ndarray,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> np.ndarray:
    """The input at another size, nearest or linear along each spatial dimension.

    Parameters
    ----------
    input : ndarray, float32, [N, C, W], [N, C, H, W] or [N, C, D, H, W]
    size : int or sequence of int, optional
        Of the output; one for all spatial dimensions, or one for each.
    scale_factor : float or sequence of float, optional
        Instead of ``size``: output over input, rounded down.
    mode : "nearest", "nearest-exact", "linear" (3 dimensions), "bilinear" (4) or "trilinear" (5)
        PyTorch's "bicubic" and "area" are refused.
    align_corners : bool, optional
        For the linear modes: the centres of the corner cells stay where they are.
    recompute_scale_factor : bool, optional
        Compute coordinates from the sizes, not from ``scale_factor``.
    antialias : bool
        Must be False.

    Returns
    -------
    ndarray, float32
        Coordinates are computed in float64, PyTorch's in float32: where they fall close to the middle or edge of a cell, "nearest"
        may take its neighbour.

    Raises
    ------
    ValueError
        When the mode does not fit the number of dimensions, or not exactly one of ``size`` and ``scale_factor`` is given.
    """
    if mode not in MODES:
        raise ValueError(f"interpolate: mode must be one of {', '.join(MODES)}, got {mode!r}")
    if antialias:
        raise ValueError("interpolate: antialias=True is not supported")
    kind, coordinates, ndim = MODES[mode]
    if input.ndim not in ((3, 4, 5) if ndim is None else (ndim,)):
        raise ValueError(f"interpolate: mode {mode!r} takes {ndim or '3, 4 or 5'} dimensions, got input of size {list(input.shape)}")
    if align_corners is not None and kind == "nearest":
        raise ValueError("interpolate: align_corners option can only be set with the modes: linear | bilinear | trilinear")
    if align_corners:
        coordinates = "align_corners"
    spatial = input.shape[2:]
    sizes, scales = _output_size(spatial, size, scale_factor)
    if recompute_scale_factor and size is not None:
        raise ValueError("interpolate: recompute_scale_factor is not meaningful with an explicit size")
    if recompute_scale_factor or align_corners:
        scales = None
    dims = tuple(range(2, input.ndim))
    return record("interpolate", [input], dims=dims, size=sizes, scales=scales, mode=kind, coordinates=coordinates, rounding="floor")


def _for_each(value, count: int, name: str) -> tuple:
    """``value`` once for each of ``count`` spatial dimensions."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,) * count
    if len(values) != count:
        raise ValueError(f"interpolate: {name} must have one entry for each of {count} spatial dimensions, got {value!r}")
    return values


def _output_size(spatial: tuple[int, ...], size, scale_factor) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
    """Sizes of the output, and the scales they came from."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: either size or scale_factor should be defined, and only one of them")
    if size is not None:
        return tuple(integer(s, "size", 1) for s in _for_each(size, len(spatial), "size")), None
    scales = tuple(real(s, "scale_factor") for s in _for_each(scale_factor, len(spatial), "scale_factor"))
    sizes = tuple(floor(old * scale) for old, scale in zip(spatial, scales, strict=True))
    if min(sizes) < 1:
        given = f"scale_factor {scale_factor} for {list(spatial)}"
        raise ValueError(f"interpolate: Input and output sizes should be greater than 0, got {given}")
    return sizes, scales
