"""The list of networks: every constructor enters itself by name, with the shape of the images it is made for.

Layer of the house: models, above nn; the files of the families register, users and the command line look up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cyconv.nn import Module

Constructor = TypeVar("Constructor", bound=Callable[..., Module])

_constructors: dict[str, Callable[..., Module]] = {}
# The shape [C, H, W] of one image that each network is made for.
INPUT_SHAPES: dict[str, tuple[int, int, int]] = {}


def register(shape: tuple[int, int, int] = (3, 224, 224)) -> Callable[[Constructor], Constructor]:
    """Enter the decorated constructor under its own name; ``shape`` [C, H, W] is that of the images it is made for."""

    def enter(constructor: Constructor) -> Constructor:
        name = constructor.__name__
        if name in _constructors:
            raise ValueError(f"network {name!r} is registered twice")
        _constructors[name] = constructor
        INPUT_SHAPES[name] = shape
        return constructor

    return enter


def list_models() -> list[str]:
    """The names that :func:`get_model` knows, in alphabetical order."""
    return sorted(_constructors)


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
    if name not in _constructors:
        raise ValueError(f"name: expected one of {', '.join(list_models())}, got {name!r}")
    return _constructors[name](**kwargs)
