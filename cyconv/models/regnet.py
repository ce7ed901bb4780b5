"""RegNet: residual blocks with grouped convolutions, whose widths follow a quantised straight line.

Source: Radosavovic et al., "Designing network design spaces", 2020: RegNetX, and RegNetY with squeeze and excitation.
torchvision's weights load without renaming. Layer of the house: models, above nn.
"""

from __future__ import annotations

import math
from itertools import groupby

from cyconv import functional as F
from cyconv import nn
from cyconv.models.blocks import SqueezeExcitation, conv_norm, round_to
from cyconv.models.registry import register

Line = tuple[int, int, float, float, int]  # depth, w_0, w_a, w_m, group width

SQUEEZE = 0.25  # of RegNetY, as a share of a block's input channels
STEM = 32


def stage_widths(line: Line) -> list[tuple[int, int, int]]:
    """(channels, blocks, group width) of each stage, as section 3.3 of the paper has it.

    Block j of ``depth`` is to be u = w_0 + w_a·j wide. That becomes w_0·w_m^s with the nearest whole s, then the nearest multiple of 8;
    neighbouring blocks of one width are a stage, whose width is then rounded to a multiple of its group width.
    """
    depth, w_0, w_a, w_m, group = line
    powers = [round(math.log((w_0 + w_a * j) / w_0) / math.log(w_m)) for j in range(depth)]
    widths = [round(w_0 * w_m**power / 8) * 8 for power in powers]
    stages = []
    for width, blocks in groupby(widths):
        size = min(group, width)
        stages.append((round_to(width, size), len(list(blocks)), size))
    return stages


class Block(nn.Module):
    """A 1×1, a grouped 3×3 and a 1×1 convolution beside a shortcut; with ``squeezed`` channels in an excitation, if any."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, groups: int, squeezed: int | None):
        super().__init__()
        self.proj = None
        if stride != 1 or in_channels != out_channels:
            self.proj = conv_norm(in_channels, out_channels, 1, stride, activation=None)
        layers: dict[str, nn.Module] = {
            "a": conv_norm(in_channels, out_channels, 1),
            "b": conv_norm(out_channels, out_channels, 3, stride, groups),
        }
        if squeezed is not None:
            layers["se"] = SqueezeExcitation(out_channels, squeezed, nn.ReLU, nn.Sigmoid)
        self.f = nn.Sequential({**layers, "c": conv_norm(out_channels, out_channels, 1, activation=None)})
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.activation(self.f(x) + (x if self.proj is None else self.proj(x)))


class RegNet(nn.Module):
    """torchvision's RegNet, the same state_dict keys.

    [N, 3, 224, 224] float32 (any size) → [N, num_classes] logits.

    Parameters
    ----------
    line : tuple
        (depth, w_0, w_a, w_m, group width), see :func:`stage_widths`.
    squeeze_ratio : float or None
        Channels of the excitation as a share of those of a block's input; None for RegNetX, which has none.
    num_classes : int
        Size of the output.
    """

    def __init__(self, line: Line, squeeze_ratio: float | None, num_classes: int = 1000):
        super().__init__()
        self.stem = conv_norm(3, STEM, 3, 2)
        channels = STEM
        stages: dict[str, nn.Module] = {}
        for i, (width, count, group) in enumerate(stage_widths(line), 1):
            blocks: dict[str, nn.Module] = {}
            for j in range(count):
                squeezed = None if squeeze_ratio is None else round(squeeze_ratio * channels)
                blocks[f"block{i}-{j}"] = Block(channels, width, 2 if j == 0 else 1, width // group, squeezed)
                channels = width
            stages[f"block{i}"] = nn.Sequential(blocks)
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x):
        return self.fc(F.flatten(self.avgpool(self.trunk_output(self.stem(x))), 1))


@register()
def regnet_x_400mf(num_classes: int = 1000) -> RegNet:
    """RegNetX of 400 million multiply-adds, see :class:`RegNet`."""
    return RegNet((22, 24, 24.48, 2.54, 16), None, num_classes)


@register()
def regnet_x_800mf(num_classes: int = 1000) -> RegNet:
    """RegNetX of 800 million multiply-adds, see :class:`RegNet`."""
    return RegNet((16, 56, 35.73, 2.28, 16), None, num_classes)


@register()
def regnet_x_1_6gf(num_classes: int = 1000) -> RegNet:
    """RegNetX of 1.6 billion multiply-adds, see :class:`RegNet`."""
    return RegNet((18, 80, 34.01, 2.25, 24), None, num_classes)


@register()
def regnet_x_3_2gf(num_classes: int = 1000) -> RegNet:
    """RegNetX of 3.2 billion multiply-adds, see :class:`RegNet`."""
    return RegNet((25, 88, 26.31, 2.25, 48), None, num_classes)


@register()
def regnet_x_8gf(num_classes: int = 1000) -> RegNet:
    """RegNetX of 8 billion multiply-adds, see :class:`RegNet`."""
    return RegNet((23, 80, 49.56, 2.88, 120), None, num_classes)


@register()
def regnet_x_16gf(num_classes: int = 1000) -> RegNet:
    """RegNetX of 16 billion multiply-adds, see :class:`RegNet`."""
    return RegNet((22, 216, 55.59, 2.1, 128), None, num_classes)


@register()
def regnet_x_32gf(num_classes: int = 1000) -> RegNet:
    """RegNetX of 32 billion multiply-adds, see :class:`RegNet`."""
    return RegNet((23, 320, 69.86, 2.0, 168), None, num_classes)


@register()
def regnet_y_400mf(num_classes: int = 1000) -> RegNet:
    """RegNetY of 400 million multiply-adds, see :class:`RegNet`."""
    return RegNet((16, 48, 27.89, 2.09, 8), SQUEEZE, num_classes)


@register()
def regnet_y_800mf(num_classes: int = 1000) -> RegNet:
    """RegNetY of 800 million multiply-adds, see :class:`RegNet`."""
    return RegNet((14, 56, 38.84, 2.4, 16), SQUEEZE, num_classes)


@register()
def regnet_y_1_6gf(num_classes: int = 1000) -> RegNet:
    """RegNetY of 1.6 billion multiply-adds, see :class:`RegNet`."""
    return RegNet((27, 48, 20.71, 2.65, 24), SQUEEZE, num_classes)


@register()
def regnet_y_3_2gf(num_classes: int = 1000) -> RegNet:
    """RegNetY of 3.2 billion multiply-adds, see :class:`RegNet`."""
    return RegNet((21, 80, 42.63, 2.66, 24), SQUEEZE, num_classes)


@register()
def regnet_y_8gf(num_classes: int = 1000) -> RegNet:
    """RegNetY of 8 billion multiply-adds, see :class:`RegNet`."""
    return RegNet((17, 192, 76.82, 2.19, 56), SQUEEZE, num_classes)


@register()
def regnet_y_16gf(num_classes: int = 1000) -> RegNet:
    """RegNetY of 16 billion multiply-adds, see :class:`RegNet`."""
    return RegNet((18, 200, 106.23, 2.48, 112), SQUEEZE, num_classes)


@register()
def regnet_y_32gf(num_classes: int = 1000) -> RegNet:
    """RegNetY of 32 billion multiply-adds, see :class:`RegNet`."""
    return RegNet((20, 232, 115.89, 2.53, 232), SQUEEZE, num_classes)


@register((3, 384, 384))
def regnet_y_128gf(num_classes: int = 1000) -> RegNet:
    """RegNetY of 128 billion multiply-adds, see :class:`RegNet`."""
    return RegNet((27, 456, 160.83, 2.52, 264), SQUEEZE, num_classes)
