"""Activations, element by element, and softmax, log_softmax and dropout.

Input of any shape; NaN gives NaN. Where PyTorch has ``inplace``, it is accepted and has no effect: the result is a new array.
Every function takes a float32 array and gives one of the same shape; TypeError for another type or dtype.
"""

from __future__ import annotations

import warnings

import numpy as np

from cyconv.functional.common import record, reshape
from cyconv.graph import traceable
from cyconv.shapes import normalise_dim


@traceable("input")
def relu(input: np.ndarray, inplace: bool = False) -> np.ndarray:
    """``max(x, 0)``.

    Parameters
    ----------
    input : ndarray, float32, any shape
    inplace : bool
        Has no effect.

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("relu", [input])


@traceable("input")
def relu6(input: np.ndarray, inplace: bool = False) -> np.ndarray:
    """``min(max(x, 0), 6)``.

    Parameters
    ----------
    input : ndarray, float32, any shape
    inplace : bool
        Has no effect.

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("relu6", [input])


@traceable("input")
def sigmoid(input: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(-x))``.

    Parameters
    ----------
    input : ndarray, float32, any shape

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("sigmoid", [input])


@traceable("input")
def tanh(input: np.ndarray) -> np.ndarray:
    """Hyperbolic tangent.

    Parameters
    ----------
    input : ndarray, float32, any shape

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("tanh", [input])


@traceable("input")
def hardswish(input: np.ndarray, inplace: bool = False) -> np.ndarray:
    """``x · min(max(x + 3, 0), 6) / 6``.

    Source: A. Howard et al., Searching for MobileNetV3, ICCV 2019.

    Parameters
    ----------
    input : ndarray, float32, any shape
    inplace : bool
        Has no effect.

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("hardswish", [input])


@traceable("input")
def hardsigmoid(input: np.ndarray, inplace: bool = False) -> np.ndarray:
    """``min(max(x + 3, 0), 6) / 6``.

    Parameters
    ----------
    input : ndarray, float32, any shape
    inplace : bool
        Has no effect.

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("hardsigmoid", [input])


@traceable("input")
def silu(input: np.ndarray, inplace: bool = False) -> np.ndarray:
    """``x · sigmoid(x)``, also called swish.

    Parameters
    ----------
    input : ndarray, float32, any shape
    inplace : bool
        Has no effect.

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("silu", [input])


@traceable("input")
def leaky_relu(input: np.ndarray, negative_slope: float = 0.01, inplace: bool = False) -> np.ndarray:
    """``x`` where x > 0, else ``negative_slope · x``.

    Parameters
    ----------
    input : ndarray, float32, any shape
    negative_slope : float
    inplace : bool
        Has no effect.

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("leaky_relu", [input], negative_slope=negative_slope)


@traceable("input")
def elu(input: np.ndarray, alpha: float = 1.0, inplace: bool = False) -> np.ndarray:
    """``x`` where x > 0, else ``alpha · (exp(x) - 1)``.

    Parameters
    ----------
    input : ndarray, float32, any shape
    alpha : float
    inplace : bool
        Has no effect.

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("elu", [input], alpha=alpha)


@traceable("input")
def softplus(input: np.ndarray, beta: float = 1.0, threshold: float = 20.0) -> np.ndarray:
    """``log(1 + exp(beta·x)) / beta``; ``x`` itself where ``beta·x`` is above ``threshold``.

    Parameters
    ----------
    input : ndarray, float32, any shape
    beta, threshold : float

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("softplus", [input], beta=beta, threshold=threshold)


@traceable("input")
def mish(input: np.ndarray, inplace: bool = False) -> np.ndarray:
    """``x · tanh(softplus(x))``.

    Source: D. Misra, Mish: A Self Regularized Non-Monotonic Activation Function, BMVC 2020.

    Parameters
    ----------
    input : ndarray, float32, any shape
    inplace : bool
        Has no effect.

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("mish", [input])


