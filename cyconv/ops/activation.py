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
from cyconv.ops.dtypes import FLOATS, DtypeRule
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


def _softplus(x: np.ndarray, beta: float, threshold: float) -> np.ndarray:
    """ln(1 + e^(beta·x)) / beta, or x itself where beta·x is above the threshold."""
    return np.where(x * beta > threshold, x, np.logaddexp(0.0, x * beta) / beta)


def _selu(x: np.ndarray) -> np.ndarray:
    """The constants make mean 0 and variance 1 a fixed point (Klambauer et al., 2017)."""
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))


def register_unary(
    name: str,
    function: Callable[..., np.ndarray],
    *attributes: str,
    check: Callable[[dict], object] | None = None,
    dtypes: DtypeRule = FLOATS,
) -> None:
    """Register ``y = function(x, *attributes)``; without a ``check`` the attributes must be numbers."""

    def check_numbers(attrs: dict) -> None:
        for a in attributes:
            real(attrs[a], a)

    @np.errstate(all="ignore")
    def reference(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
        return [np.asarray(function(inputs[0], *(attrs[a] for a in attributes)))]

    register(Op(name, infer_same(name, check or check_numbers), reference, dtypes=dtypes))


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


register_unary("relu", lambda x: np.maximum(x, 0.0))
register_unary("relu6", _relu6)
register_unary("leaky_relu", lambda x, slope: np.where(x > 0, x, slope * x), "negative_slope")
register_unary("sigmoid", _sigmoid)
register_unary("tanh", np.tanh)
register_unary("hardswish", lambda x: x * _relu6(x + 3.0) / 6.0)
register_unary("hardsigmoid", lambda x: _relu6(x + 3.0) / 6.0)
register_unary("silu", lambda x: x * _sigmoid(x))
register_unary("gelu", _gelu, "approximate", check=_check_gelu)
register_unary("elu", lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)), "alpha")
register_unary("selu", _selu)
register_unary("softplus", _softplus, "beta", "threshold")
register_unary("mish", lambda x: x * np.tanh(np.logaddexp(0.0, x)))
register_unary("dropout", lambda x: x.copy(), check=_check_dropout)
register(Op("prelu", infer_prelu, prelu))
