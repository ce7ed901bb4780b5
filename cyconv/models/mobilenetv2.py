"""MobileNetV2: blocks that spread their channels, convolve each alone, and add their input where the shapes agree.

Source: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018 (table 2). torchvision's weights
load without renaming. Layer of the house: models, above nn.
"""

from __future__ import annotations

import math

from cyconv import nn

# Each stage: how many times as wide a block is inside as its input, channels, number of blocks, stride of the first.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution without bias, BatchNorm, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )


def _round_to_8(channels: float) -> int:
    """The nearest multiple of 8, but at least 8 and at least nine tenths of ``channels``."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


class InvertedResidual(nn.Module):
    """1×1 convolution to ``expansion`` times the channels, depthwise 3×3 convolution, 1×1 convolution without activation."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int):
        super().__init__()
        width = in_channels * expansion
        self.adds_input = stride == 1 and in_channels == out_channels
        self.conv = nn.Sequential(
            *([] if expansion == 1 else [_conv(in_channels, width, 1)]),
            _conv(width, width, 3, stride, groups=width),
            nn.Conv2d(width, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x):
        return x + self.conv(x) if self.adds_input else self.conv(x)


class MobileNetV2(nn.Module):
    """torchvision's MobileNetV2, the same state_dict keys."""

    def __init__(self, num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.2):
        super().__init__()
        if not (width_mult > 0 and math.isfinite(width_mult)):
            raise ValueError(f"width_mult: expected a positive number, got {width_mult!r}")
        channels = _round_to_8(32 * width_mult)
        layers: list[nn.Module] = [_conv(3, channels, 3, stride=2)]
        for expansion, width, blocks, stride in STAGES:
            out_channels = _round_to_8(width * width_mult)
            for i in range(blocks):
                layers.append(InvertedResidual(channels, out_channels, stride if i == 0 else 1, expansion))
                channels = out_channels
        last = _round_to_8(1280 * max(1.0, width_mult))
        self.features = nn.Sequential(*layers, _conv(channels, last, 1))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))

    def forward(self, x):
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


def mobilenet_v2(num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.2) -> MobileNetV2:
    """MobileNetV2 as torchvision builds it; torchvision's weights load without renaming.

    Parameters
    ----------
    num_classes : int
        Size of the output.
    width_mult : float
        Factor on the channels of every layer, which are then rounded to multiples of 8; the last layer never has less than 1280.
    dropout : float
        Share of features that Dropout zeroes in training.

    Returns
    -------
    MobileNetV2
        [N, 3, 224, 224] float32 (any size) → [N, num_classes] logits.

    Raises
    ------
    ValueError
        When ``width_mult`` is not positive.
    """
    return MobileNetV2(num_classes, width_mult, dropout)
