"""torchvision's networks, random weights for networks of PyTorch, and random images.

torchvision's definitions can be used without its compiled part, once two of its operators were declared. Called by differences.py and by
the tests of cyconv.models.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from cyconv import models

THEIR_NAMES = {"googlenet_bn": "googlenet"}  # cyconv's googlenet is the lecture's, without BatchNorm
OURS_ALONE = {"alexnet_two_tower", "digits", "googlenet", "lenet"}
NEEDS_NO_WEIGHTS = {"googlenet", "inception_v3"}  # they take seconds to fill themselves with random numbers, unless told not to

_declared: list[torch.library.Library] = []


def torchvision_models():
    """The module torchvision.models, or None where torchvision is not installed."""
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    try:
        torch.ops.load_library(Path(spec.origin).parent / "_C.so")
    except OSError:
        if not _declared:
            _declared.append(torch.library.Library("torchvision", "DEF"))
            for name in ("nms", "qnms"):
                _declared[0].define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    from torchvision import models

    return models


def shared_names() -> list[str]:
    """The networks that cyconv and torchvision both have, by cyconv's names."""
    return [name for name in models.list_models() if name not in OURS_ALONE]


def torchvision_network(name: str, **options) -> torch.nn.Module:
    """torchvision's network of cyconv's name, with its own initial weights unless ``init_weights=False`` says that they do not matter."""
    their_name = THEIR_NAMES.get(name, name)
    if their_name not in NEEDS_NO_WEIGHTS:
        options.pop("init_weights", None)
    return torchvision_models().get_model(their_name, **options)


def random_state(model: torch.nn.Module, seed: int, gain: float = 1.0) -> dict[str, np.ndarray]:
    """Weights for a torch model with which signals keep their size from layer to layer (He), and every number is used.

    ``gain`` is a factor on the weights of BatchNorm.
    """
    rng = np.random.default_rng(seed)
    state = {}
    for name, value in model.state_dict().items():
        shape, last = tuple(value.shape), name.rpartition(".")[2]
        if last == "num_batches_tracked":
            state[name] = np.array(seed)
        elif last == "running_var" or (last == "weight" and value.ndim == 1):
            state[name] = rng.uniform(0.7, 1.4, shape).astype(np.float32) * np.float32(gain if last == "weight" else 1)
        elif last == "weight":
            state[name] = rng.standard_normal(shape, np.float32) * np.float32((2 / value[0].numel()) ** 0.5)
        else:
            state[name] = rng.standard_normal(shape, np.float32) * np.float32(0.1)
    return state


def random_images(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Coarse patches under fine noise. Pure noise would be the same to a network whatever the image."""
    rng = np.random.default_rng(seed)
    n, c, h, w = shape
    patches = rng.standard_normal((n, c, 4, 4), np.float32).repeat(-(-h // 4), 2).repeat(-(-w // 4), 3)[:, :, :h, :w]
    return patches + 0.3 * rng.standard_normal(shape, np.float32)
