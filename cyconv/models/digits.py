"""A small network for 8×8 handwritten digits, and its trained weights.

The input is [N, 1, 8, 8]: scikit-learn's ``load_digits`` images divided by 16, so that they lie in 0..1.
Layer of the house: models, above nn. ``examples/train_digits.py`` trains the same architecture in PyTorch under
the same key names and writes ``digits.npz`` beside this file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cyconv import nn


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
        with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as weights:
            net.load_state_dict(dict(weights))
    return net
