"""ConvNeXt: a residual network with the proportions of a vision transformer: 7×7 depthwise convolutions, LayerNorm, GELU.

Source: Liu et al., "A ConvNet for the 2020s", 2022. torchvision's weights load without renaming. The linear layers run as 1×1
convolutions: a pass of the graph takes the permutations away. Layer of the house: models, above nn.
"""

from __future__ import annotations

from collections.abc import Sequence

from cyconv import functional as F
from cyconv import nn
from cyconv.models.registry import register
from cyconv.nn import init

DEPTHS = (3, 3, 27, 3)
EPS = 1e-6


class Permute(nn.Module):
    """The dimensions in another order."""

    def __init__(self, dims: Sequence[int]):
        super().__init__()
        self.dims = tuple(dims)

    def forward(self, x):
        return F.permute(x, self.dims)


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of [N, C, H, W]."""

    def forward(self, input):
        return F.permute(super().forward(F.permute(input, (0, 2, 3, 1))), (0, 3, 1, 2))


class CNBlock(nn.Module):
    """Depthwise convolution, LayerNorm, two linear layers with GELU between them, scaled channel by channel and added to the input."""

    def __init__(self, channels: int, layer_scale: float):
        super().__init__()
        self.register_parameter("layer_scale", init.full((channels, 1, 1), layer_scale))
        self.block = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
            Permute((0, 2, 3, 1)),
            nn.LayerNorm(channels, eps=EPS),
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Linear(4 * channels, channels),
            Permute((0, 3, 1, 2)),
        )

    def forward(self, x):
        return self.block(x) * self.layer_scale + x


class ConvNeXt(nn.Module):
    """torchvision's ConvNeXt, the same state_dict keys.

    [N, 3, 224, 224] float32 (any size from 32×32 up) → [N, num_classes] logits.

    Parameters
    ----------
    width : int
        Channels of the first stage; each further stage has twice as many as the one before.
    depths : sequence of int
        Blocks of each stage.
    num_classes : int
        Size of the output.
    layer_scale : float
        Initial value of the factors on each block's channels.
    """

    def __init__(self, width: int, depths: Sequence[int] = DEPTHS, num_classes: int = 1000, layer_scale: float = 1e-6):
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, width, 4, stride=4), LayerNorm2d(width, eps=EPS))]
        for i, depth in enumerate(depths):
            channels = width << i
            if i > 0:
                layers.append(nn.Sequential(LayerNorm2d(channels // 2, eps=EPS), nn.Conv2d(channels // 2, channels, 2, stride=2)))
            layers.append(nn.Sequential(*(CNBlock(channels, layer_scale) for _ in range(depth))))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(LayerNorm2d(channels, eps=EPS), nn.Flatten(1), nn.Linear(channels, num_classes))

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)))


@register()
def convnext_tiny(num_classes: int = 1000) -> ConvNeXt:
    """ConvNeXt-T, see :class:`ConvNeXt`."""
    return ConvNeXt(96, (3, 3, 9, 3), num_classes)


@register()
def convnext_small(num_classes: int = 1000) -> ConvNeXt:
    """ConvNeXt-S, see :class:`ConvNeXt`."""
    return ConvNeXt(96, DEPTHS, num_classes)


@register()
def convnext_base(num_classes: int = 1000) -> ConvNeXt:
    """ConvNeXt-B, see :class:`ConvNeXt`."""
    return ConvNeXt(128, DEPTHS, num_classes)


@register()
def convnext_large(num_classes: int = 1000) -> ConvNeXt:
    """ConvNeXt-L, see :class:`ConvNeXt`."""
    return ConvNeXt(192, DEPTHS, num_classes)
