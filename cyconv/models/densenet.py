"""DenseNet: every layer of a block reads what all layers before it wrote, and adds a few channels.

Source: Huang et al., "Densely connected convolutional networks", 2017 (table 1). torchvision's weights load without renaming.
Layer of the house: models, above nn.
"""

from __future__ import annotations

from collections.abc import Sequence

from cyconv import functional as F
from cyconv import nn
from cyconv.models.registry import register


class DenseLayer(nn.Module):
    """BatchNorm and ReLU before each of two convolutions: 1×1 to ``width`` channels, 3×3 to ``growth``."""

    def __init__(self, in_channels: int, width: int, growth: int):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.conv1(self.relu1(self.norm1(x)))
        return self.conv2(self.relu2(self.norm2(y)))


class DenseBlock(nn.Module):
    """Layers whose outputs are appended to their inputs."""

    def __init__(self, layers: int, in_channels: int, width: int, growth: int):
        super().__init__()
        for i in range(layers):
            setattr(self, f"denselayer{i + 1}", DenseLayer(in_channels + i * growth, width, growth))

    def forward(self, x):
        for _, layer in self.named_children():
            x = F.cat([x, layer(x)], 1)  # one concatenation in another: all write into the last one's memory
        return x


class Transition(nn.Module):
    """Between blocks: a 1×1 convolution to half the channels, and a 2×2 average pool."""

    def __init__(self, in_channels: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(in_channels, in_channels // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)

    def forward(self, x):
        return self.pool(self.conv(self.relu(self.norm(x))))


class DenseNet(nn.Module):
    """torchvision's DenseNet, the same state_dict keys.

    [N, 3, 224, 224] float32 (any size from 29×29 up) → [N, num_classes] logits.

    Parameters
    ----------
    growth_rate : int
        Channels that each layer adds.
    block_config : sequence of int
        Layers of each of the four blocks.
    num_init_features : int
        Channels of the first convolution.
    bn_size : int
        A layer's 1×1 convolution has ``bn_size * growth_rate`` channels.
    num_classes : int
        Size of the output.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        num_classes: int = 1000,
    ):
        super().__init__()
        channels = num_init_features
        layers: dict[str, nn.Module] = {
            "conv0": nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False),
            "norm0": nn.BatchNorm2d(channels),
            "relu0": nn.ReLU(inplace=True),
            "pool0": nn.MaxPool2d(3, stride=2, padding=1),
        }
        for i, count in enumerate(block_config, 1):
            layers[f"denseblock{i}"] = DenseBlock(count, channels, bn_size * growth_rate, growth_rate)
            channels += count * growth_rate
            if i < len(block_config):
                layers[f"transition{i}"] = Transition(channels)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = F.relu(self.features(x))
        return self.classifier(F.flatten(F.adaptive_avg_pool2d(x, 1), 1))


@register()
def densenet121(num_classes: int = 1000) -> DenseNet:
    """DenseNet-121, see :class:`DenseNet`."""
    return DenseNet(32, (6, 12, 24, 16), 64, num_classes=num_classes)


@register()
def densenet161(num_classes: int = 1000) -> DenseNet:
    """DenseNet-161, see :class:`DenseNet`."""
    return DenseNet(48, (6, 12, 36, 24), 96, num_classes=num_classes)


@register()
def densenet169(num_classes: int = 1000) -> DenseNet:
    """DenseNet-169, see :class:`DenseNet`."""
    return DenseNet(32, (6, 12, 32, 32), 64, num_classes=num_classes)


@register()
def densenet201(num_classes: int = 1000) -> DenseNet:
    """DenseNet-201, see :class:`DenseNet`."""
    return DenseNet(32, (6, 12, 48, 32), 64, num_classes=num_classes)
