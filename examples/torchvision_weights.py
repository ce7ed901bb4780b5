"""A network that torchvision has, under torchvision's names: weights from .safetensors, a picture in, the five best classes out.

    python examples/torchvision_weights.py [resnet18.safetensors [picture.jpg]]

Weights that you have as .pth are converted by examples/convert_pth.py. Without arguments random weights and a drawn picture take
their place, so the classes mean nothing then. Needs Pillow, and the package safetensors to write that file.
"""

from __future__ import annotations

import sys

import numpy as np

import cyconv
from cyconv import functional as F
from cyconv import models


def random_weights() -> str:
    """A file of weights in place of yours."""
    cyconv.save_state_dict("resnet18.safetensors", models.resnet18().state_dict())
    return "resnet18.safetensors"


def drawn_picture() -> np.ndarray:
    """A picture in place of yours, as uint8 [H, W, 3]."""
    y, x = np.mgrid[:300, :400]
    return np.stack([x % 256, y % 256, (x + y) % 256], 2).astype(np.uint8)


def main() -> None:
    """Load, prepare, run."""
    weights = sys.argv[1] if len(sys.argv) > 1 else random_weights()
    picture = sys.argv[2] if len(sys.argv) > 2 else drawn_picture()

    net = models.resnet18()
    # The file is mapped, not read: every process that does this shares one copy of it.
    net.load_state_dict(cyconv.load_state_dict(weights))

    x = models.preprocess(picture)  # as torchvision does it: resize to 256, centre 224, ImageNet's mean and deviation
    chances = F.softmax(net(x), 1)[0]
    for k in np.argsort(-chances)[:5]:
        print(f"class {k}: {chances[k]:.1%}")


if __name__ == "__main__":
    main()
