"""Normalisations over channels, for inference: batch_norm with fixed statistics, and local_response_norm."""

from __future__ import annotations

import numpy as np

from cyconv.functional.common import record
from cyconv.graph import traceable


@traceable("input", "running_mean", "running_var", "weight", "bias")
def batch_norm(
    input: np.ndarray,
    running_mean: np.ndarray | None,
    running_var: np.ndarray | None,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> np.ndarray:
    """``y = (x - running_mean) / sqrt(running_var + eps) · weight + bias``, channel by channel.

    Source: S. Ioffe, C. Szegedy, Batch Normalization, ICML 2015; the inference form.

    Parameters
    ----------
    input : ndarray, float32, [N, C, ...]
    running_mean, running_var : ndarray, float32, [C]
    weight, bias : ndarray, float32, [C], optional
        Ones and zeros when left out.
    training : bool
        Must be False: statistics of a batch belong to training.
    momentum : float
        Has no meaning in inference; it stands here to keep PyTorch's order of arguments.
    eps : float

    Returns
    -------
    ndarray, float32, the shape of ``input``

    Raises
    ------
    TypeError
        When an array is not a float32 NumPy array.
    ValueError
        When ``training`` is true, the statistics are missing, or shapes do not fit each other.
    """
    if training:
        raise ValueError("batch_norm with training=True: plans are for inference; call eval() first")
    if running_mean is None or running_var is None:
        raise ValueError("Expected running_mean and running_var to be defined when training=False")
    channels = running_mean.shape
    weight = np.ones(channels, np.float32) if weight is None else weight
    bias = np.zeros(channels, np.float32) if bias is None else bias
    return record("batch_norm", [input, running_mean, running_var, weight, bias], eps=eps)


@traceable("input")
def local_response_norm(input: np.ndarray, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> np.ndarray:
    """``y_c = x_c / (k + alpha/size · Σ x_j²)^beta`` over the ``size`` channels j around c.

    Source: A. Krizhevsky, I. Sutskever, G. Hinton, ImageNet Classification, NIPS 2012, with PyTorch's division by ``size``.

    Parameters
    ----------
    input : ndarray, float32, [N, C, ...] with at least 3 dimensions
    size : int
        j runs from ``c - size//2`` to ``c + (size-1)//2``, where such channels exist.
    alpha, beta, k : float

    Returns
    -------
    ndarray, float32, the shape of ``input``

    Raises
    ------
    TypeError
        When the input is not a float32 NumPy array or an option not a number.
    ValueError
        When ``size`` is below 1 or the input has fewer than 3 dimensions.
    """
    return record("local_response_norm", [input], size=size, alpha=alpha, beta=beta, k=k)
