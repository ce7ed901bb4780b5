"""A model from an .onnx file: loaded, run for any batch size, looked into by the names of its values, and written back.

    python examples/onnx_model.py [model.onnx]

Needs the package onnx. Without an argument a network of cyconv with random weights is exported first, as PyTorch would export one.
"""

from __future__ import annotations

import sys

import numpy as np

import cyconv
from cyconv import models


def main() -> None:
    """Load, run, look inside."""
    path = sys.argv[1] if len(sys.argv) > 1 else "squeezenet1_1.onnx"
    if len(sys.argv) == 1:
        cyconv.export_onnx(models.squeezenet1_1(), path)

    net = cyconv.load_onnx(path)
    print(net)
    shape = tuple(size if isinstance(size, int) else 1 for size in net.inputs[0].dims)
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    print(f"{net(x).shape[1]} classes")

    # The file leaves the batch size open: there is a plan for each shape, made when it is first needed.
    both = net(np.concatenate([x, 2 * x]))
    assert np.array_equal(both[:1], net(x))

    plan = cyconv.compile(net, shape)
    name = plan.steps()[len(plan.steps()) // 2]["name"]
    _, maps = plan(x, capture=[name])
    print(f"{name}: {maps[name].shape}")
    print(plan)

    try:
        cyconv.load_onnx(b"not a model")
    except cyconv.onnx.ModelError as error:
        print(error)


if __name__ == "__main__":
    main()
