"""ResNet, ResNeXt and Wide ResNet: convolutions with BatchNorm in blocks whose input is added to their output.

Sources: He et al., "Deep residual learning for image recognition", 2015; Xie et al., "Aggregated residual transformations
for deep neural networks", 2016; Zagoruyko, Komodakis, "Wide residual networks", 2016. As in torchvision, whose weights load
without renaming, the stride of a bottleneck is that of its 3×3 convolution. Layer of the house: models, above nn.
"""

from __future__ import annotations

from collections.abc import Sequence

from cyconv import nn
from cyconv.models.registry import register


def _conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the image's size, but for its stride."""
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """What brings the input of a block to the shape of its output."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(_conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions; has no groups, and ``width`` is that of its output."""

    expansion = 1

    def __init__(self, in_channels: int, out_channels: int, stride: int, width: int, groups: int):
        super().__init__()
        self.conv1 = _conv(in_channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv(width, out_channels, 3)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Module):
    """A 1×1 convolution to ``width``, a 3×3 convolution there, and a 1×1 convolution to the output."""

    expansion = 4

    def __init__(self, in_channels: int, out_channels: int, stride: int, width: int, groups: int):
        super().__init__()
        self.conv1 = _conv(in_channels, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride, groups)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv(width, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet(nn.Module):
    """torchvision's ResNet, the same state_dict keys.

    [N, 3, 224, 224] float32 (any size) → [N, num_classes] logits.

    Parameters
    ----------
    block : type
        BasicBlock or Bottleneck.
    depths : sequence of int
        Blocks in each of the four stages.
    num_classes : int
        Size of the output.
    groups : int
        Of the 3×3 convolution of a Bottleneck.
    width : int
        Channels of one group in the first stage; each further stage has twice as many as the one before.
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], depths: Sequence[int], num_classes: int = 1000, groups: int = 1, width: int = 64
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = 64
        for stage, depth in enumerate(depths):
            blocks = []
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                out_channels = (64 << stage) * block.expansion
                blocks.append(block(channels, out_channels, stride, (width << stage) * groups, groups))
                channels = out_channels
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.flatten(self.avgpool(x)))


@register()
def resnet18(num_classes: int = 1000) -> ResNet:
    """ResNet-18, see :class:`ResNet`."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes)


@register()
def resnet34(num_classes: int = 1000) -> ResNet:
    """ResNet-34, see :class:`ResNet`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes)


@register()
def resnet50(num_classes: int = 1000) -> ResNet:
    """ResNet-50, see :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes)


@register()
def resnet101(num_classes: int = 1000) -> ResNet:
    """ResNet-101, see :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes)


@register()
def resnet152(num_classes: int = 1000) -> ResNet:
    """ResNet-152, see :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 8, 36, 3), num_classes)


@register()
def resnext50_32x4d(num_classes: int = 1000) -> ResNet:
    """ResNeXt-50 with 32 groups of 4 channels, see :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, groups=32, width=4)


@register()
def resnext101_32x8d(num_classes: int = 1000) -> ResNet:
    """ResNeXt-101 with 32 groups of 8 channels, see :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, groups=32, width=8)


@register()
def resnext101_64x4d(num_classes: int = 1000) -> ResNet:
    """ResNeXt-101 with 64 groups of 4 channels, see :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, groups=64, width=4)


@register()
def wide_resnet50_2(num_classes: int = 1000) -> ResNet:
    """ResNet-50 whose 3×3 convolutions are twice as wide, see :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, width=128)


@register()
def wide_resnet101_2(num_classes: int = 1000) -> ResNet:
    """ResNet-101 whose 3×3 convolutions are twice as wide, see :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, width=128)
