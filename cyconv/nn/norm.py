"""Normalisation layers, for inference."""

from __future__ import annotations

from collections.abc import Sequence

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


class LayerNorm(Module):
    """Normalises over the last dimensions by the data's own mean and variance, see :func:`cyconv.functional.layer_norm`."""

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True):
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, (list, tuple)) else [normalized_shape]
        self.normalized_shape = tuple(integer(size, "normalized_shape", 0) for size in sizes)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.register_parameter("weight", init.full(self.normalized_shape, 1.0) if elementwise_affine else None)
        self.register_parameter("bias", init.full(self.normalized_shape, 0.0) if elementwise_affine and bias else None)

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"


class GroupNorm(Module):
    """Normalises groups of channels by the data's own mean and variance, see :func:`cyconv.functional.group_norm`."""

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, bias: bool = True):
        super().__init__()
        self.num_groups = integer(num_groups, "num_groups", 1)
        self.num_channels = integer(num_channels, "num_channels", 0)
        if self.num_channels % self.num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.eps = eps
        self.affine = affine
        channels = (self.num_channels,)
        self.register_parameter("weight", init.full(channels, 1.0) if affine else None)
        self.register_parameter("bias", init.full(channels, 0.0) if affine and bias else None)

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"


class _InstanceNorm(Module):
    """What InstanceNorm1d, 2d and 3d share: an input of ``_ndim`` dimensions, or one fewer without the batch's."""

    _ndim: int
    _keys_of_newer_versions = ("num_batches_tracked",)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
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
        if input.ndim not in (self._ndim - 1, self._ndim):
            raise ValueError(f"expected {self._ndim - 1}D or {self._ndim}D input (got {input.ndim}D input)")
        unbatched = input.ndim < self._ndim
        x = F.unsqueeze(input, 0) if unbatched else input
        if x.shape[1] != self.num_features:
            dim = 0 if unbatched else 1
            raise ValueError(f"expected input's size at dim={dim} to match num_features ({self.num_features}), got: {x.shape[1]}.")
        own = self.training or not self.track_running_stats
        y = F.instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias, own, self.momentum, self.eps)
        return F.squeeze(y, 0) if unbatched else y

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of [N, C, L] or [C, L], see :func:`cyconv.functional.instance_norm`."""

    _ndim = 3


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of [N, C, H, W] or [C, H, W], see :func:`cyconv.functional.instance_norm`."""

    _ndim = 4


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of [N, C, D, H, W] or [C, D, H, W], see :func:`cyconv.functional.instance_norm`."""

    _ndim = 5
