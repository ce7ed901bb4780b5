"""`cyconv run`: the classes that a network sees in pictures. Part of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import cyconv
from cyconv import models
from cyconv.cli.network import ONNX, Network, UsageError, named_network, open_network
from cyconv.cli.show import progress, show
from cyconv.io import load_images
from cyconv.models.digits import RESULT
from cyconv.table import Table

# torchvision switches this on together with the weights that it ships.
RUN_OPTIONS = {"googlenet_bn": {"transform_input": True}}


def run_command(arguments: argparse.Namespace) -> None:
    """`cyconv run`."""
    network = trained(arguments.net, arguments.weights)
    shapes = network.shapes(arguments.input_shape)
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][0] != 1 or network.inputs[0].dtype != "float32":
        raise UsageError(f"run takes networks whose input is one image [1, C, H, W], {arguments.net} has {', '.join(map(str, shapes))}")
    image_shape = (shapes[0][1], shapes[0][2], shapes[0][3])
    plan = cyconv.compile(network.module, shapes[0])
    classes = int(np.prod(plan.output_shapes[0]))
    labels = read_labels(arguments.labels, classes) if arguments.labels else None
    records = []
    for path in progress(arguments.images, "images"):
        inputs = load_images(path, image_shape)
        for i in range(len(inputs)):
            name = str(path) if len(inputs) == 1 else f"{path}[{i}]"
            answer = plan(inputs[i : i + 1])
            chances = distribution(answer[0] if isinstance(answer, tuple) else answer)
            best = np.argsort(-chances, kind="stable")[: arguments.top]
            for rank, k in enumerate(map(int, best), 1):
                label = {"label": labels[k]} if labels else {}
                records.append({"image": name, "rank": rank, "class": k, **label, "probability": float(chances[k])})
    columns = {key: key for key in ("image", "rank", "class", "label", "probability") if labels or key != "label"}
    show(Table(records, columns), arguments.form, net=arguments.net)


def trained(name: str, weights: Path | None) -> Network:
    """The network with the weights of a file; the digits network and .onnx files have their own."""
    if name.lower().endswith(ONNX):
        if weights is not None:
            raise UsageError(f"argument --weights: {name} has weights of its own")
        return open_network(name)
    if weights is None:
        if name != "digits":
            raise UsageError(f"{name} needs --weights: only digits has weights in the package")
        return named_network(models.digits(pretrained=True), name)
    arrays = cyconv.load_state_dict(weights)
    arrays.pop(RESULT, None)
    module = models.get_model(name, **RUN_OPTIONS.get(name, {}))
    module.load_state_dict(arrays)
    return named_network(module, name)


def distribution(answer: np.ndarray) -> np.ndarray:
    """The answer to one image as probabilities: as it is when it is a distribution already, otherwise after softmax."""
    numbers = answer.reshape(-1).astype(np.float64)
    if numbers.min() >= 0 and abs(numbers.sum() - 1) < 1e-3:  # float32 softmax over 1000 classes is off by about 1e-6
        return numbers
    powers = np.exp(numbers - numbers.max())
    return powers / powers.sum()


def read_labels(path: Path, classes: int) -> list[str]:
    """One label a line, as many as there are classes."""
    try:
        labels = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: it is no text in UTF-8") from None
    if len(labels) != classes:
        raise ValueError(f"{path}: expected {classes} lines, one for each class of the network, got {len(labels)}")
    return labels
