"""MobileNetV2: blocks that spread their channels, convolve each alone, and add their input where the shapes agree.

Source: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018 (table 2). torchvision's weights
load without renaming. Layer of the house: models, above nn.
"""

from __future__ import annotations

import math

from cyconv import nn
from cyconv.models.blocks import conv_norm, round_to
from cyconv.models.registry import register

# Each stage: how many times as wide a block is inside as its input, channels, number of blocks, stride of the first.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class InvertedResidual(nn.Module):
    """1×1 convolution to ``expansion`` times the channels, depthwise 3×3 convolution, 1×1 convolution without activation."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int):
        super().__init__()
        width = in_channels * expansion
        self.adds_input = stride == 1 and in_channels == out_channels
        self.conv = nn.Sequential(
            *([] if expansion == 1 else [conv_norm(in_channels, width, 1, activation=nn.ReLU6)]),
            conv_norm(width, width, 3, stride, width, nn.ReLU6),
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
        channels = round_to(32 * width_mult, 8)
        layers: list[nn.Module] = [conv_norm(3, channels, 3, 2, activation=nn.ReLU6)]
        for expansion, width, blocks, stride in STAGES:
            out_channels = round_to(width * width_mult, 8)
            for i in range(blocks):
                layers.append(InvertedResidual(channels, out_channels, stride if i == 0 else 1, expansion))
                channels = out_channels
        last = round_to(1280 * max(1.0, width_mult), 8)
        self.features = nn.Sequential(*layers, conv_norm(channels, last, 1, activation=nn.ReLU6))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))

    def forward(self, x):
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


@register()
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