@traceable("input")
def selu(input: np.ndarray, inplace: bool = False) -> np.ndarray:
    """``scale · x`` where x > 0, else ``scale · alpha · (exp(x) - 1)``, with scale 1.0507… and alpha 1.6732….

    Source: G. Klambauer et al., Self-Normalizing Neural Networks, NIPS 2017.

    Parameters
    ----------
    input : ndarray, float32, any shape
    inplace : bool
        Has no effect.

    Returns
    -------
    ndarray, float32, the shape of ``input``
    """
    return record("selu", [input])


@traceable("input")
def gelu(input: np.ndarray, approximate: str = "none") -> np.ndarray:
    """``x · Φ(x)``, Φ the distribution function of the standard normal distribution.

    Source: D. Hendrycks, K. Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.

    Parameters
    ----------
    input : ndarray, float32, any shape
    approximate : "none" or "tanh"
        "tanh" computes ``x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³)))`` instead.

    Returns
    -------
    ndarray, float32, the shape of ``input``

    Raises
    ------
    ValueError
        When ``approximate`` is another word.
    """
    return record("gelu", [input], approximate=approximate)


@traceable("input", "weight")
def prelu(input: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """``x`` where x > 0, else ``weight · x``, with one weight for all channels or one for each.

    Parameters
    ----------
    input : ndarray, float32, [N, C, ...]
        With fewer than 2 dimensions it counts as one channel.
    weight : ndarray, float32, [1], [C] or a scalar

    Returns
    -------
    ndarray, float32, the shape of ``input``

    Raises
    ------
    ValueError
        When there are neither one nor C weights.
    """
    return record("prelu", [input, reshape(weight, (1,)) if weight.ndim == 0 else weight])


@traceable("input")
def softmax(input: np.ndarray, dim: int | None = None) -> np.ndarray:
    """``exp(x) / Σ exp(x)`` along ``dim``, computed without overflow.

    Parameters
    ----------
    input : ndarray, float32, any shape
    dim : int, optional
        Left out, it is chosen with a warning, as in PyTorch: 0 for 0, 1 and 3 dimensions, else 1.

    Returns
    -------
    ndarray, float32, the shape of ``input``

    Raises
    ------
    ValueError
        When ``dim`` is out of range.
    """
    return _along("softmax", input, dim)


@traceable("input")
def log_softmax(input: np.ndarray, dim: int | None = None) -> np.ndarray:
    """``x - log Σ exp(x)`` along ``dim``, computed without overflow.

    Parameters
    ----------
    input : ndarray, float32, any shape
    dim : int, optional
        As for :func:`softmax`.

    Returns
    -------
    ndarray, float32, the shape of ``input``

    Raises
    ------
    ValueError
        When ``dim`` is out of range.
    """
    return _along("log_softmax", input, dim)


@traceable("input")
def dropout(input: np.ndarray, p: float = 0.5, training: bool = False, inplace: bool = False) -> np.ndarray:
    """The input as it is: dropout acts in training only, and this is an engine for inference.

    Parameters
    ----------
    input : ndarray, float32, any shape
    p : float
        Probability in [0, 1]; checked, otherwise without effect.
    training : bool
        Must be False, which is the default here; PyTorch's default is True.
    inplace : bool
        Has no effect.

    Returns
    -------
    ndarray, float32, the shape of ``input``

    Raises
    ------
    ValueError
        When ``training`` is true or ``p`` outside [0, 1].
    """
    return record("dropout", [input], p=p, training=bool(training))


def _along(op: str, x, dim: int | None):
    """Record ``op`` along ``dim``; a scalar counts as one dimension."""
    if dim is None:
        warnings.warn(f"Implicit dimension choice for {op} has been deprecated. Pass dim as an argument.", UserWarning, stacklevel=2)
        dim = 0 if x.ndim in (0, 1, 3) else 1
    axis = normalise_dim(dim, x.ndim)
    rows = reshape(x, (1,)) if x.ndim == 0 else x
    return reshape(record(op, [rows], dim=axis), x.shape)
