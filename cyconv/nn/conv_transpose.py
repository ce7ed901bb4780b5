"""Transposed convolution layers: upsampling with learned weights [in_channels, out_channels/groups, …]."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cyconv import functional as F
from cyconv.nn.conv import _Conv
from cyconv.shapes import conv_transpose_output_size, integer, sizes


class _ConvTranspose(_Conv):
    """What the transposed convolutions share; ``rank`` is their number of directions."""

    transposed = True
    rank: int
    _function: Callable

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups: int = 1,
        bias: bool = True,
        dilation=1,
        padding_mode: str = "zeros",
    ):
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}, got {padding_mode!r}')
        rank = self.rank
        kernel_size, stride = sizes(kernel_size, rank, "kernel_size", 1), sizes(stride, rank, "stride", 1)
        padding, dilation = sizes(padding, rank, "padding", 0), sizes(dilation, rank, "dilation", 1)
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)
        self.output_padding = sizes(output_padding, rank, "output_padding", 0)

    def forward(self, input, output_size: Sequence[int] | None = None):
        """``output_size``, of the spatial axes alone or of all, chooses among the sizes that the stride leaves open."""
        extra = self.output_padding if output_size is None else self._extra_for(input.shape, output_size)
        return self._function(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def _extra_for(self, shape: tuple[int, ...], output_size: Sequence[int]) -> tuple[int, ...]:
        """The output padding that gives ``output_size``, or ValueError in PyTorch's words."""
        wanted = [integer(v, "output_size", 1) for v in output_size]
        if len(wanted) not in (self.rank, len(shape)):
            raise ValueError(f"{type(self).__name__}: for {len(shape)}D input, output_size must have {self.rank} or {len(shape)} elements")
        walk = zip(shape[-self.rank :], self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        least = [conv_transpose_output_size(size, k, s, p, p, d) for size, k, s, p, d in walk]
        extra = tuple(w - low for w, low in zip(wanted[-self.rank :], least, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            largest = [low + s - 1 for low, s in zip(least, self.stride, strict=True)]
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to {largest} (for an input of {shape})"
            )
        return extra


class ConvTranspose1d(_ConvTranspose):
    """1-D transposed convolution, see :func:`cyconv.functional.conv_transpose1d`; weight [in_channels, out_channels/groups, k]."""

    rank = 1
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """2-D transposed convolution, see :func:`cyconv.functional.conv_transpose2d`; weight [in_channels, out_channels/groups, kh, kw]."""

    rank = 2
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """3-D transposed convolution, see :func:`cyconv.functional.conv_transpose3d`; weight [in_channels, out_channels/groups, kd, kh, kw]."""

    rank = 3
    _function = staticmethod(F.conv_transpose3d)
