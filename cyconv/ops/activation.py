"""Activations, one op each, and dropout, which is the identity in inference.

An op family: :mod:`cyconv.functional` records it, passes fuse relu into stores, an element-wise kernel computes the rest.
All take one input of any shape (prelu also its weight); NaN and infinity give what PyTorch gives in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import expect_inputs, infer_same, over_channels, real
from cyconv.shapes import check_shape

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _relu6(x: np.ndarray) -> np.ndarray:
    return np.clip(x, 0.0, 6.0)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def _gelu(x: np.ndarray, approximate: str) -> np.ndarray:
    """x·Φ(x) with the normal distribution Φ, or its tanh approximation (Hendrycks and Gimpel 2016)."""
    if approximate == "tanh":
        return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
    # 1 + erf(t) = erfc(-t), without the cancellation at negative t.
    return 0.5 * x * _erfc(-x / math.sqrt(2.0))


def _check_gelu(attrs: dict) -> None:
    if attrs["approximate"] not in ("none", "tanh"):
        raise ValueError(f"approximate argument must be either none or tanh, got {attrs['approximate']!r}")


def _check_dropout(attrs: dict) -> None:
    if not 0.0 <= real(attrs["p"], "p") <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {attrs['p']}")
    if attrs["training"]:
        raise ValueError("dropout with training=True: plans are for inference; call eval() first")


def _register(name: str, function: Callable[..., np.ndarray], *attributes: str, check: Callable[[dict], object] | None = None) -> None:
    """Register ``y = function(x, *attributes)``; without a ``check`` the attributes must be numbers."""

    def check_numbers(attrs: dict) -> None:
        for a in attributes:
            real(attrs[a], a)

    @np.errstate(all="ignore")
    def reference(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
        return [np.asarray(function(inputs[0], *(attrs[a] for a in attributes)))]

    register(Op(name, infer_same(name, check or check_numbers), reference))


def infer_prelu(shapes: list[Shape], attrs: dict) -> list[Shape]:
    """The shape of x[N, C, ...]; weight is [1] or [C], where an input with fewer than 2 dimensions has one channel."""
    expect_inputs("prelu", shapes, 2)
    x, weight = shapes
    channels = x[1] if len(x) > 1 else 1
    if weight not in ((1,), (channels,)):
        raise ValueError(
            "prelu: Mismatch of parameter numbers and input channel size. "
            f"Expected weight of size [1] or [{channels}] for input of size {list(x)}, but got weight of size {list(weight)}"
        )
    return [check_shape(x, "prelu: input")]


@np.errstate(all="ignore")
def prelu(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = x where x > 0, else weight · x."""
    x, weight = inputs
    slope = over_channels(weight, x.ndim) if weight.size != 1 else weight[0]
    return [np.where(x > 0, x, slope * x)]


_register("relu", lambda x: np.maximum(x, 0.0))
_register("relu6", _relu6)
_register("leaky_relu", lambda x, slope: np.where(x > 0, x, slope * x), "negative_slope")
_register("sigmoid", _sigmoid)
_register("tanh", np.tanh)
_register("hardswish", lambda x: x * _relu6(x + 3.0) / 6.0)
_register("hardsigmoid", lambda x: _relu6(x + 3.0) / 6.0)
_register("silu", lambda x: x * _sigmoid(x))
_register("gelu", _gelu, "approximate", check=_check_gelu)
_register("elu", lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)), "alpha")
_register("dropout", lambda x: x.copy(), check=_check_dropout)
register(Op("prelu", infer_prelu, prelu))
