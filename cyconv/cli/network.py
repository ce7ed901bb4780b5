"""NET on the command line, a network of the package by name or an .onnx file, and the commands that show what it costs.

Part of the command line; `run` and `compare` use it too.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

import cyconv
from cyconv import models
from cyconv.cli.show import note, show
from cyconv.nn import Module, init
from cyconv.summarize import summary
from cyconv.table import Table

ONNX = ".onnx"


class UsageError(ValueError):
    """Words on the command line that cannot be used."""


@dataclass(frozen=True)
class Input:
    """One input of a network; a size that is open is a name or None, and ``dims`` is None when not even their number is known."""

    name: str
    dtype: str
    dims: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class Network:
    """What NET names: the network, and what it takes."""

    module: Module
    inputs: list[Input]

    def shapes(self, given: list[tuple[int, ...]] | None, batch: int = 1) -> list[tuple[int, ...]]:
        """The shape of each input: what ``--input-shape`` says, or what the network is made for, with ``batch`` images at a time."""
        if given:
            if len(given) != len(self.inputs):
                names = ", ".join(i.name for i in self.inputs)
                raise UsageError(f"argument --input-shape: expected once for each of the inputs {names}, got {len(given)}")
            return given
        return [_shape(i, batch) for i in self.inputs]


def net(text: str) -> str:
    """NET: a network that the package has, or an .onnx file."""
    if not text.lower().endswith(ONNX) and text not in models.list_models():
        raise argparse.ArgumentTypeError(f"expected a file that ends in {ONNX} or one of {', '.join(models.list_models())}; got {text!r}")
    return text


def open_network(name: str) -> Network:
    """The network of that name, with the same random weights every time, or the one in an .onnx file."""
    if name.lower().endswith(ONNX):
        loaded = cyconv.load_onnx(name)
        return Network(loaded, [Input(i.name, i.dtype, i.dims) for i in loaded.inputs])
    init.manual_seed(0)
    return named_network(models.get_model(name), name)


def named_network(module: Module, name: str) -> Network:
    """A network of the package."""
    return Network(module, [Input("input", "float32", (None, *models.INPUT_SHAPES[name]))])


def _shape(wanted: Input, batch: int) -> tuple[int, ...]:
    """One input's shape; the first size is the batch, if it is open."""
    dims = wanted.dims
    if dims and not isinstance(dims[0], int):
        dims = (batch, *dims[1:])
    elif dims and batch not in (1, dims[0]):
        raise UsageError(f"argument --batch: the network takes {dims[0]} at a time")
    if dims is None or not all(isinstance(size, int) for size in dims):
        text = "" if dims is None else ",".join(str(size) if size else "?" for size in dims)
        raise UsageError(f"input {wanted.name!r} leaves sizes open ({text}): say --input-shape")
    return tuple(int(size) for size in dims)  # type: ignore[arg-type]


def random_inputs(network: Network, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """The same random numbers every time; zeros where the network takes no floating-point numbers."""
    rng = np.random.default_rng(0)
    made = zip(network.inputs, shapes, strict=True)
    return [rng.standard_normal(shape, np.float32) if i.dtype == "float32" else np.zeros(shape, i.dtype) for i, shape in made]


def shown_shape(shapes: list[tuple[int, ...]]):
    """Shapes as JSON shows them: one, or a list of several."""
    return shapes[0] if len(shapes) == 1 else shapes


def summary_command(arguments: argparse.Namespace) -> None:
    """`cyconv summary`."""
    network = open_network(arguments.net)
    shapes = network.shapes(arguments.input_shape)
    if len(shapes) != 1:
        raise UsageError(f"summary takes networks of one input, {arguments.net} has {len(shapes)}")
    table = summary(network.module, shapes[0])
    totals = {key: getattr(table, key) for key in ("weights", "biases", "parameters", "unused_parameters", "macs")}
    show(table, arguments.form, net=arguments.net, input_shape=shapes[0], **totals)


def profile_command(arguments: argparse.Namespace) -> None:
    """`cyconv profile`."""
    note(f"building and compiling {arguments.net}")
    network = open_network(arguments.net)
    shapes = network.shapes(arguments.input_shape, arguments.batch)
    plan = cyconv.compile(network.module, shapes, arguments.threads)
    note(f"running it {arguments.repeats + 1} times")
    result = plan.profile(*random_inputs(network, shapes), repeats=arguments.repeats)
    figures = {key: getattr(result, key) for key in ("isa", "num_threads", "total_ms", "peak_gflops")}
    if arguments.form == "json":
        show(Table(result.records, {}), "json", net=arguments.net, input_shape=shown_shape(shapes), **figures)
    else:
        show(result.table(), arguments.form)
