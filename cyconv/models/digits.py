"""A small network for 8×8 handwritten digits, and its trained weights.

The input is [N, 1, 8, 8]: scikit-learn's ``load_digits`` images divided by 16, so that they lie in 0..1.
Layer of the house: models, above nn. ``examples/train_digits.py`` trains the same architecture in PyTorch under
the same key names and writes ``digits.npz`` beside this file: the weights, and how many held-out images they read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cyconv import nn
from cyconv.models.registry import register

RESULT = "held_out_result"  # the entry of digits.npz that is no weight: int64 [images read correctly, images held out]
_HELD_OUT_EVERY = 5


class Digits(nn.Module):
    """Three 3×3 convolutions, two poolings, one linear layer: 44,474 parameters, 174 KiB in float32."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(32, 48, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.conv3 = nn.Conv2d(48, 64, 3, padding=1)
        self.relu3 = nn.ReLU()
        self.pool3 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(64 * 2 * 2, num_classes)

    def forward(self, x):
        x = self.relu1(self.conv1(x))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = self.pool3(self.relu3(self.conv3(x)))
        return self.fc(self.dropout(self.flatten(x)))


@register((1, 8, 8))
def digits(pretrained: bool = False) -> Digits:
    """A network that reads handwritten digits.

    Parameters
    ----------
    pretrained : bool
        Load the weights that ship with the package.

    Returns
    -------
    Digits
        [N, 1, 8, 8] float32 in 0..1 (``load_digits().images / 16``) → [N, 10] logits.

    Raises
    ------
    FileNotFoundError
        When ``pretrained`` is asked for and the package was installed without ``digits.npz``.
    """
    net = Digits()
    if pretrained:
        weights = _shipped()
        del weights[RESULT]
        net.load_state_dict(weights)
    return net


def held_out(labels: np.ndarray) -> np.ndarray:
    """Which images training never saw: every fifth of each digit, in the data set's order.

    Parameters
    ----------
    labels : ndarray of int, [N]
        ``load_digits().target``.

    Returns
    -------
    ndarray of bool, [N]
        True for the images that are held out.
    """
    labels = np.asarray(labels)
    chosen = np.zeros(labels.shape, bool)
    for digit in np.unique(labels):
        chosen[np.flatnonzero(labels == digit)[_HELD_OUT_EVERY - 1 :: _HELD_OUT_EVERY]] = True
    return chosen


def trained_result() -> tuple[int, int]:
    """``(right, images)``: how many of the held-out images the shipped weights read correctly in PyTorch when training ended."""
    right, images = _shipped()[RESULT]
    return int(right), int(images)


def _shipped() -> dict[str, np.ndarray]:
    """The arrays of digits.npz."""
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as arrays:
        return dict(arrays)
