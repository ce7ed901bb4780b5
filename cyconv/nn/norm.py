"""Normalisation layers, for inference."""

from __future__ import annotations

import numpy as np

from cyconv import functional as F
from cyconv.nn import init
from cyconv.nn.module import Module
from cyconv.shapes import integer


class BatchNorm2d(Module):
    """Normalises each channel of [N, C, H, W] by running statistics, see :func:`cyconv.functional.batch_norm`.

    Without running statistics (``track_running_stats=False``) or in training mode the forward is refused.
    """

    _keys_of_newer_versions = ("num_batches_tracked",)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ):
        super().__init__()
        self.num_features = integer(num_features, "num_features", 0)
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        channels = (self.num_features,)
        self.register_parameter("weight", init.full(channels, 1.0) if affine else None)
        self.register_parameter("bias", init.full(channels, 0.0) if affine and bias else None)
        self.register_buffer("running_mean", init.full(channels, 0.0) if track_running_stats else None)
        self.register_buffer("running_var", init.full(channels, 1.0) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if track_running_stats else None)

    def forward(self, input):
        if input.ndim != 4:
            raise ValueError(f"expected 4D input (got {input.ndim}D input)")
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, self.training, self.momentum, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class LocalResponseNorm(Module):
    """Divides by what the neighbouring channels hold, see :func:`cyconv.functional.local_response_norm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input):
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
