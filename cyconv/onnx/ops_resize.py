"""Resize and Upsample. Handlers of the importer; the table is in registry.py."""

from __future__ import annotations

from math import floor

import numpy as np

from cyconv.onnx.errors import Unsupported
from cyconv.onnx.ops_reduce import axes_of
from cyconv.onnx.registry import Call, Value, operator
from cyconv.onnx.resample import Rule, resample
from cyconv.ops.resize import COORDINATES, ROUNDINGS

Extent = tuple[list[int], list[float] | None]  # sizes of the axes, and what they were computed from: None when sizes were asked for


@operator("Upsample", 1)
def upsample_1(call: Call) -> Value:
    """An attribute for each axis of an image."""
    modes = {"nearest": "nearest", "bilinear": "linear"}
    return _old(call, [1.0, 1.0, call["height_scale"], call["width_scale"]], modes.get(call["mode"], call["mode"]))


@operator("Upsample", 7)
def upsample_7(call: Call) -> Value:
    """The scales are an attribute."""
    return _old(call, call["scales"], call["mode"])


@operator("Upsample", 9, known=(1,))
def upsample_9(call: Call) -> Value:
    """The scales are an input."""
    return _old(call, _numbers(call, 1, "scales"), call["mode"])


@operator("Resize", 10, known=(1,))
def resize_10(call: Call) -> Value:
    """As Upsample, also to smaller sizes."""
    return _old(call, _numbers(call, 1, "scales"), call["mode"])


def _old(call: Call, scales: list[float], mode: str) -> Value:
    """What Upsample and the first Resize mean, in the words of the newer ones: places are rounded down where an axis grows, else up."""
    x = call.input(0)
    sizes = _scaled(x, range(x.ndim), scales)
    for rounding, chosen in (("floor", [s >= 1 for s in scales]), ("ceil", [s < 1 for s in scales])):
        rule = Rule(mode, "asymmetric", rounding, False, False, 0.0, 0.0)
        dims = [dim for dim in range(x.ndim) if chosen[dim]]
        x = _resized(call, x, rule, dims, ([sizes[d] for d in dims], [scales[d] for d in dims]))
    return x


@operator("Resize", 11, 13, 18, 19, known=(1, 2, 3))
def resize(call: Call) -> Value:
    """By scales or to sizes, of all or some axes, with a rule for coordinates."""
    x = call.input(0)
    coordinates, fill = call["coordinate_transformation_mode"], call["extrapolation_value"]
    antialias, exclude = bool(call.get("antialias", 0)), bool(call["exclude_outside"])
    rule = Rule(call["mode"], coordinates, call["nearest_mode"], antialias, exclude, call["cubic_coeff_a"], fill)
    axes = call.get("axes")
    dims = list(range(x.ndim)) if axes is None else [axes_of(x, [axis])[0] for axis in axes]
    scales, sizes = _numbers(call, 2, "scales"), call.ints(3, "sizes")
    if bool(scales) == bool(sizes):
        raise ValueError(f"it needs scales or sizes, got {scales} and {sizes}")
    regions = _regions(call, len(dims)) if coordinates == "tf_crop_and_resize" else None
    extent = (
        _sizes(x, dims, sizes, call.get("keep_aspect_ratio_policy", "stretch")) if sizes else (_scaled(x, dims, scales, regions), scales)
    )
    return _resized(call, x, rule, dims, extent, regions)


def _regions(call: Call, axes: int) -> list[tuple[float, float]]:
    """(start, end) along each axis of what is cropped."""
    roi = _numbers(call, 1, "region")
    if len(roi) != 2 * axes:
        raise ValueError(f"its region must hold {2 * axes} numbers, got {roi}")
    return list(zip(roi[:axes], roi[axes:], strict=True))


def _sizes(x: Value, dims: list[int], sizes: list[int], policy: str) -> Extent:
    """The sizes, and the common scale where the ratio is to be kept."""
    if len(sizes) != len(dims) or min(sizes) < 0:
        raise ValueError(f"sizes {sizes} do not fit {len(dims)} axes")
    if policy == "stretch":
        return sizes, None
    choose = {"not_larger": min, "not_smaller": max}.get(policy)
    if choose is None:
        raise Unsupported(f"keep_aspect_ratio_policy = {policy!r}")
    scale = choose(size / max(x.shape[dim], 1) for dim, size in zip(dims, sizes, strict=True))
    return [floor(scale * x.shape[dim] + 0.5) for dim in dims], [scale] * len(dims)


def _numbers(call: Call, place: int, what: str) -> list[float]:
    """The known floating-point numbers at ``place``."""
    array = call.known(place, what)
    return [] if array is None else [float(v) for v in array.reshape(-1)]


def _scaled(x: Value, dims, scales: list[float], regions: list | None = None) -> list[int]:
    """Every size times its scale (and the part that is cropped), rounded down; in float32, as others compute it."""
    if len(scales) != len(dims) or not all(0 < scale < 2**31 for scale in scales):
        raise ValueError(f"scales {scales} do not fit {len(dims)} axes")
    parts = [np.float32(end) - np.float32(start) for start, end in regions] if regions else [np.float32(1)] * len(scales)
    products = [np.float32(x.shape[dim]) * part * np.float32(scale) for dim, part, scale in zip(dims, parts, scales, strict=True)]
    if not all(0 <= product < 2**31 for product in products):
        raise ValueError(f"scales {scales} make sizes {[float(p) for p in products]}")
    return [int(np.floor(product)) for product in products]


def _resized(call: Call, x: Value, rule: Rule, dims: list[int], extent: Extent, regions: list | None = None) -> Value:
    """``x`` resized along the axes that change; all but nearest and linear at plain coordinates as products with matrices."""
    sizes, scales = extent
    if rule.mode not in ("nearest", "linear", "cubic"):
        raise Unsupported(f"mode = {rule.mode!r}")
    if rule.rounding not in ROUNDINGS or rule.coordinates not in (*COORDINATES, "tf_crop_and_resize"):
        raise Unsupported(f"nearest_mode = {rule.rounding!r}, coordinate_transformation_mode = {rule.coordinates!r}")
    each: list[float | None] = [None] * len(dims) if scales is None else [*scales]
    whole = [(0.0, 1.0)] * len(dims) if regions is None else regions
    changing = [i for i, d in enumerate(dims) if (sizes[i], each[i] or 1, whole[i]) != (x.shape[d], 1, (0.0, 1.0))]
    if not changing:
        return x
    dims, sizes, each = [dims[i] for i in changing], [sizes[i] for i in changing], [each[i] for i in changing]
    if regions is None and rule.mode != "cubic" and not rule.antialias and not rule.exclude_outside:
        how = {"mode": rule.mode, "coordinates": rule.coordinates, "rounding": rule.rounding}
        return call.emit("interpolate", x, dims=tuple(dims), size=tuple(sizes), scales=None if scales is None else tuple(each), **how)
    if any(x.shape[dim] == 0 for dim in dims) or 0 in sizes:
        raise ValueError(f"resizing dimensions {dims} of {list(x.shape)} to {sizes}, where one is empty")
    return resample(call, x, rule, dims, (sizes, each), None if regions is None else [regions[i] for i in changing])
