"""EfficientNet: MobileNetV2's blocks with squeeze and excitation, grown in depth, width and image size together; and version 2.

Sources: Tan, Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019 (table 1); "EfficientNetV2:
smaller models and faster training", 2021 (table 4), whose first stages convolve all channels at once. torchvision's weights load
without renaming. Layer of the house: models, above nn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cyconv import functional as F
from cyconv import nn
from cyconv.models.blocks import SqueezeExcitation, conv_norm, round_to
from cyconv.models.registry import register


@dataclass(frozen=True)
class Stage:
    """Blocks of one kind; ``stride`` is that of the first, ``fused`` blocks have no depthwise convolution."""

    expansion: int
    kernel: int
    stride: int
    in_channels: int
    out_channels: int
    blocks: int
    fused: bool = False


B0 = (
    Stage(1, 3, 1, 32, 16, 1),
    Stage(6, 3, 2, 16, 24, 2),
    Stage(6, 5, 2, 24, 40, 2),
    Stage(6, 3, 2, 40, 80, 3),
    Stage(6, 5, 1, 80, 112, 3),
    Stage(6, 5, 2, 112, 192, 4),
    Stage(6, 3, 1, 192, 320, 1),
)
V2_S = (
    Stage(1, 3, 1, 24, 24, 2, True),
    Stage(4, 3, 2, 24, 48, 4, True),
    Stage(4, 3, 2, 48, 64, 4, True),
    Stage(4, 3, 2, 64, 128, 6),
    Stage(6, 3, 1, 128, 160, 9),
    Stage(6, 3, 2, 160, 256, 15),
)
V2_M = (
    Stage(1, 3, 1, 24, 24, 3, True),
    Stage(4, 3, 2, 24, 48, 5, True),
    Stage(4, 3, 2, 48, 80, 5, True),
    Stage(4, 3, 2, 80, 160, 7),
    Stage(6, 3, 1, 160, 176, 14),
    Stage(6, 3, 2, 176, 304, 18),
    Stage(6, 3, 1, 304, 512, 5),
)
V2_L = (
    Stage(1, 3, 1, 32, 32, 4, True),
    Stage(4, 3, 2, 32, 64, 7, True),
    Stage(4, 3, 2, 64, 96, 7, True),
    Stage(4, 3, 2, 96, 192, 10),
    Stage(6, 3, 1, 192, 224, 19),
    Stage(6, 3, 2, 224, 384, 25),
    Stage(6, 3, 1, 384, 640, 7),
)


def scaled(width_mult: float, depth_mult: float) -> tuple[Stage, ...]:
    """The stages of b0, wider (in multiples of 8 channels) and deeper."""
    return tuple(
        Stage(
            s.expansion,
            s.kernel,
            s.stride,
            round_to(s.in_channels * width_mult, 8),
            round_to(s.out_channels * width_mult, 8),
            math.ceil(s.blocks * depth_mult),
        )
        for s in B0
    )


class MBConv(nn.Module):
    """One block: spread the channels, convolve (each alone unless ``fused``), squeeze and excite, shrink, and add the input."""

    def __init__(self, stage: Stage, in_channels: int, stride: int, eps: float):
        super().__init__()
        self.adds_input = stride == 1 and in_channels == stage.out_channels
        width = round_to(in_channels * stage.expansion, 8)
        layers: list[nn.Module] = []
        if stage.fused and width == in_channels:
            layers.append(conv_norm(in_channels, stage.out_channels, stage.kernel, stride, 1, nn.SiLU, eps))
        else:
            if stage.fused:
                layers.append(conv_norm(in_channels, width, stage.kernel, stride, 1, nn.SiLU, eps))
            else:
                if width != in_channels:
                    layers.append(conv_norm(in_channels, width, 1, activation=nn.SiLU, eps=eps))
                layers.append(conv_norm(width, width, stage.kernel, stride, width, nn.SiLU, eps))
                layers.append(SqueezeExcitation(width, max(1, in_channels // 4), nn.SiLU, nn.Sigmoid))
            layers.append(conv_norm(width, stage.out_channels, 1, activation=None, eps=eps))
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        return self.block(x) + x if self.adds_input else self.block(x)


class EfficientNet(nn.Module):
    """torchvision's EfficientNet, the same state_dict keys.

    [N, 3, H, W] float32 → [N, num_classes] logits.

    Parameters
    ----------
    stages : sequence of Stage
    last_channel : int or None
        Channels of the last convolution; four times those of the last stage when None.
    num_classes : int
        Size of the output.
    dropout : float
        Share of features that Dropout zeroes in training.
    eps : float
        Of every BatchNorm.
    """

    def __init__(
        self, stages: Sequence[Stage], last_channel: int | None = None, num_classes: int = 1000, dropout: float = 0.2, eps: float = 1e-5
    ):
        super().__init__()
        layers: list[nn.Module] = [conv_norm(3, stages[0].in_channels, 3, 2, activation=nn.SiLU, eps=eps)]
        for stage in stages:
            blocks = [
                MBConv(stage, stage.out_channels if i else stage.in_channels, 1 if i else stage.stride, eps) for i in range(stage.blocks)
            ]
            layers.append(nn.Sequential(*blocks))
        channels = stages[-1].out_channels
        last = 4 * channels if last_channel is None else last_channel
        self.features = nn.Sequential(*layers, conv_norm(channels, last, 1, activation=nn.SiLU, eps=eps))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))

    def forward(self, x):
        return self.classifier(F.flatten(self.avgpool(self.features(x)), 1))


@register()
def efficientnet_b0(num_classes: int = 1000, dropout: float = 0.2) -> EfficientNet:
    """EfficientNet-B0, see :class:`EfficientNet`."""
    return EfficientNet(B0, None, num_classes, dropout)


@register((3, 240, 240))
def efficientnet_b1(num_classes: int = 1000, dropout: float = 0.2) -> EfficientNet:
    """EfficientNet-B1, see :class:`EfficientNet`."""
    return EfficientNet(scaled(1.0, 1.1), None, num_classes, dropout)


@register((3, 288, 288))
def efficientnet_b2(num_classes: int = 1000, dropout: float = 0.3) -> EfficientNet:
    """EfficientNet-B2, see :class:`EfficientNet`."""
    return EfficientNet(scaled(1.1, 1.2), None, num_classes, dropout)


@register((3, 300, 300))
def efficientnet_b3(num_classes: int = 1000, dropout: float = 0.3) -> EfficientNet:
    """EfficientNet-B3, see :class:`EfficientNet`."""
    return EfficientNet(scaled(1.2, 1.4), None, num_classes, dropout)


@register((3, 380, 380))
def efficientnet_b4(num_classes: int = 1000, dropout: float = 0.4) -> EfficientNet:
    """EfficientNet-B4, see :class:`EfficientNet`."""
    return EfficientNet(scaled(1.4, 1.8), None, num_classes, dropout)


@register((3, 456, 456))
def efficientnet_b5(num_classes: int = 1000, dropout: float = 0.4) -> EfficientNet:
    """EfficientNet-B5, see :class:`EfficientNet`."""
    return EfficientNet(scaled(1.6, 2.2), None, num_classes, dropout, 0.001)


@register((3, 528, 528))
def efficientnet_b6(num_classes: int = 1000, dropout: float = 0.5) -> EfficientNet:
    """EfficientNet-B6, see :class:`EfficientNet`."""
    return EfficientNet(scaled(1.8, 2.6), None, num_classes, dropout, 0.001)


@register((3, 600, 600))
def efficientnet_b7(num_classes: int = 1000, dropout: float = 0.5) -> EfficientNet:
    """EfficientNet-B7, see :class:`EfficientNet`."""
    return EfficientNet(scaled(2.0, 3.1), None, num_classes, dropout, 0.001)


@register((3, 384, 384))
def efficientnet_v2_s(num_classes: int = 1000, dropout: float = 0.2) -> EfficientNet:
    """EfficientNetV2-S, see :class:`EfficientNet`."""
    return EfficientNet(V2_S, 1280, num_classes, dropout, 0.001)


@register((3, 480, 480))
def efficientnet_v2_m(num_classes: int = 1000, dropout: float = 0.3) -> EfficientNet:
    """EfficientNetV2-M, see :class:`EfficientNet`."""
    return EfficientNet(V2_M, 1280, num_classes, dropout, 0.001)


@register((3, 480, 480))
def efficientnet_v2_l(num_classes: int = 1000, dropout: float = 0.4) -> EfficientNet:
    """EfficientNetV2-L, see :class:`EfficientNet`."""
    return EfficientNet(V2_L, 1280, num_classes, dropout, 0.001)
