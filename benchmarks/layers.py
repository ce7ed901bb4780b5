"""The layers of the package's networks as shapes: what benchmarks time and tests compute, without building a network.

``CONVS["googlenet/3a/3x3"]`` is a :class:`Conv`, ``LINEARS["alexnet/fc6"]`` a :class:`Linear`, both at batch 1;
``._replace(n=8)`` gives another batch. A test traces the networks and compares, so the tables cannot go stale.
Imports nothing of cyconv: benchmarks must import under any version of it.
"""

from __future__ import annotations

from typing import NamedTuple


class Conv(NamedTuple):
    """Sizes of a two-dimensional convolution, named as everywhere in the project."""

    n: int
    ci: int
    co: int
    h: int
    w: int
    kh: int
    kw: int
    sh: int
    sw: int
    ph: int
    pw: int
    dh: int
    dw: int
    g: int

    @property
    def oh(self) -> int:
        """Rows of the output."""
        return (self.h + 2 * self.ph - self.dh * (self.kh - 1) - 1) // self.sh + 1

    @property
    def ow(self) -> int:
        """Columns of the output."""
        return (self.w + 2 * self.pw - self.dw * (self.kw - 1) - 1) // self.sw + 1

    @property
    def macs(self) -> int:
        """Multiply-adds."""
        return self.n * self.co * self.oh * self.ow * (self.ci // self.g) * self.kh * self.kw


class Linear(NamedTuple):
    """Sizes of a linear layer: ``y[n, m] = x[n, k] · weight[m, k]``."""

    n: int
    m: int
    k: int

    @property
    def macs(self) -> int:
        """Multiply-adds."""
        return self.n * self.m * self.k


def square(ci: int, co: int, size: int, kernel: int, stride: int = 1, padding: int = 0, g: int = 1) -> Conv:
    """A convolution of one square image with a square kernel."""
    return Conv(1, ci, co, size, size, kernel, kernel, stride, stride, padding, padding, 1, 1, g)


def inception(size: int, ci: int, widths: tuple[int, int, int, int, int, int]) -> dict[str, Conv]:
    """The six convolutions of an inception module in running order; widths as the columns of the lecture's table."""
    w1, reduce3, w3, reduce5, w5, projection = widths
    return {
        "1x1": square(ci, w1, size, 1),
        "3x3_reduce": square(ci, reduce3, size, 1),
        "3x3": square(reduce3, w3, size, 3, padding=1),
        "5x5_reduce": square(ci, reduce5, size, 1),
        "5x5": square(reduce5, w5, size, 5, padding=2),
        "pool_proj": square(ci, projection, size, 1),
    }


def vgg(depths: tuple[int, ...]) -> dict[str, Conv]:
    """The convolutions of a VGG with so many in each stage, under the numbers that torchvision gives them."""
    convs, ci, number = {}, 3, 0
    for i, (depth, co) in enumerate(zip(depths, (64, 128, 256, 512, 512), strict=True)):
        for _ in range(depth):
            convs[f"features.{number}"] = square(ci, co, 224 >> i, 3, padding=1)
            ci, number = co, number + 2
        number += 1
    return convs


def resnet(depths: tuple[int, ...], bottleneck: bool) -> dict[str, Conv]:
    """The convolutions of a ResNet with so many blocks in each stage."""
    convs, ci, size = {"conv1": square(3, 64, 224, 7, stride=2, padding=3)}, 64, 56
    for i, depth in enumerate(depths):
        width = 64 << i
        co = 4 * width if bottleneck else width
        for j in range(depth):
            block, stride = f"layer{i + 1}.{j}", 2 if i > 0 and j == 0 else 1
            if bottleneck:
                convs[f"{block}.conv1"] = square(ci, width, size, 1)
                convs[f"{block}.conv2"] = square(width, width, size, 3, stride, 1)
                convs[f"{block}.conv3"] = square(width, co, size // stride, 1)
            else:
                convs[f"{block}.conv1"] = square(ci, co, size, 3, stride, 1)
                convs[f"{block}.conv2"] = square(co, co, size // stride, 3, 1, 1)
            if ci != co or stride == 2:
                convs[f"{block}.downsample.0"] = square(ci, co, size, 1, stride)
            ci, size = co, size // stride
    return convs


def fire(number: int, size: int, ci: int, squeezed: int, expanded: int) -> dict[str, Conv]:
    """The three convolutions of a fire module of SqueezeNet."""
    return {
        f"features.{number}.squeeze": square(ci, squeezed, size, 1),
        f"features.{number}.expand1x1": square(squeezed, expanded, size, 1),
        f"features.{number}.expand3x3": square(squeezed, expanded, size, 3, padding=1),
    }


def mobilenet_v2() -> dict[str, Conv]:
    """The convolutions of MobileNetV2: first, blocks (spread, depthwise, narrow), last."""
    convs, ci, size, number = {"features.0.0": square(3, 32, 224, 3, 2, 1)}, 32, 112, 1
    for expansion, co, blocks, first_stride in _MOBILENET_STAGES:
        for i in range(blocks):
            path, width, stride = f"features.{number}.conv", ci * expansion, first_stride if i == 0 else 1
            if expansion > 1:
                convs[f"{path}.0.0"] = square(ci, width, size, 1)
            depthwise = 0 if expansion == 1 else 1
            convs[f"{path}.{depthwise}.0"] = square(width, width, size, 3, stride, 1, g=width)
            ci, size, number = co, size // stride, number + 1
            convs[f"{path}.{depthwise + 1}"] = square(width, co, size, 1)
    return convs | {f"features.{number}.0": square(ci, 1280, size, 1)}


_INCEPTIONS = {
    "3a": (28, 192, (64, 96, 128, 16, 32, 32)),
    "3b": (28, 256, (128, 128, 192, 32, 96, 64)),
    "4a": (14, 480, (192, 96, 208, 16, 48, 64)),
    "4b": (14, 512, (160, 112, 224, 24, 64, 64)),
    "4c": (14, 512, (128, 128, 256, 24, 64, 64)),
    "4d": (14, 512, (112, 144, 288, 32, 64, 64)),
    "4e": (14, 528, (256, 160, 320, 32, 128, 128)),
    "5a": (7, 832, (256, 160, 320, 32, 128, 128)),
    "5b": (7, 832, (384, 192, 384, 48, 128, 128)),
}

# Number, image size, input channels and widths of the fire modules of SqueezeNet 1.1.
_FIRES = [(3, 55, 64, 16, 64), (4, 55, 128, 16, 64), (6, 27, 128, 32, 128), (7, 27, 256, 32, 128)]
_FIRES += [(9, 13, 256, 48, 192), (10, 13, 384, 48, 192), (11, 13, 384, 64, 256), (12, 13, 512, 64, 256)]

# Stages of MobileNetV2: expansion, channels, blocks, stride of the first.
_MOBILENET_STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]

# Layers of torchvision's networks, under their paths there.
_TORCHVISION: dict[str, dict[str, Conv]] = {
    "vgg16": vgg((2, 2, 3, 3, 3)),
    "resnet18": resnet((2, 2, 2, 2), bottleneck=False),
    "resnet50": resnet((3, 4, 6, 3), bottleneck=True),
    "squeezenet1_1": {
        "features.0": square(3, 64, 224, 3, stride=2),
        **{name: conv for module in _FIRES for name, conv in fire(*module).items()},
        "classifier.1": square(512, 1000, 13, 1),
    },
    "mobilenet_v2": mobilenet_v2(),
}

# Layers in running order. alexnet_two_tower and googlenet are the lecture's, alexnet is torchvision's with the lecture's names.
CONVS: dict[str, Conv] = {
    "lenet/conv1": square(1, 6, 32, 5),
    "lenet/conv2": square(6, 16, 14, 5),
    "digits/conv1": square(1, 32, 8, 3, padding=1),
    "digits/conv2": square(32, 48, 8, 3, padding=1),
    "digits/conv3": square(48, 64, 4, 3, padding=1),
    "alexnet/conv1": square(3, 64, 224, 11, stride=4, padding=2),
    "alexnet/conv2": square(64, 192, 27, 5, padding=2),
    "alexnet/conv3": square(192, 384, 13, 3, padding=1),
    "alexnet/conv4": square(384, 256, 13, 3, padding=1),
    "alexnet/conv5": square(256, 256, 13, 3, padding=1),
    "alexnet_two_tower/conv1": square(3, 96, 224, 11, stride=4, padding=2),
    "alexnet_two_tower/conv2": square(96, 256, 27, 5, padding=2, g=2),
    "alexnet_two_tower/conv3": square(256, 384, 13, 3, padding=1),
    "alexnet_two_tower/conv4": square(384, 384, 13, 3, padding=1, g=2),
    "alexnet_two_tower/conv5": square(384, 256, 13, 3, padding=1, g=2),
    "googlenet/conv1": square(3, 64, 224, 7, stride=2, padding=3),
    "googlenet/conv2": square(64, 64, 56, 1),
    "googlenet/conv3": square(64, 192, 56, 3, padding=1),
    **{
        f"googlenet/{name}/{part}": conv
        for name, (size, ci, widths) in _INCEPTIONS.items()
        for part, conv in inception(size, ci, widths).items()
    },
    **{f"{network}/{name}": conv for network, convs in _TORCHVISION.items() for name, conv in convs.items()},
}

LINEARS: dict[str, Linear] = {
    "lenet/fc3": Linear(1, 120, 400),
    "lenet/fc4": Linear(1, 84, 120),
    "lenet/fc5": Linear(1, 10, 84),
    "digits/fc": Linear(1, 10, 256),
    "alexnet/fc6": Linear(1, 4096, 9216),
    "alexnet/fc7": Linear(1, 4096, 4096),
    "alexnet/fc8": Linear(1, 1000, 4096),
    "alexnet_two_tower/fc6": Linear(1, 4096, 9216),
    "alexnet_two_tower/fc7": Linear(1, 4096, 4096),
    "alexnet_two_tower/fc8": Linear(1, 1000, 4096),
    "googlenet/fc": Linear(1, 1000, 1024),
    "vgg16/classifier.0": Linear(1, 4096, 25088),
    "vgg16/classifier.3": Linear(1, 4096, 4096),
    "vgg16/classifier.6": Linear(1, 1000, 4096),
    "resnet18/fc": Linear(1, 1000, 512),
    "resnet50/fc": Linear(1, 1000, 2048),
    "mobilenet_v2/classifier.1": Linear(1, 1000, 1280),
}
