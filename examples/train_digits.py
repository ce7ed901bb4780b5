"""Trains the digits network of cyconv in PyTorch and writes the weights that ship with the package.

    python examples/train_digits.py [cyconv/models/digits.npz]

The data are scikit-learn's bundled digits: 1797 real scans of 8×8 pixels. ``cyconv.models.digits.held_out`` says which are kept
from training; nothing here is chosen by looking at them, they are read once, at the end. Needs torch and scikit-learn;
takes a minute on one thread, and gives the same weights on the same machine and version of PyTorch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from cyconv import models
from cyconv.io import save_state_dict
from cyconv.models.digits import RESULT, held_out

SEED = 0
EPOCHS = 60
BATCH = 32
LEARNING_RATE = 2e-3  # the largest of a schedule that rises and falls once
SHIFT = 1  # pixels, each way
TARGET = 0.985


class Digits(nn.Module):
    """The architecture and key names of :class:`cyconv.models.Digits`."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 48, 3, padding=1)
        self.conv3 = nn.Conv2d(48, 64, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(64 * 2 * 2, 10)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = self.pool(torch.relu(self.conv2(x)))
        x = self.pool(torch.relu(self.conv3(x)))
        return self.fc(self.dropout(x.flatten(1)))


def shifted(images: torch.Tensor) -> torch.Tensor:
    """Each image moved by up to SHIFT pixels in both directions, zeros moving in."""
    n, _, height, width = images.shape
    padded = nn.functional.pad(images, (SHIFT,) * 4)
    top, left = torch.randint(0, 2 * SHIFT + 1, (2, n, 1, 1))
    rows = top + torch.arange(height).view(1, -1, 1)
    columns = left + torch.arange(width).view(1, 1, -1)
    return padded[torch.arange(n).view(-1, 1, 1), 0, rows, columns].unsqueeze(1)


def train(images: torch.Tensor, labels: torch.Tensor) -> Digits:
    """The network after EPOCHS passes over the images."""
    net = Digits()
    steps = -(-len(images) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, epochs=EPOCHS, steps_per_epoch=steps)
    for epoch in range(1, EPOCHS + 1):
        total = 0.0
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = nn.functional.cross_entropy(net(shifted(images[batch])), labels[batch], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(batch)
        if epoch % 10 == 0:
            print(f"epoch {epoch:2}: loss {total / len(images):.4f}", flush=True)
    return net.eval()


def main() -> None:
    """Train, report, write."""
    parser = argparse.ArgumentParser(description="Train the digits network and write its weights.")
    shipped = Path(models.__file__).with_name("digits.npz")
    parser.add_argument("output", nargs="?", type=Path, default=shipped, help="an .npz file; default: the one in the package")
    output = parser.parse_args().output

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    data = load_digits()
    images = torch.from_numpy((data.images[:, None] / 16).astype(np.float32))
    labels = torch.from_numpy(data.target.astype(np.int64))
    held = torch.from_numpy(held_out(data.target))
    net = train(images[~held], labels[~held])

    with torch.no_grad():
        right, count = int((net(images[held]).argmax(1) == labels[held]).sum()), int(held.sum())
    print(f"{count} held-out images: {right} right, accuracy {right / count:.2%}")
    if right <= TARGET * count:
        raise SystemExit(f"nothing written: more than {TARGET:.1%} was expected")
    state = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    save_state_dict(output, {**state, RESULT: np.array([right, count], np.int64)})
    print(f"wrote {output.name}, {output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
