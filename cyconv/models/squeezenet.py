"""SqueezeNet: fire modules, which squeeze the channels before they spread them, and no linear layer.

Source: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", 2016, and
its release 1.1, which pools earlier. torchvision's weights load without renaming. Layer of the house: models, above nn.
"""

from __future__ import annotations

from collections.abc import Sequence

from cyconv import functional as F
from cyconv import nn
from cyconv.models.registry import register

# Widths of the fire modules in running order (squeezed, then of each of the two branches), and those with a pool before them.
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
POOLS_1_0 = (0, 3, 7)
POOLS_1_1 = (0, 2, 4)


class Fire(nn.Module):
    """A 1×1 convolution to few channels, then 1×1 and 3×3 convolutions beside each other, concatenated."""

    def __init__(self, in_channels: int, squeezed: int, expanded: int):
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        return F.cat([self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """torchvision's SqueezeNet, the same state_dict keys.

    [N, 3, 224, 224] float32 (any size from 21×21 up for release 1.0, from 17×17 up for 1.1) → [N, num_classes] logits.

    Parameters
    ----------
    stem : nn.Conv2d
        The first convolution.
    pools : sequence of int
        Positions of the fire modules before which a pool stands.
    num_classes : int
        Size of the output.
    dropout : float
        Share of features that Dropout zeroes in training.
    """

    def __init__(self, stem: nn.Conv2d, pools: Sequence[int], num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        layers: list[nn.Module] = [stem, nn.ReLU(inplace=True)]
        channels = stem.out_channels
        for i, (squeezed, expanded) in enumerate(FIRES):
            if i in pools:
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            layers.append(Fire(channels, squeezed, expanded))
            channels = 2 * expanded
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Conv2d(channels, num_classes, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        self.flatten = nn.Flatten()

    def forward(self, x):
        return self.flatten(self.classifier(self.features(x)))


@register()
def squeezenet1_0(num_classes: int = 1000, dropout: float = 0.5) -> SqueezeNet:
    """SqueezeNet as the paper has it, see :class:`SqueezeNet`."""
    return SqueezeNet(nn.Conv2d(3, 96, 7, stride=2), POOLS_1_0, num_classes, dropout)


@register()
def squeezenet1_1(num_classes: int = 1000, dropout: float = 0.5) -> SqueezeNet:
    """SqueezeNet 1.1, with less than half the multiply-adds, see :class:`SqueezeNet`."""
    return SqueezeNet(nn.Conv2d(3, 64, 3, stride=2), POOLS_1_1, num_classes, dropout)
