"""Resizing by interpolation: nearest and linear, along any dimensions, with every coordinate rule of ONNX's Resize but cropping.

An op family: :mod:`cyconv.functional` and the ONNX importer record it. Attributes, in the order of ``dims``: ``size`` the sizes of the
output, ``scales`` what they were computed from (output over input; None when sizes were asked for); ``mode`` "nearest" or "linear";
``coordinates`` one of COORDINATES; ``rounding`` one of ROUNDINGS, used by "nearest" only. The coordinates are computed in float64.
"""

from __future__ import annotations

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import expect_inputs, real
from cyconv.ops.dtypes import ANY, FLOAT32, expect
from cyconv.ops.reduce import check_dims
from cyconv.shapes import check_shape, integer

COORDINATES = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric", "tf_half_pixel_for_nn")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")

Table = tuple[list[int], list[int], list[float]]


def source_places(size: int, out: int, scale: float | None, coordinates: str) -> np.ndarray:
    """Where on an input axis of ``size`` cells each of ``out`` output cells lies (ONNX, Resize)."""
    x = np.arange(out, dtype=np.float64)

    def back(v: np.ndarray) -> np.ndarray:
        return v * size / out if scale is None else v / scale  # without a scale products are exact and halves stay halves

    length = out if scale is None else scale * size
    if coordinates == "align_corners":
        return np.zeros(out) if out == 1 or length == 1 else x * (size - 1) / (length - 1)
    if coordinates == "asymmetric":
        return back(x)
    if coordinates == "tf_half_pixel_for_nn":
        return back(x + 0.5)
    if coordinates == "pytorch_half_pixel" and out == 1:
        return np.zeros(1)
    centred = back(x + 0.5) - 0.5
    return centred + size / 2 * (1 - out / length) if coordinates == "half_pixel_symmetric" else centred


def round_places(x: np.ndarray, rounding: str) -> np.ndarray:
    """The integer that "nearest" takes for each coordinate."""
    if rounding == "floor":
        return np.floor(x)
    if rounding == "ceil":
        return np.ceil(x)
    return np.ceil(x - 0.5) if rounding == "round_prefer_floor" else np.floor(x + 0.5)


def resize_table(attrs: dict, axis: int, size: int) -> Table:
    """Along the ``axis``-th of the resized dimensions, which has ``size`` cells: two cells that each output cell mixes, and the weight
    of the second; a weight of 0 says that the first stands alone."""
    scales = attrs["scales"]
    x = source_places(size, attrs["size"][axis], None if scales is None else scales[axis], attrs["coordinates"])
    if attrs["mode"] == "nearest":
        first = np.clip(round_places(x, attrs["rounding"]), 0, size - 1).astype(int)
        return first.tolist(), first.tolist(), [0.0] * len(first)
    x = np.clip(x, 0.0, size - 1)
    first = np.floor(x)
    second = np.minimum(first + 1, size - 1)
    return first.astype(int).tolist(), second.astype(int).tolist(), (x - first).tolist()


def infer_interpolate(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """attrs["size"] along attrs["dims"]."""
    expect_inputs("interpolate", shapes, 1)
    x, scales = shapes[0], attrs["scales"]
    dims = check_dims("interpolate", attrs["dims"], len(x))
    size = [integer(s, "interpolate: size", 0) for s in attrs["size"]]
    if len(size) != len(dims) or (scales is not None and len(scales) != len(dims)):
        raise ValueError(f"interpolate: size and scales need one entry for each of {len(dims)} dimensions, got {size} and {scales}")
    if scales is not None and any(not 0 < real(s, "interpolate: scale") < float("inf") for s in scales):
        raise ValueError(f"interpolate: scales must be positive, got {scales}")
    for name, allowed in (("mode", ("nearest", "linear")), ("coordinates", COORDINATES), ("rounding", ROUNDINGS)):
        if attrs[name] not in allowed:
            raise ValueError(f"interpolate: {name} must be one of {', '.join(allowed)}, got {attrs[name]!r}")
    for dim, s in zip(dims, size, strict=True):
        if x[dim] == 0 and s > 0:
            raise ValueError(f"interpolate: dimension {dim} of input {list(x)} is empty and cannot become {s}")
    wanted = dict(zip(dims, size, strict=True))
    return [check_shape([wanted.get(d, old) for d, old in enumerate(x)], "interpolate: output")]


def interpolate_dtypes(op: str, dtypes: list[str], attrs: dict) -> list[str]:
    """Numbers of any kind for "nearest", float32 for "linear"."""
    expect(op, dtypes[0], ANY if attrs["mode"] == "nearest" else (FLOAT32,))
    return dtypes


def interpolate(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """One dimension after the other, the last first."""
    y = inputs[0]
    for axis, dim in sorted(enumerate(attrs["dims"]), key=lambda pair: -pair[1]):
        first, second, weight = resize_table(attrs, axis, y.shape[dim])
        a = np.take(y, np.array(first, int), axis=dim)
        if attrs["mode"] == "linear":
            w = np.array(weight).reshape(-1, *[1] * (y.ndim - dim - 1))
            with np.errstate(all="ignore"):
                a = np.where(w == 0, a, a * (1 - w) + np.take(y, np.array(second, int), axis=dim) * w)
        y = a
    return [np.array(y)]


register(Op("interpolate", infer_interpolate, interpolate, dtypes=interpolate_dtypes))
