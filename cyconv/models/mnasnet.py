"""MNASNet: blocks like MobileNetV2's, their kernels and widths found by search.

Source: Tan et al., "MnasNet: platform-aware neural architecture search for mobile", 2018 (figure 7). torchvision's weights
load without renaming. Layer of the house: models, above nn.
"""

from __future__ import annotations

import math

from cyconv import functional as F
from cyconv import nn
from cyconv.models.blocks import conv_norm, round_to
from cyconv.models.registry import register

# Each stack: channels, kernel, stride of its first block, how many times as wide a block is inside as its input, blocks.
STACKS = ((24, 3, 2, 3, 3), (40, 5, 2, 3, 3), (80, 5, 2, 6, 3), (96, 3, 1, 6, 2), (192, 5, 2, 6, 4), (320, 3, 1, 6, 1))


class InvertedResidual(nn.Module):
    """1×1 convolution to ``expansion`` times the channels, depthwise convolution, 1×1 convolution without activation."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        width = in_channels * expansion
        self.adds_input = stride == 1 and in_channels == out_channels
        self.layers = nn.Sequential(
            *conv_norm(in_channels, width, 1),
            *conv_norm(width, width, kernel, stride, width),
            *conv_norm(width, out_channels, 1, activation=None),
        )

    def forward(self, x):
        return self.layers(x) + x if self.adds_input else self.layers(x)


class MNASNet(nn.Module):
    """torchvision's MNASNet, the same state_dict keys.

    [N, 3, 224, 224] float32 (any size) → [N, num_classes] logits.

    Parameters
    ----------
    alpha : float
        Factor on the channels of every layer but the last, which are then rounded to multiples of 8.
    num_classes : int
        Size of the output.
    dropout : float
        Share of features that Dropout zeroes in training.

    Raises
    ------
    ValueError
        When ``alpha`` is not positive.
    """

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2):
        super().__init__()
        if not (alpha > 0 and math.isfinite(alpha)):
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        first, channels = round_to(32 * alpha, 8), round_to(16 * alpha, 8)
        layers: list[nn.Module] = [
            *conv_norm(3, first, 3, 2),
            *conv_norm(first, first, 3, 1, first),
            *conv_norm(first, channels, 1, activation=None),
        ]
        for width, kernel, stride, expansion, count in STACKS:
            out_channels = round_to(width * alpha, 8)
            blocks = []
            for i in range(count):
                blocks.append(InvertedResidual(channels, out_channels, kernel, stride if i == 0 else 1, expansion))
                channels = out_channels
            layers.append(nn.Sequential(*blocks))
        self.layers = nn.Sequential(*layers, *conv_norm(channels, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(1280, num_classes))

    def forward(self, x):
        return self.classifier(F.flatten(F.adaptive_avg_pool2d(self.layers(x), 1), 1))


@register()
def mnasnet0_5(num_classes: int = 1000, dropout: float = 0.2) -> MNASNet:
    """MNASNet of half the width, see :class:`MNASNet`."""
    return MNASNet(0.5, num_classes, dropout)


@register()
def mnasnet0_75(num_classes: int = 1000, dropout: float = 0.2) -> MNASNet:
    """MNASNet of three quarters of the width, see :class:`MNASNet`."""
    return MNASNet(0.75, num_classes, dropout)


@register()
def mnasnet1_0(num_classes: int = 1000, dropout: float = 0.2) -> MNASNet:
    """MNASNet, see :class:`MNASNet`."""
    return MNASNet(1.0, num_classes, dropout)


@register()
def mnasnet1_3(num_classes: int = 1000, dropout: float = 0.2) -> MNASNet:
    """MNASNet of 1.3 times the width, see :class:`MNASNet`."""
    return MNASNet(1.3, num_classes, dropout)
