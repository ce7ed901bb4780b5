"""Pooling layers; each has the arguments of the function that it calls, see :mod:`cyconv.functional.pool` and ``adaptive``."""

from __future__ import annotations

from collections.abc import Callable

from cyconv import functional as F
from cyconv.nn.module import Module
from cyconv.shapes import sizes


class _MaxPool(Module):
    """What the maximum poolings share."""

    _pool: Callable

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices: bool = False, ceil_mode: bool = False):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input):
        return self._pool(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """Maximum over windows of a signal, see :func:`cyconv.functional.max_pool1d`."""

    _pool = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """Maximum over windows, see :func:`cyconv.functional.max_pool2d`."""

    _pool = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """Maximum over windows of a volume, see :func:`cyconv.functional.max_pool3d`."""

    _pool = staticmethod(F.max_pool3d)


class AvgPool1d(Module):
    """Average over windows of a signal, see :func:`cyconv.functional.avg_pool1d`."""

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode: bool = False, count_include_pad: bool = True):
        super().__init__()
        self.kernel_size = sizes(kernel_size, 1, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else sizes(stride, 1, "stride", 1)
        self.padding = sizes(padding, 1, "padding", 0)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input):
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    """What the average poolings of images and volumes share."""

    _pool: Callable

    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input):
        window = self.kernel_size, self.stride, self.padding
        return self._pool(input, *window, self.ceil_mode, self.count_include_pad, self.divisor_override)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """Average over windows, see :func:`cyconv.functional.avg_pool2d`."""

    _pool = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """Average over windows of a volume, see :func:`cyconv.functional.avg_pool3d`."""

    _pool = staticmethod(F.avg_pool3d)


class _LPPool(Module):
    """What the p-norm poolings share."""

    _pool: Callable

    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode: bool = False):
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input):
        return self._pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPool):
    """The p-norm of windows of a signal, see :func:`cyconv.functional.lp_pool1d`."""

    _pool = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """The p-norm of windows, see :func:`cyconv.functional.lp_pool2d`."""

    _pool = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """The p-norm of windows of a volume, see :func:`cyconv.functional.lp_pool3d`."""

    _pool = staticmethod(F.lp_pool3d)


class _AdaptiveAvgPool(Module):
    """What the adaptive average poolings share."""

    _pool: Callable

    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size

    def forward(self, input):
        return self._pool(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Average over windows that cut the signal into parts, see :func:`cyconv.functional.adaptive_avg_pool1d`."""

    _pool = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Average over windows that cut the image into parts, see :func:`cyconv.functional.adaptive_avg_pool2d`."""

    _pool = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Average over windows that cut the volume into parts, see :func:`cyconv.functional.adaptive_avg_pool3d`."""

    _pool = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPool(Module):
    """What the adaptive maximum poolings share."""

    _pool: Callable

    def __init__(self, output_size, return_indices: bool = False):
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input):
        return self._pool(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maximum over windows that cut the signal into parts, see :func:`cyconv.functional.adaptive_max_pool1d`."""

    _pool = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maximum over windows that cut the image into parts, see :func:`cyconv.functional.adaptive_max_pool2d`."""

    _pool = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maximum over windows that cut the volume into parts, see :func:`cyconv.functional.adaptive_max_pool3d`."""

    _pool = staticmethod(F.adaptive_max_pool3d)
