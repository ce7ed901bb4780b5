"""Inception v3: modules of parallel branches, whose larger kernels are split into small or one-dimensional ones.

Source: Szegedy et al., "Rethinking the Inception architecture for computer vision", 2015. torchvision's weights load without
renaming. Layer of the house: models, above nn.
"""

from __future__ import annotations

from cyconv import functional as F
from cyconv import nn
from cyconv.models.googlenet import ConvBatchNormReLU, from_torchvision_normalisation
from cyconv.models.registry import register

Kernel = int | tuple[int, int]
# A branch: for each of its convolutions (channels, kernel) or (channels, kernel, stride).
Branch = tuple[tuple, ...]


def conv(in_channels: int, out_channels: int, kernel: Kernel, stride: int = 1) -> ConvBatchNormReLU:
    """Keeps the image's size where the stride is 1, has no padding where it is 2."""
    kh, kw = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    return ConvBatchNormReLU(in_channels, out_channels, kernel, stride, (kh // 2, kw // 2) if stride == 1 else 0)


class InceptionModule(nn.Module):
    """Branches over one input, concatenated by channels.

    ``branches`` maps names to branches; the convolutions of a branch of more than one are called name_1, name_2 and so on. ``pool`` is the
    number of channels behind an average pool, or None for a max pool of stride 2 alone.
    """

    def __init__(self, in_channels: int, branches: dict[str, Branch], pool: int | None):
        super().__init__()
        self.names = []
        self.out_channels = 0
        for name, branch in branches.items():
            channels = in_channels
            for i, (out_channels, *rest) in enumerate(branch, 1):
                layer = name if len(branch) == 1 else f"{name}_{i}"
                setattr(self, layer, conv(channels, out_channels, *rest))
                channels = out_channels
            self.names.append([name] if len(branch) == 1 else [f"{name}_{i}" for i in range(1, len(branch) + 1)])
            self.out_channels += channels
        if pool is not None:
            self.branch_pool = conv(in_channels, pool, 1)
        self.out_channels += in_channels if pool is None else pool

    def branch(self, x, names):
        """One convolution after the other."""
        for name in names:
            x = getattr(self, name)(x)
        return x

    def pooled(self, x):
        """The last branch."""
        return self.branch_pool(F.avg_pool2d(x, 3, 1, 1)) if hasattr(self, "branch_pool") else F.max_pool2d(x, 3, 2)

    def forward(self, x):
        return F.cat([*(self.branch(x, names) for names in self.names), self.pooled(x)], 1)


class InceptionE(InceptionModule):
    """The widest module: two of its branches end in a 1×3 and a 3×1 convolution beside each other."""

    def __init__(self, in_channels: int):
        super().__init__(in_channels, {}, None)
        self.branch1x1 = conv(in_channels, 320, 1)
        self.branch3x3_1 = conv(in_channels, 384, 1)
        self.branch3x3_2a = conv(384, 384, (1, 3))
        self.branch3x3_2b = conv(384, 384, (3, 1))
        self.branch3x3dbl_1 = conv(in_channels, 448, 1)
        self.branch3x3dbl_2 = conv(448, 384, 3)
        self.branch3x3dbl_3a = conv(384, 384, (1, 3))
        self.branch3x3dbl_3b = conv(384, 384, (3, 1))
        self.branch_pool = conv(in_channels, 192, 1)
        self.out_channels = 320 + 4 * 384 + 192

    def forward(self, x):
        y = self.branch3x3_1(x)
        z = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        ends = [self.branch3x3_2a(y), self.branch3x3_2b(y), self.branch3x3dbl_3a(z), self.branch3x3dbl_3b(z)]
        return F.cat([self.branch1x1(x), *ends, self.pooled(x)], 1)


def inception_a(in_channels: int, pool: int) -> InceptionModule:
    """At 35×35 for images of 299×299."""
    branches: dict[str, Branch] = {
        "branch1x1": ((64, 1),),
        "branch5x5": ((48, 1), (64, 5)),
        "branch3x3dbl": ((64, 1), (96, 3), (96, 3)),
    }
    return InceptionModule(in_channels, branches, pool)


def inception_b(in_channels: int) -> InceptionModule:
    """From 35×35 to 17×17."""
    return InceptionModule(in_channels, {"branch3x3": ((384, 3, 2),), "branch3x3dbl": ((64, 1), (96, 3), (96, 3, 2))}, None)


def inception_c(in_channels: int, c7: int) -> InceptionModule:
    """At 17×17; 7×7 kernels as a row and a column of ``c7`` channels."""
    branches: dict[str, Branch] = {
        "branch1x1": ((192, 1),),
        "branch7x7": ((c7, 1), (c7, (1, 7)), (192, (7, 1))),
        "branch7x7dbl": ((c7, 1), (c7, (7, 1)), (c7, (1, 7)), (c7, (7, 1)), (192, (1, 7))),
    }
    return InceptionModule(in_channels, branches, 192)


def inception_d(in_channels: int) -> InceptionModule:
    """From 17×17 to 8×8."""
    branches: dict[str, Branch] = {
        "branch3x3": ((192, 1), (320, 3, 2)),
        "branch7x7x3": ((192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)),
    }
    return InceptionModule(in_channels, branches, None)


class InceptionAux(nn.Module):
    """torchvision's auxiliary classifier, read in training only."""

    def __init__(self, in_channels: int, num_classes: int):
        super().__init__()
        self.conv0 = ConvBatchNormReLU(in_channels, 128, 1)
        self.conv1 = ConvBatchNormReLU(128, 768, 5)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x):
        x = self.conv1(self.conv0(F.avg_pool2d(x, 5, 3)))
        return self.fc(F.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Inception3(nn.Module):
    """torchvision's Inception v3, the same state_dict keys."""

    def __init__(self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False, dropout: float = 0.5):
        super().__init__()
        self.transform_input = transform_input
        self.Conv2d_1a_3x3 = ConvBatchNormReLU(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = ConvBatchNormReLU(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvBatchNormReLU(32, 64, 3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = ConvBatchNormReLU(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvBatchNormReLU(80, 192, 3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = inception_a(192, 32)
        self.Mixed_5c = inception_a(256, 64)
        self.Mixed_5d = inception_a(288, 64)
        self.Mixed_6a = inception_b(288)
        self.Mixed_6b = inception_c(768, 128)
        self.Mixed_6c = inception_c(768, 160)
        self.Mixed_6d = inception_c(768, 160)
        self.Mixed_6e = inception_c(768, 192)
        if aux_logits:
            self.AuxLogits = InceptionAux(768, num_classes)
        self.Mixed_7a = inception_d(768)
        self.Mixed_7b = InceptionE(1280)
        self.Mixed_7c = InceptionE(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(2048, num_classes)

    def forward(self, x):
        if self.transform_input:
            x = from_torchvision_normalisation(x)
        for name, child in self.named_children():  # in the order in which they were made
            x = x if name == "AuxLogits" else child(x)
        return x


@register((3, 299, 299))
def inception_v3(num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False, dropout: float = 0.5) -> Inception3:
    """Inception v3 as torchvision builds it; torchvision's weights load without renaming.

    Parameters
    ----------
    num_classes : int
        Size of the output.
    aux_logits : bool
        Build the auxiliary head ``AuxLogits``, whose weights stand in torchvision's state_dict. Its output is used in training only:
        the network never runs it.
    transform_input : bool
        Rescale images that were normalised with torchvision's mean and deviation to the -1..1 that the ported weights
        expect. torchvision switches it on together with its pretrained weights.
    dropout : float
        Share of features that Dropout zeroes in training.

    Returns
    -------
    Inception3
        [N, 3, 299, 299] float32 (any size from 75×75 up) → [N, num_classes] logits.
    """
    return Inception3(num_classes, aux_logits, transform_input, dropout)
