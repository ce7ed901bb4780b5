"""Normalisations, for inference: by fixed statistics, by neighbouring channels, and by the moments of the data itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cyconv.functional.common import record
from cyconv.graph import traceable
from cyconv.shapes import integer


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


def _affine(shape: tuple[int, ...], weight, bias) -> list:
    """Weight and bias, ones and zeros where they are missing."""
    return [np.ones(shape, np.float32) if weight is None else weight, np.zeros(shape, np.float32) if bias is None else bias]


@traceable("input", "weight", "bias")
def layer_norm(
    input: np.ndarray,
    normalized_shape: Sequence[int],
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    eps: float = 1e-5,
) -> np.ndarray:
    """``y = (x - mean) / sqrt(var + eps) · weight + bias`` with mean and (biased) variance over the last dimensions.

    Source: J. Ba, J. Kiros, G. Hinton, Layer Normalization, 2016.

    Parameters
    ----------
    input : ndarray, float32, [..., *normalized_shape]
    normalized_shape : sequence of int
        The sizes of the dimensions that are normalised together.
    weight, bias : ndarray, float32, normalized_shape, optional
        Ones and zeros when left out.
    eps : float

    Returns
    -------
    ndarray, float32, the shape of ``input``

    Raises
    ------
    TypeError
        When an array is not a float32 NumPy array or ``normalized_shape`` not a sequence of ints.
    ValueError
        When the last dimensions of the input are not ``normalized_shape``, or shapes do not fit each other.
    """
    if not isinstance(normalized_shape, (list, tuple)):
        raise TypeError(f"normalized_shape must be a list or tuple of ints, got {normalized_shape!r} ({type(normalized_shape).__name__})")
    sizes = tuple(integer(size, "normalized_shape", 0) for size in normalized_shape)
    if not sizes:
        raise ValueError("layer_norm: expected normalized_shape to be at least 1-dimensional, but got normalized_shape = []")
    first = input.ndim - len(sizes)
    if first < 0 or input.shape[first:] != sizes:
        raise ValueError(
            f"Given normalized_shape={list(sizes)}, expected input with shape [*, {str(list(sizes))[1:-1]}], "
            f"but got input of size {list(input.shape)}"
        )
    return record("layer_norm", [input, *_affine(sizes, weight, bias)], dims=tuple(range(first, input.ndim)), eps=eps)


@traceable("input", "weight", "bias")
def group_norm(
    input: np.ndarray, num_groups: int, weight: np.ndarray | None = None, bias: np.ndarray | None = None, eps: float = 1e-5
) -> np.ndarray:
    """``y = (x - mean) / sqrt(var + eps) · weight + bias`` with mean and (biased) variance of each group of an image's channels.

    Source: Y. Wu, K. He, Group Normalization, 2018.

    Parameters
    ----------
    input : ndarray, float32, [N, C, ...]
    num_groups : int
        Divides C.
    weight, bias : ndarray, float32, [C], optional
        Ones and zeros when left out.
    eps : float

    Returns
    -------
    ndarray, float32, the shape of ``input``

    Raises
    ------
    TypeError
        When an array is not a float32 NumPy array or ``num_groups`` not an int.
    ValueError
        When ``num_groups`` does not divide C or shapes do not fit each other.
    """
    if input.ndim < 2:
        raise ValueError(f"Expected at least 2 dimensions for input to group_norm, but received {input.ndim}")
    return record("group_norm", [input, *_affine((input.shape[1],), weight, bias)], num_groups=num_groups, eps=eps)


@traceable("input", "running_mean", "running_var", "weight", "bias")
def instance_norm(
    input: np.ndarray,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> np.ndarray:
    """``y = (x - mean) / sqrt(var + eps) · weight + bias`` with mean and (biased) variance of each channel of each image.

    Source: D. Ulyanov, A. Vedaldi, V. Lempitsky, Instance Normalization, 2016.

    Parameters
    ----------
    input : ndarray, float32, [N, C, ...] with at least 3 dimensions
    running_mean, running_var : ndarray, float32, [C], optional
        Used in place of the image's own when ``use_input_stats`` is false.
    weight, bias : ndarray, float32, [C], optional
        Ones and zeros when left out.
    use_input_stats : bool
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
        When a channel has one element only, statistics are missing, or shapes do not fit each other.
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError("Expected running_mean and running_var to be defined when use_input_stats=False")
        return batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
    if input.ndim < 3:
        raise ValueError(
            f"instance_norm: expected input [N, C, ...] with at least 3 dimensions, but got input of size: {list(input.shape)}"
        )
    if all(size == 1 for size in input.shape[2:]):
        raise ValueError(f"Expected more than 1 spatial element, got input size {list(input.shape)}")
    return record("instance_norm", [input, *_affine((input.shape[1],), weight, bias)], eps=eps)
