"""Initial values of parameters, drawn from one generator of random numbers that :func:`manual_seed` restarts.

Every function gives a new read-only float32 array, as modules keep them. Called by the layers and by models; the
distributions are PyTorch's, the numbers are not.
"""

from __future__ import annotations

import math

import numpy as np

_generator = np.random.default_rng()

# Fewer normal numbers than this share inside the bounds of trunc_normal would take too many draws.
_LEAST_MASS = 1e-3


def manual_seed(seed: int) -> None:
    """Restart the generator, so that networks built from here on get the same parameters every time.

    Parameters
    ----------
    seed : int
        Not negative.

    Notes
    -----
    The generator is one for the process. Drawing from several threads is safe, but which thread gets which numbers is
    then a matter of timing.
    """
    global _generator
    _generator = np.random.default_rng(seed)


def full(shape: tuple[int, ...], value: float) -> np.ndarray:
    """An array filled with ``value``."""
    return _read_only(np.full(shape, value, np.float32))


def uniform(shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Uniform on [low, high]."""
    numbers = _generator.random(shape, np.float32)
    numbers *= np.float32(high - low)
    numbers += np.float32(low)
    return _read_only(numbers)


def normal(shape: tuple[int, ...], mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """Normal with the given mean and standard deviation."""
    numbers = _generator.standard_normal(shape, np.float32)
    numbers *= np.float32(std)
    numbers += np.float32(mean)
    return _read_only(numbers)


def trunc_normal(shape: tuple[int, ...], mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Normal, but drawn again wherever a number falls outside [low, high] (absolute bounds, as in PyTorch).

    Raises
    ------
    ValueError
        When less than a thousandth of the normal distribution lies inside the bounds.
    """
    left, right = ((bound - mean) / (std * math.sqrt(2.0)) for bound in (low, high))
    if not (math.erf(right) - math.erf(left)) / 2 > _LEAST_MASS:
        raise ValueError(f"trunc_normal: hardly anything of a normal distribution with mean {mean} and std {std} lies in [{low}, {high}]")
    numbers = np.array(normal(shape, mean, std)).reshape(-1)
    outside = np.flatnonzero((numbers < low) | (numbers > high))
    while outside.size:
        numbers[outside] = normal((outside.size,), mean, std)
        drawn = numbers[outside]
        outside = outside[(drawn < low) | (drawn > high)]
    return _read_only(numbers.reshape(shape).copy())


def kaiming_uniform(shape: tuple[int, ...], a: float = math.sqrt(5.0)) -> np.ndarray:
    """Uniform within ±√(6 / ((1 + a²) · fan_in)), PyTorch's ``kaiming_uniform_``; with its a = √5 that is ±1/√fan_in.

    Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
    """
    bound = math.sqrt(6.0 / ((1.0 + a * a) * max(fan_in(shape), 1)))
    return uniform(shape, -bound, bound)


def bias_uniform(size: int, weight_shape: tuple[int, ...]) -> np.ndarray:
    """PyTorch's default bias beside a weight of this shape: uniform within ±1/√fan_in."""
    bound = 1.0 / math.sqrt(max(fan_in(weight_shape), 1))
    return uniform((size,), -bound, bound)


def fan_in(shape: tuple[int, ...]) -> int:
    """Inputs of one output: the product of all sizes of a weight but the first."""
    return math.prod(shape[1:])


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
