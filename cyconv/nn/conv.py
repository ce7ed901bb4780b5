"""Convolution layers. Weights start as PyTorch's do: uniform within ±1/√(inputs of one output)."""

from __future__ import annotations

from cyconv import functional as F
from cyconv.functional.conv import PADDING_MODES, along_width, only_entry
from cyconv.nn import init
from cyconv.nn.module import Module
from cyconv.shapes import conv_padding, integer, pair


class _Conv(Module):
    """What Conv1d and Conv2d share; sizes come as tuples with one entry per direction."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size, stride, padding, dilation, groups: int, bias: bool, padding_mode: str
    ):
        super().__init__()
        self.in_channels = integer(in_channels, "in_channels", 1)
        self.out_channels = integer(out_channels, "out_channels", 1)
        self.groups = integer(groups, "groups", 1)
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % groups:
                raise ValueError(f"{name} must be divisible by groups, got {getattr(self, name)} and groups {groups}")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {', '.join(PADDING_MODES)}, but got padding_mode={padding_mode!r}")
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.padding_mode = padding_mode
        shape = (out_channels, in_channels // groups, *kernel_size)
        self.register_parameter("weight", init.kaiming_uniform(shape))
        self.register_parameter("bias", init.bias_uniform(out_channels, shape) if bias else None)

    def _options(self) -> tuple:
        return self.stride, self.padding, self.dilation, self.groups, self.padding_mode

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += f", padding={self.padding}" if self.padding != (0,) * len(self.kernel_size) else ""
        text += f", dilation={self.dilation}" if self.dilation != (1,) * len(self.kernel_size) else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        text += ", bias=False" if self.bias is None else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class Conv2d(_Conv):
    """2-D convolution, see :func:`cyconv.functional.conv2d`; weight [out_channels, in_channels/groups, kh, kw].

    ``padding`` may also be ((top, bottom), (left, right)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ):
        kernel_size = pair(kernel_size, "kernel_size", 1)
        stride, dilation = pair(stride, "stride", 1), pair(dilation, "dilation", 1)
        top, bottom, left, right = conv_padding(padding, kernel_size, stride, dilation)
        if not isinstance(padding, str):
            padding = (top, left) if (top, left) == (bottom, right) else ((top, bottom), (left, right))
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)

    def forward(self, input):
        return F.conv2d(input, self.weight, self.bias, *self._options())


class Conv1d(_Conv):
    """1-D convolution, see :func:`cyconv.functional.conv1d`; weight [out_channels, in_channels/groups, k].

    ``padding`` may also be ((left, right),).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ):
        kernel_size, stride, dilation = (
            (integer(only_entry(value), name, 1),)
            for value, name in ((kernel_size, "kernel_size"), (stride, "stride"), (dilation, "dilation"))
        )
        *_, left, right = conv_padding(along_width(padding), (1, *kernel_size), (1, *stride), (1, *dilation))
        if not isinstance(padding, str):
            padding = (left,) if left == right else ((left, right),)
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)

    def forward(self, input):
        return F.conv1d(input, self.weight, self.bias, *self._options())
