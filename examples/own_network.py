"""A network of your own: written as in PyTorch, filled from an .npz file, compiled, run, and looked into.

python examples/own_network.py
"""

from __future__ import annotations

import numpy as np

import cyconv
from cyconv import functional as F
from cyconv import nn


class Net(nn.Module):
    """Two convolutions with a shortcut around the second."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x) + x)
        return self.fc(F.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def main() -> None:
    """Save, load, run."""
    np.savez("net.npz", **Net().state_dict())  # stands for the weights that you have; PyTorch's have the same names

    net = Net()
    print(net.load_state_dict(cyconv.load_state_dict("net.npz")))

    plan = cyconv.compile(net, (8, 3, 32, 32))
    x = np.random.default_rng(0).standard_normal((8, 3, 32, 32), np.float32)
    y, maps = plan(x, capture=["conv2"])
    print(f"answers {y.shape}, feature maps of conv2 {maps['conv2'].shape}")
    print(plan)

    # The same bits for one image as for eight.
    assert np.array_equal(cyconv.compile(net, (1, 3, 32, 32))(x[3:4]), y[3:4])


if __name__ == "__main__":
    main()
