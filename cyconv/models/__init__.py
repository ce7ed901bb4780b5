"""Networks ready to build: one file per family, state_dict keys as in torchvision where torchvision has the network.

Every constructor returns an untrained network whose output is logits; ``digits(pretrained=True)`` is trained.
Layer of the house: models, above nn; called by users, io and the command line.
"""

from __future__ import annotations

from collections.abc import Callable

from cyconv.models.alexnet import AlexNet, AlexNetTwoTower, alexnet, alexnet_two_tower
from cyconv.models.digits import Digits, digits
from cyconv.models.googlenet import GoogLeNet, GoogLeNetBN, googlenet, googlenet_bn
from cyconv.models.lenet import LeNet, lenet
from cyconv.models.mobilenetv2 import MobileNetV2, mobilenet_v2
from cyconv.models.preprocess import preprocess
from cyconv.models.resnet import (
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    resnext101_64x4d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from cyconv.models.squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from cyconv.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from cyconv.nn import Module

__all__ = [
    "INPUT_SHAPES",
    "VGG",
    "AlexNet",
    "AlexNetTwoTower",
    "Digits",
    "GoogLeNet",
    "GoogLeNetBN",
    "LeNet",
    "MobileNetV2",
    "ResNet",
    "SqueezeNet",
    "alexnet",
    "alexnet_two_tower",
    "digits",
    "get_model",
    "googlenet",
    "googlenet_bn",
    "lenet",
    "list_models",
    "mobilenet_v2",
    "preprocess",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "wide_resnet50_2",
    "wide_resnet101_2",
]

_CONSTRUCTORS: dict[str, Callable[..., Module]] = {
    "alexnet": alexnet,
    "alexnet_two_tower": alexnet_two_tower,
    "digits": digits,
    "googlenet": googlenet,
    "googlenet_bn": googlenet_bn,
    "lenet": lenet,
    "mobilenet_v2": mobilenet_v2,
    "resnet101": resnet101,
    "resnet152": resnet152,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnext101_32x8d": resnext101_32x8d,
    "resnext101_64x4d": resnext101_64x4d,
    "resnext50_32x4d": resnext50_32x4d,
    "squeezenet1_0": squeezenet1_0,
    "squeezenet1_1": squeezenet1_1,
    "vgg11": vgg11,
    "vgg11_bn": vgg11_bn,
    "vgg13": vgg13,
    "vgg13_bn": vgg13_bn,
    "vgg16": vgg16,
    "vgg16_bn": vgg16_bn,
    "vgg19": vgg19,
    "vgg19_bn": vgg19_bn,
    "wide_resnet101_2": wide_resnet101_2,
    "wide_resnet50_2": wide_resnet50_2,
}

# The shape [C, H, W] of one image that each network is made for.
INPUT_SHAPES: dict[str, tuple[int, int, int]] = dict.fromkeys(_CONSTRUCTORS, (3, 224, 224)) | {"digits": (1, 8, 8), "lenet": (1, 32, 32)}


def list_models() -> list[str]:
    """The names that :func:`get_model` knows, in alphabetical order."""
    return sorted(_CONSTRUCTORS)


def get_model(name: str, **kwargs) -> Module:
    """Build a network by name.

    Parameters
    ----------
    name : str
        One of :func:`list_models`.
    **kwargs
        Passed to the constructor of that name, such as ``num_classes``.

    Returns
    -------
    Module
        The network, as its constructor returns it.

    Raises
    ------
    ValueError
        When there is no network of that name; the message lists those there are.
    """
    if name not in _CONSTRUCTORS:
        raise ValueError(f"name: expected one of {', '.join(list_models())}, got {name!r}")
    return _CONSTRUCTORS[name](**kwargs)
