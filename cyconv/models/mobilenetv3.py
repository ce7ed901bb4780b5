"""MobileNetV3: the blocks of MobileNetV2 with squeeze and excitation in some, and hard-swish in the deeper ones.

Source: Howard et al., "Searching for MobileNetV3", 2019 (tables 1 and 2). torchvision's weights load without renaming.
Layer of the house: models, above nn.
"""

from __future__ import annotations

from collections.abc import Sequence

from cyconv import functional as F
from cyconv import nn
from cyconv.models.blocks import SqueezeExcitation, conv_norm, round_to
from cyconv.models.registry import register

# Each block: kernel, channels inside, channels out, squeeze and excitation, activation, stride. The last three are the tail.
LARGE = (
    (3, 16, 16, False, nn.ReLU, 1),
    (3, 64, 24, False, nn.ReLU, 2),
    (3, 72, 24, False, nn.ReLU, 1),
    (5, 72, 40, True, nn.ReLU, 2),
    (5, 120, 40, True, nn.ReLU, 1),
    (5, 120, 40, True, nn.ReLU, 1),
    (3, 240, 80, False, nn.Hardswish, 2),
    (3, 200, 80, False, nn.Hardswish, 1),
    (3, 184, 80, False, nn.Hardswish, 1),
    (3, 184, 80, False, nn.Hardswish, 1),
    (3, 480, 112, True, nn.Hardswish, 1),
    (3, 672, 112, True, nn.Hardswish, 1),
    (5, 672, 160, True, nn.Hardswish, 2),
    (5, 960, 160, True, nn.Hardswish, 1),
    (5, 960, 160, True, nn.Hardswish, 1),
)
SMALL = (
    (3, 16, 16, True, nn.ReLU, 2),
    (3, 72, 24, False, nn.ReLU, 2),
    (3, 88, 24, False, nn.ReLU, 1),
    (5, 96, 40, True, nn.Hardswish, 2),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 120, 48, True, nn.Hardswish, 1),
    (5, 144, 48, True, nn.Hardswish, 1),
    (5, 288, 96, True, nn.Hardswish, 2),
    (5, 576, 96, True, nn.Hardswish, 1),
    (5, 576, 96, True, nn.Hardswish, 1),
)
EPS = 0.001


class InvertedResidual(nn.Module):
    """1×1 convolution to ``width`` channels, depthwise convolution, squeeze and excitation, 1×1 convolution without activation."""

    def __init__(self, in_channels: int, row: tuple):
        super().__init__()
        kernel, width, out_channels, squeezes, activation, stride = row
        self.adds_input = stride == 1 and in_channels == out_channels
        layers: list[nn.Module] = []
        if width != in_channels:
            layers.append(conv_norm(in_channels, width, 1, activation=activation, eps=EPS))
        layers.append(conv_norm(width, width, kernel, stride, width, activation, EPS))
        if squeezes:
            layers.append(SqueezeExcitation(width, round_to(width // 4, 8), nn.ReLU, nn.Hardsigmoid))
        self.block = nn.Sequential(*layers, conv_norm(width, out_channels, 1, activation=None, eps=EPS))

    def forward(self, x):
        return x + self.block(x) if self.adds_input else self.block(x)


class MobileNetV3(nn.Module):
    """torchvision's MobileNetV3, the same state_dict keys.

    [N, 3, 224, 224] float32 (any size) → [N, num_classes] logits.

    Parameters
    ----------
    rows : sequence of tuple
        The blocks: LARGE or SMALL.
    last_channel : int
        Size of the layer before the last.
    num_classes : int
        Size of the output.
    width_mult : float
        Factor on the channels of every layer, which are then rounded to multiples of 8.
    dropout : float
        Share of features that Dropout zeroes in training.
    """

    def __init__(self, rows: Sequence[tuple], last_channel: int, num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.2):
        super().__init__()
        channels = round_to(16 * width_mult, 8)
        layers: list[nn.Module] = [conv_norm(3, channels, 3, 2, activation=nn.Hardswish, eps=EPS)]
        for kernel, width, out_channels, *rest in rows:
            row = (kernel, round_to(width * width_mult, 8), round_to(out_channels * width_mult, 8), *rest)
            layers.append(InvertedResidual(channels, row))
            channels = row[2]
        self.features = nn.Sequential(*layers, conv_norm(channels, 6 * channels, 1, activation=nn.Hardswish, eps=EPS))
        last = round_to(last_channel * width_mult, 8)
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, last), nn.Hardswish(inplace=True), nn.Dropout(dropout), nn.Linear(last, num_classes)
        )

    def forward(self, x):
        return self.classifier(F.flatten(F.adaptive_avg_pool2d(self.features(x), 1), 1))


@register()
def mobilenet_v3_large(num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.2) -> MobileNetV3:
    """MobileNetV3-Large, see :class:`MobileNetV3`."""
    return MobileNetV3(LARGE, 1280, num_classes, width_mult, dropout)


@register()
def mobilenet_v3_small(num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.2) -> MobileNetV3:
    """MobileNetV3-Small, see :class:`MobileNetV3`."""
    return MobileNetV3(SMALL, 1024, num_classes, width_mult, dropout)
