"""The nine real networks in the onnx wheel, whose weights are all 0.02, with seeded random weights instead."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

FOLDER = Path(onnx.__file__).parent / "backend/test/data/light"
NAMES = sorted(path.stem.removeprefix("light_") for path in FOLDER.glob("light_*.onnx"))


def light_model(name: str, seed: int = 0) -> onnx.ModelProto:
    """The graph of one network; what its ConstantOfShape nodes made are random initialisers, fit for what reads them."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    graph, rng = model.graph, np.random.default_rng(seed)
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    readers = {v: (node.op_type, i) for node in graph.node for i, v in enumerate(node.input)}
    nodes = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            nodes.append(node)
            continue
        shape = tuple(shapes[node.input[0]].tolist())
        array = random_weights(rng, shape, *readers[node.output[0]])
        graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
    model.ir_version = 4  # from which on initialisers need not be inputs
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def random_weights(rng: np.random.Generator, shape: tuple[int, ...], op: str, place: int) -> np.ndarray:
    """Numbers that keep activations near one in size."""
    positive = op in ("Mul", "Unsqueeze") or (op == "BatchNormalization" and place in (1, 4))
    if positive:
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if len(shape) > 1:
        return (rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))).astype(np.float32)
    return (0.1 * rng.standard_normal(shape, np.float32)).astype(np.float32)
