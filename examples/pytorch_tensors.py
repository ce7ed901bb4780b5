"""Tensors of PyTorch in, without a copy, and back: cyconv reads any array that speaks DLPack where it lies.

    python examples/pytorch_tensors.py

Needs PyTorch. The same goes for other libraries; an array on a GPU is refused, with a word on how to move it.
"""

from __future__ import annotations

import numpy as np
import torch

import cyconv


def main() -> None:
    """A layer of PyTorch and the same layer here."""
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)).eval()
    ours = cyconv.nn.Sequential(cyconv.nn.Conv2d(3, 8, 3), cyconv.nn.ReLU(), cyconv.nn.MaxPool2d(2))
    ours.load_state_dict(theirs.state_dict())

    x = torch.randn(2, 3, 32, 32)
    y = torch.from_numpy(ours(x))  # answers are NumPy's; from_numpy does not copy either
    with torch.no_grad():
        difference = (y - theirs(x)).abs().max().item()
    print(f"{tuple(y.shape)}, largest difference {difference:.1e}")

    try:
        ours(x.double())
    except TypeError as error:
        print(error)
    assert np.array_equal(ours(x.numpy()), y.numpy())


if __name__ == "__main__":
    main()
