"""A checkpoint of PyTorch becomes a file of weights that cyconv reads. Needs PyTorch, once; running the network does not.

    python examples/convert_pth.py resnet18.pth resnet18.safetensors

The checkpoint may be a state dict, or hold one beside an optimiser's state and the like. It is read with ``weights_only=True``: PyTorch
then unpickles tensors and plain containers only.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

import cyconv

HOLDERS = ("state_dict", "model_state_dict", "model", "net")  # the keys under which training scripts keep the state dict


def state_dict_of(checkpoint: dict) -> dict[str, torch.Tensor]:
    """The state dict in a checkpoint, under the names of the network itself."""
    state = next((checkpoint[key] for key in HOLDERS if isinstance(checkpoint.get(key), dict)), checkpoint)
    others = [key for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise SystemExit(f"expected a state dict, found entries that are no tensors: {', '.join(map(str, others[:5]))}")
    return {key.removeprefix("module."): tensor for key, tensor in state.items()}  # as torch.nn.DataParallel calls them


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """float32 for floating-point numbers of any width, int64 for integers."""
    return tensor.detach().to(torch.float32 if tensor.is_floating_point() else torch.int64).numpy()


def main(argv: list[str] | None = None) -> None:
    """Read, convert, write."""
    parser = argparse.ArgumentParser(description="Convert a PyTorch checkpoint for cyconv.")
    parser.add_argument("checkpoint", help="a file that torch.save wrote")
    parser.add_argument("weights", help="the file to write: .npz, or .safetensors with the package of that name")
    arguments = parser.parse_args(argv)
    checkpoint = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
    arrays = {key: as_array(tensor) for key, tensor in state_dict_of(checkpoint).items()}
    cyconv.save_state_dict(arguments.weights, arrays)
    print(f"{arguments.weights}: {len(arrays)} arrays, {sum(a.size for a in arrays.values()):,} numbers")


if __name__ == "__main__":
    main()
