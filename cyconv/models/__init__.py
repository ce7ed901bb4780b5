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
from cyconv.nn import Module

__all__ = [
    "INPUT_SHAPES",
    "AlexNet",
    "AlexNetTwoTower",
    "Digits",
    "GoogLeNet",
    "GoogLeNetBN",
    "LeNet",
    "alexnet",
    "alexnet_two_tower",
    "digits",
    "get_model",
    "googlenet",
    "googlenet_bn",
    "lenet",
    "list_models",
]

_CONSTRUCTORS: dict[str, Callable[..., Module]] = {
    "alexnet": alexnet,
    "alexnet_two_tower": alexnet_two_tower,
    "digits": digits,
    "googlenet": googlenet,
    "googlenet_bn": googlenet_bn,
    "lenet": lenet,
}

# The shape [C, H, W] of one image that each network is made for.
INPUT_SHAPES: dict[str, tuple[int, int, int]] = {
    "alexnet": (3, 224, 224),
    "alexnet_two_tower": (3, 224, 224),
    "digits": (1, 8, 8),
    "googlenet": (3, 224, 224),
    "googlenet_bn": (3, 224, 224),
    "lenet": (1, 32, 32),
}


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
