"""ShuffleNetV2: each unit works on half of its channels, then deals all of them out anew.

Source: Ma et al., "ShuffleNet V2: practical guidelines for efficient CNN architecture design", 2018 (table 5). torchvision's
weights load without renaming. Layer of the house: models, above nn.
"""

from __future__ import annotations

from collections.abc import Sequence

from cyconv import functional as F
from cyconv import nn
from cyconv.models.blocks import conv_norm
from cyconv.models.registry import register

REPEATS = (4, 8, 4)


def _depthwise(channels: int, stride: int) -> nn.Sequential:
    return conv_norm(channels, channels, 3, stride, channels, None)


class Unit(nn.Module):
    """With stride 1 one half of the channels passes by; with stride 2 both branches read all of them."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        half = out_channels // 2
        if stride > 1:
            self.branch1 = nn.Sequential(*_depthwise(in_channels, stride), *conv_norm(in_channels, half, 1))
        self.branch2 = nn.Sequential(
            *conv_norm(in_channels if stride > 1 else half, half, 1), *_depthwise(half, stride), *conv_norm(half, half, 1)
        )

    def forward(self, x):
        if hasattr(self, "branch1"):
            y = F.cat([self.branch1(x), self.branch2(x)], 1)
        else:
            passing, worked_on = F.chunk(x, 2, 1)
            y = F.cat([passing, self.branch2(worked_on)], 1)
        return F.channel_shuffle(y, 2)


class ShuffleNetV2(nn.Module):
    """torchvision's ShuffleNetV2, the same state_dict keys.

    [N, 3, 224, 224] float32 (any size) → [N, num_classes] logits.

    Parameters
    ----------
    stages_repeats : sequence of int
        Units of each of the three stages.
    stages_out_channels : sequence of int
        Channels of the first convolution, of the three stages, of the last convolution.
    num_classes : int
        Size of the output.
    """

    def __init__(self, stages_repeats: Sequence[int], stages_out_channels: Sequence[int], num_classes: int = 1000):
        super().__init__()
        channels, *stages, last = stages_out_channels
        self.conv1 = conv_norm(3, channels, 3, 2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for i, (repeats, out_channels) in enumerate(zip(stages_repeats, stages, strict=True), 2):
            units = [Unit(channels if j == 0 else out_channels, out_channels, 2 if j == 0 else 1) for j in range(repeats)]
            setattr(self, f"stage{i}", nn.Sequential(*units))
            channels = out_channels
        self.conv5 = conv_norm(channels, last, 1)
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x):
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        return self.fc(F.flatten(F.adaptive_avg_pool2d(self.conv5(x), 1), 1))


@register()
def shufflenet_v2_x0_5(num_classes: int = 1000) -> ShuffleNetV2:
    """ShuffleNetV2 of half the width, see :class:`ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, (24, 48, 96, 192, 1024), num_classes)


@register()
def shufflenet_v2_x1_0(num_classes: int = 1000) -> ShuffleNetV2:
    """ShuffleNetV2, see :class:`ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, (24, 116, 232, 464, 1024), num_classes)


@register()
def shufflenet_v2_x1_5(num_classes: int = 1000) -> ShuffleNetV2:
    """ShuffleNetV2 of 1.5 times the width, see :class:`ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, (24, 176, 352, 704, 1024), num_classes)


@register()
def shufflenet_v2_x2_0(num_classes: int = 1000) -> ShuffleNetV2:
    """ShuffleNetV2 of twice the width, see :class:`ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, (24, 244, 488, 976, 2048), num_classes)
