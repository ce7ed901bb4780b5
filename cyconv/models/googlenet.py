"""GoogLeNet twice: the lecture's table (response normalisation), and torchvision's (BatchNorm).

Source: Szegedy et al., "Going deeper with convolutions", 2014. The two share their trunk; torchvision's differs
from the table in three places: BatchNorm in place of response normalisation, a 3×3 kernel in the branch called
5×5, and a 2×2 kernel in the last pool. Layer of the house: models, above nn.
"""

from __future__ import annotations

import numpy as np

from cyconv import functional as F
from cyconv import nn
from cyconv.models.registry import register

Size = int | tuple[int, int]  # of rows and columns

# Widths of each inception module: 1×1; 3×3 reduce, 3×3; 5×5 reduce, 5×5; pool projection.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}

# From images normalised as torchvision does (mean, deviation per channel) to the -1..1 of the ported weights.
_MEAN = np.array([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
_DEVIATION = np.array([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
_SCALE = (_DEVIATION / 0.5).astype(np.float32)
_SHIFT = ((_MEAN - 0.5) / 0.5).astype(np.float32)


def from_torchvision_normalisation(x):
    """Images normalised by torchvision's mean and deviation, as the ported weights of GoogLeNet and Inception v3 expect them."""
    return F.add(F.mul(x, _SCALE), _SHIFT)


class ConvReLU(nn.Module):
    """A convolution with bias, then ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(x))


class ConvBatchNormReLU(nn.Module):
    """A convolution without bias, BatchNorm, ReLU; torchvision calls it BasicConv2d."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Size, stride: int = 1, padding: Size = 0):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.bn(self.conv(x)))


ConvBlock = type[ConvReLU] | type[ConvBatchNormReLU]


class Inception(nn.Module):
    """Four branches over one input, concatenated by channels; ``widths`` as in INCEPTIONS, ``conv`` one of the two blocks above."""

    def __init__(self, in_channels: int, widths: tuple[int, ...], conv: ConvBlock, kernel5: int):
        super().__init__()
        w1, reduce3, w3, reduce5, w5, projection = widths
        self.branch1 = conv(in_channels, w1, 1)
        self.branch2 = nn.Sequential(conv(in_channels, reduce3, 1), conv(reduce3, w3, 3, padding=1))
        self.branch3 = nn.Sequential(conv(in_channels, reduce5, 1), conv(reduce5, w5, kernel5, padding=kernel5 // 2))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), conv(in_channels, projection, 1))

    def forward(self, x):
        return F.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class _Trunk(nn.Module):
    """What both networks share: from the image to the 1024 maps of inception5b."""

    def __init__(self, conv: ConvBlock, kernel5: int, kernel_pool4: int, lrn: bool):
        super().__init__()
        self.conv1 = conv(3, 64, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        if lrn:
            self.norm1 = nn.LocalResponseNorm(5)
        self.conv2 = conv(64, 64, 1)
        self.conv3 = conv(64, 192, 3, padding=1)
        if lrn:
            self.norm2 = nn.LocalResponseNorm(5)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        channels = 192
        for name, widths in INCEPTIONS.items():
            if name == "4a":
                self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
            if name == "5a":
                self.maxpool4 = nn.MaxPool2d(kernel_pool4, stride=2, ceil_mode=True)
            setattr(self, f"inception{name}", Inception(channels, widths, conv, kernel5))
            w1, _, w3, _, w5, projection = widths
            channels = w1 + w3 + w5 + projection

    def features(self, x):
        """[N, 3, H, W] → [N, 1024, about H/32, about W/32]; the children run in the order in which they were made."""
        for name, child in self.named_children():
            x = child(x)
            if name == "inception5b":
                return x


class GoogLeNet(_Trunk):
    """The lecture's GoogLeNet: convolutions with bias and ReLU, no BatchNorm."""

    def __init__(self, num_classes: int = 1000, lrn: bool = True, softmax: bool = False, dropout: float = 0.4):
        super().__init__(ConvReLU, kernel5=5, kernel_pool4=3, lrn=lrn)
        self.avgpool = nn.AvgPool2d(7, stride=1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        self.softmax = nn.Softmax(1) if softmax else nn.Identity()

    def forward(self, x):
        x = self.flatten(self.avgpool(self.features(x)))
        return self.softmax(self.fc(self.dropout(x)))


class InceptionAux(nn.Module):
    """torchvision's auxiliary classifier, read in training only."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d((4, 4))
        self.conv = ConvBatchNormReLU(in_channels, 128, 1)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(2048, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x):
        x = self.flatten(self.conv(self.avgpool(x)))
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


class GoogLeNetBN(_Trunk):
    """torchvision's GoogLeNet, the same state_dict keys."""

    def __init__(
        self,
        num_classes: int = 1000,
        transform_input: bool = False,
        aux_logits: bool = True,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ):
        super().__init__(ConvBatchNormReLU, kernel5=3, kernel_pool4=2, lrn=False)
        self.transform_input = transform_input
        if aux_logits:
            self.aux1 = InceptionAux(512, num_classes, dropout_aux)
            self.aux2 = InceptionAux(528, num_classes, dropout_aux)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)

    def forward(self, x):
        if self.transform_input:
            x = from_torchvision_normalisation(x)
        x = self.flatten(self.avgpool(self.features(x)))
        return self.fc(self.dropout(x))


@register()
def googlenet(num_classes: int = 1000, lrn: bool = True, softmax: bool = False, dropout: float = 0.4) -> GoogLeNet:
    """GoogLeNet as the lecture's table has it.

    Parameters
    ----------
    num_classes : int
        Size of the output.
    lrn : bool
        Response normalisation after the first pool and after conv3. The table does not list it; the paper's figure
        has it. Its constants are those of the network's first public release: size 5, α 1e-4, β 0.75, k 1.
    softmax : bool
        End with the table's softmax. Off by default, so that every network of this package returns logits.
    dropout : float
        Share of features that Dropout zeroes in training.

    Returns
    -------
    GoogLeNet
        [N, 3, 224, 224] float32 → [N, num_classes] logits, or probabilities with ``softmax``.
    """
    return GoogLeNet(num_classes, lrn, softmax, dropout)


@register()
def googlenet_bn(
    num_classes: int = 1000,
    transform_input: bool = False,
    aux_logits: bool = True,
    dropout: float = 0.2,
    dropout_aux: float = 0.7,
) -> GoogLeNetBN:
    """GoogLeNet as torchvision builds it; torchvision's weights load without renaming.

    Parameters
    ----------
    num_classes : int
        Size of the output.
    transform_input : bool
        Rescale images that were normalised with torchvision's mean and deviation to the -1..1 that the
        ported weights expect. torchvision switches it on together with its pretrained weights.
    aux_logits : bool
        Build the auxiliary heads ``aux1`` and ``aux2``, whose weights stand in torchvision's state_dict. Their
        output is used in training only: the network never runs them.
    dropout, dropout_aux : float
        Share of features that Dropout zeroes in training, in the network and in the auxiliary heads.

    Returns
    -------
    GoogLeNetBN
        [N, 3, 224, 224] float32 (any size from 15×15 up) → [N, num_classes] logits.
    """
    return GoogLeNetBN(num_classes, transform_input, aux_logits, dropout, dropout_aux)
