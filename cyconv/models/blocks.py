"""What several families share: convolution with normalisation and activation, squeeze and excitation, rounded widths.

Layer of the house: models, above nn; imported by the files of the families.
"""

from __future__ import annotations

from cyconv import nn


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None = nn.ReLU,
    eps: float = 1e-5,
    dilation: int = 1,
) -> nn.Sequential:
    """A convolution without bias that keeps the image's size but for its stride, BatchNorm, and the activation, if any."""
    padding = kernel_size // 2 * dilation
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(out_channels, eps=eps),
        *([] if activation is None else [activation()]),
    )


class SqueezeExcitation(nn.Module):
    """Multiplies each channel by a number that two 1×1 convolutions make of the means of all channels.

    Source: Hu et al., "Squeeze-and-excitation networks", 2018.
    """

    def __init__(self, channels: int, squeezed: int, activation: type[nn.Module], scale_activation: type[nn.Module]):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, x):
        scale = self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))
        return x * scale


def round_to(channels: float, divisor: int) -> int:
    """The nearest multiple of ``divisor``, but at least ``divisor`` and at least nine tenths of ``channels``."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor
