"""softmax and log_softmax along one dimension.

An op family: :mod:`cyconv.functional` records it. The maximum is subtracted first, so that finite input cannot overflow; a row
that is all -inf, or that holds +inf or NaN, gives NaN, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cyconv.ops.base import Op, Shape, register
from cyconv.ops.common import expect_inputs
from cyconv.shapes import check_shape, integer


def _infer(op: str) -> Callable[[list[Shape], dict], list[Shape]]:
    """Shape inference of a row-wise op: the input's shape, ``dim`` being one of its dimensions."""

    def infer(shapes: list[Shape], attrs: dict) -> list[Shape]:
        expect_inputs(op, shapes, 1)
        ndim = len(shapes[0])
        if integer(attrs["dim"], "dim", 0) >= ndim:
            raise ValueError(f"{op}: dim must be in [0, {ndim}) for input of size {list(shapes[0])}, got {attrs['dim']}")
        return [check_shape(shapes[0], f"{op}: input")]

    return infer


def _less_maximum(x: np.ndarray, dim: int) -> np.ndarray:
    """x minus its maximum along ``dim``; ``initial`` lets an empty row pass, and -inf - -inf is the NaN that is wanted."""
    return x - x.max(axis=dim, keepdims=True, initial=-np.inf)


@np.errstate(all="ignore")
def softmax(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = exp(x - max) / Σ exp(x - max) along ``dim``."""
    e = np.exp(_less_maximum(inputs[0], attrs["dim"]))
    return [e / e.sum(axis=attrs["dim"], keepdims=True)]


@np.errstate(all="ignore")
def log_softmax(inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """y = (x - max) - log Σ exp(x - max) along ``dim``."""
    shifted = _less_maximum(inputs[0], attrs["dim"])
    return [shifted - np.log(np.exp(shifted).sum(axis=attrs["dim"], keepdims=True))]


register(Op("softmax", _infer("softmax"), softmax))
register(Op("log_softmax", _infer("log_softmax"), log_softmax))
