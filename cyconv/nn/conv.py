"""Convolution layers and transposed ones. Weights start as PyTorch's do: uniform within ±1/√(inputs of one output)."""

from __future__ import annotations

from cyconv import functional as F
from cyconv.functional.conv import PADDING_MODES, along_width, only_entry
from cyconv.nn import init
from cyconv.nn.module import Module
from cyconv.shapes import conv_padding, integer, sizes


class _Conv(Module):
    """What all convolutions share; sizes come as tuples with one entry per direction."""

    transposed = False

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
        shape = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        shape = (*shape, *kernel_size)
        self.register_parameter("weight", init.kaiming_uniform(shape))
        self.register_parameter("bias", init.bias_uniform(out_channels, shape) if bias else None)

    def _options(self) -> tuple:
        return self.stride, self.padding, self.dilation, self.groups, self.padding_mode

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += f", padding={self.padding}" if self.padding != (0,) * len(self.kernel_size) else ""
        text += f", dilation={self.dilation}" if self.dilation != (1,) * len(self.kernel_size) else ""
        extra = getattr(self, "output_padding", ())
        text += f", output_padding={extra}" if any(extra) else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        text += ", bias=False" if self.bias is None else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


def _sides(padding: tuple[int, ...]) -> tuple:
    """One number for each axis where both sides are the same, else (before, after) of each."""
    before, after = padding[::2], padding[1::2]
    return before if before == after else tuple(zip(before, after, strict=True))


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
        kernel_size = sizes(kernel_size, 2, "kernel_size", 1)
        stride, dilation = sizes(stride, 2, "stride", 1), sizes(dilation, 2, "dilation", 1)
        sides = _sides(conv_padding(padding, kernel_size, stride, dilation))
        padding = padding if isinstance(padding, str) else sides
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)

    def forward(self, input):
        return F.conv2d(input, self.weight, self.bias, *self._options())


class Conv3d(_Conv):
    """3-D convolution, see :func:`cyconv.functional.conv3d`; weight [out_channels, in_channels/groups, kd, kh, kw].

    ``padding`` may also be three (before, after).
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
        kernel_size = sizes(kernel_size, 3, "kernel_size", 1)
        stride, dilation = sizes(stride, 3, "stride", 1), sizes(dilation, 3, "dilation", 1)
        sides = _sides(conv_padding(padding, kernel_size, stride, dilation))
        padding = padding if isinstance(padding, str) else sides
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)

    def forward(self, input):
        return F.conv3d(input, self.weight, self.bias, *self._options())


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
