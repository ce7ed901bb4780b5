"""VGG: 3×3 convolutions between 2×2 pools, then three linear layers; each depth also with BatchNorm.

Source: Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014 (columns A, B, D, E).
torchvision's weights load without renaming. Layer of the house: models, above nn.
"""

from __future__ import annotations

from cyconv import nn
from cyconv.models.registry import register

WIDTHS = (64, 128, 256, 512, 512)  # of the convolutions of each stage
DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # how many there are, by layers with weights


class VGG(nn.Module):
    """torchvision's VGG, the same state_dict keys.

    [N, 3, 224, 224] float32 (any size from 32×32 up) → [N, num_classes] logits.

    Parameters
    ----------
    depths : sequence of int
        Convolutions in each of the five stages, such as ``DEPTHS[16]``.
    batch_norm : bool
        BatchNorm behind every convolution.
    num_classes : int
        Size of the output.
    dropout : float
        Share of features that the two Dropout layers zero in training.
    """

    def __init__(self, depths, batch_norm: bool = False, num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, depth in zip(WIDTHS, depths, strict=True):
            for _ in range(depth):
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU(inplace=True))
                channels = width
            layers.append(nn.MaxPool2d(2, stride=2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x):
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


@register()
def vgg11(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-11, see :class:`VGG`."""
    return VGG(DEPTHS[11], False, num_classes, dropout)


@register()
def vgg11_bn(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-11 with BatchNorm, see :class:`VGG`."""
    return VGG(DEPTHS[11], True, num_classes, dropout)


@register()
def vgg13(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-13, see :class:`VGG`."""
    return VGG(DEPTHS[13], False, num_classes, dropout)


@register()
def vgg13_bn(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-13 with BatchNorm, see :class:`VGG`."""
    return VGG(DEPTHS[13], True, num_classes, dropout)


@register()
def vgg16(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-16, see :class:`VGG`."""
    return VGG(DEPTHS[16], False, num_classes, dropout)


@register()
def vgg16_bn(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-16 with BatchNorm, see :class:`VGG`."""
    return VGG(DEPTHS[16], True, num_classes, dropout)


@register()
def vgg19(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-19, see :class:`VGG`."""
    return VGG(DEPTHS[19], False, num_classes, dropout)


@register()
def vgg19_bn(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-19 with BatchNorm, see :class:`VGG`."""
    return VGG(DEPTHS[19], True, num_classes, dropout)
