"""What each layer of a network costs and sees: shapes, parameters, multiply-adds and receptive field, without running it.

The network is traced, never computed, so a summary takes milliseconds and no weights are touched. Layer of the
house: above nn, below models; called by users, by :mod:`cyconv.lecture` and by the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cyconv.graph.compile import trace_function
from cyconv.graph.ir import Graph, Node, Value
from cyconv.nn import Module
from cyconv.ops import OPS
from cyconv.shapes import adaptive_windows, check_shape, effective_kernel
from cyconv.table import Table, cell_text

_COLUMNS = {
    "name": "layer",
    "op": "op",
    "output_shape": "output",
    "kernel": "kernel",
    "stride": "stride",
    "weights": "weights",
    "bias": "bias",
    "macs": "multiply-adds",
    "receptive_field": "receptive field",
    "jump": "jump",
}
_CONVOLUTIONS = ("conv2d", "conv3d", "conv_transpose2d", "conv_transpose3d")
# Of weight and bias among the op's inputs; a mul or add may be with a parameter (ConvNeXt's scales).
_PLACES = {"linear": (1, 2), "batch_norm": (3, 4), "prelu": (1, None), "mul": (1, None), "add": (None, 1)}
_PLACES |= {"layer_norm": (1, 2), "group_norm": (1, 2), "instance_norm": (1, 2)} | dict.fromkeys(_CONVOLUTIONS, (1, 2))
_CONVENTION = (
    "Multiply-adds: one for each product of a convolution (N·O·OH·OW·C/groups·kh·kw) and of a linear layer (N·K·M). "
    "Additions of biases, pooling, normalisation, activations and softmax are not counted.",
    "Weights and biases are counted apart; BatchNorm's scale is its weight, its running mean and variance are no parameters.",
    "Receptive field: r grows by (kernel − 1)·jump, the jump by the stride, along the path where it grows most. "
    "Padding is included, so r can exceed the image.",
)


@dataclass(frozen=True)
class Field:
    """What one cell of a value sees of the input (``size``), the ``jump`` to the next cell, and the map's ``extent``.

    Each is (rows, columns), or (slices, rows, columns) in a network with volumes.
    """

    size: tuple
    jump: tuple
    extent: tuple


class Summary(Table):
    """The table of :func:`summary`: ``records``, ``to_markdown()``, ``str()``, and the totals below.

    Attributes
    ----------
    weights, biases, parameters : int
        Counted once where layers share them; ``parameters`` is the sum of the two.
    unused_parameters : int
        Parameters of the module that its inference never reads (auxiliary heads).
    macs : int
        Multiply-adds for the whole input, all images of the batch.
    """

    def __init__(self, records: list[dict], input_shape: tuple[int, ...], unused_parameters: int):
        self.weights = sum(r["weights"] or 0 for r in records)
        self.biases = sum(r["bias"] or 0 for r in records)
        self.parameters = self.weights + self.biases
        self.unused_parameters = unused_parameters
        self.macs = sum(r["macs"] for r in records)
        totals = f"Total: {self.parameters:,} parameters ({self.weights:,} weights, {self.biases:,} biases), {self.macs:,} multiply-adds"
        notes = [f"{totals} for an input of {cell_text(input_shape)}.", *_CONVENTION]
        if unused_parameters:
            notes.insert(1, f"Besides, {unused_parameters:,} parameters that inference never reads.")
        super().__init__(records, _COLUMNS, notes)


def summary(model: Module, input_shape: Sequence[int]) -> Summary:
    """Count what each layer of ``model`` costs.

    Parameters
    ----------
    model : Module
        Any network; it is looked at as in eval mode and left as it was.
    input_shape : sequence of int
        Shape of one input, such as (3, 224, 224), or of a batch, such as (8, 3, 224, 224). Three numbers are one
        image, unless the network takes only a batch of signals [N, C, L].

    Returns
    -------
    Summary
        A record a layer, in running order: ``name`` (path of the layer), ``op``, ``output_shape``, ``kernel`` and
        ``stride`` (rows, columns; of volumes slices first), ``weights``, ``bias`` and their sum ``parameters`` (None where the
        op has none), ``macs`` (multiply-adds), ``receptive_field`` and ``jump`` (rows, columns of the input).

    Raises
    ------
    TypeError
        When ``model`` is not a Module or ``input_shape`` not a sequence of ints.
    ValueError
        When the network does not take this shape.
    """
    graph = trace(model, input_shape)
    uncounted = {_address(parameter): parameter.size for parameter in model.parameters()}
    fields = _fields(graph)
    records = [_record(node, graph, fields, uncounted) for node in graph.nodes]
    # A loaded model also has BatchNorm's mean and variance among its parameters, which are read, but no weights or biases.
    read = {_address(graph.origins.get(v, array)) for v, array in graph.constants.items()}
    unused = sum(size for address, size in uncounted.items() if address not in read)
    return Summary(records, graph.inputs[0].shape, unused_parameters=unused)


def trace(model: Module, input_shape: Sequence[int]) -> Graph:
    """The graph of ``model`` in eval mode on an input of this shape, with or without its batch dimension; errors as :func:`summary`."""
    if not isinstance(model, Module):
        raise TypeError(f"model must be a cyconv.nn.Module, got {type(model).__name__}")
    shape = check_shape(input_shape, "input_shape")
    batched = (1, *shape)
    candidates = (batched, shape) if len(shape) in (1, 3) else (shape, batched)

    def forward(x):
        # Inside the trace: a module whose mode changes outside one drops its plans.
        with _in_eval_mode(model):
            return model(x)

    first_error = None
    for candidate in candidates:
        try:
            return trace_function(forward, [candidate], ["input"])[0]
        except ValueError as error:
            first_error = first_error or error
    raise ValueError(f"input_shape: the network does not take {cell_text(shape)}: {first_error}") from first_error


@contextmanager
def _in_eval_mode(model: Module) -> Iterator[None]:
    """Dropout and BatchNorm as in inference until the block ends."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _record(node: Node, graph: Graph, fields: dict[Value, Field], uncounted: dict[int, int]) -> dict:
    """One row. ``uncounted`` holds address and size of the parameters that no earlier row has counted."""
    shapes = [v.shape for v in node.inputs]
    window, stride = _window(node)
    field = fields[node.outputs[0]]
    weights, bias = (_count(node, place, graph, uncounted) for place in _PLACES.get(node.op, (None, None)))
    return {
        "name": node.name or node.op,
        "op": node.op,
        "output_shape": node.outputs[0].shape,
        "kernel": window,
        "stride": None if stride is None else tuple(map(_plain, stride)),
        "weights": weights,
        "bias": bias,
        "parameters": None if weights is None and bias is None else (weights or 0) + (bias or 0),
        "macs": OPS[node.op].macs(shapes, [v.shape for v in node.outputs], node.attrs),
        "receptive_field": tuple(map(_plain, field.size)),
        "jump": tuple(map(_plain, field.jump)),
    }


def _count(node: Node, place: int | None, graph: Graph, uncounted: dict[int, int]) -> int | None:
    """Size of the parameter at this place of the node's inputs; 0 when it is counted already or is none (None of arithmetic)."""
    if place is None or place >= len(node.inputs) or node.inputs[place] not in graph.constants:
        return None
    v = node.inputs[place]
    return uncounted.pop(_address(graph.origins.get(v, graph.constants[v])), None if node.op in ("mul", "add") else 0)


def _address(array: np.ndarray) -> int:
    """Where an array's numbers lie: the same for a parameter and for the views of it that layers record."""
    return array.__array_interface__["data"][0]


def _window(node: Node) -> tuple[tuple | None, tuple | None]:
    """``(kernel, stride)`` of the op along its axes, dilation not included; None where it has no window."""
    if node.op in _CONVOLUTIONS:
        return node.inputs[1].shape[2:], node.attrs["stride"]
    if "kernel" in node.attrs:
        return node.attrs["kernel"], node.attrs["stride"]
    if node.op.startswith("adaptive_") and 0 not in node.attrs["output_size"]:
        sizes = list(zip(node.inputs[0].shape[2:], node.attrs["output_size"], strict=True))
        kernel = tuple(max(end - start for start, end in adaptive_windows(size, out)) for size, out in sizes)
        return kernel, tuple(Fraction(size, out) for size, out in sizes)
    return None, None


def _fields(graph: Graph) -> dict[Value, Field]:
    """The field of every value that depends on the input."""
    start = graph.inputs[0]
    rank = 3 if any(len(v.shape) == 5 for v in graph.values()) else 2
    ones = (1,) * rank
    fields = {start: Field(ones, ones, _extent(start, ones))}
    for node in graph.nodes:
        reads = [fields[v] for v in node.inputs if v in fields]
        field = _field_after(node, reads) if reads else Field((0,) * rank, ones, ones)
        fields.update((v, field) for v in node.outputs)
    return fields


def _field_after(node: Node, reads: list[Field]) -> Field:
    """The field of what ``node`` makes from values with these fields: the largest, grown by the node's own window."""
    axes = range(len(reads[0].size))
    size = tuple(max(f.size[a] for f in reads) for a in axes)
    jump = tuple(max(f.jump[a] for f in reads) for a in axes)
    extent = reads[0].extent
    window, stride = _window(node)
    if node.op == "linear" and len(node.inputs[0].shape) == 2:
        window, stride, extent = extent, (1,) * len(extent), (1,) * len(extent)  # it sees the whole map that was flattened
    elif node.op == "slice" and len(node.inputs[0].shape) in (4, 5):
        stride = node.attrs["steps"][2:]
        window = (1,) * len(stride)
    if window is not None and stride is not None:
        window, stride, dilation = (_of_rank(v, len(axes)) for v in (window, stride, node.attrs.get("dilation", ())))
        cells = [effective_kernel(w, d) for w, d in zip(window, dilation, strict=True)]
        if node.op.startswith("conv_transpose"):  # of the kernel's cells one in `stride` meets an output
            cells, stride = [-(-c // s) for c, s in zip(cells, stride, strict=True)], tuple(Fraction(1, s) for s in stride)
        size = tuple(size[a] + (cells[a] - 1) * jump[a] for a in axes)
        jump = tuple(jump[a] * stride[a] for a in axes)
    return Field(size, jump, _extent(node.outputs[0], extent))


def _of_rank(values: tuple, rank: int) -> tuple:
    """Numbers of the last axes, with 1 for those before them."""
    return (1,) * (rank - len(values)) + tuple(values)


def _extent(value: Value, otherwise: tuple) -> tuple:
    """The sizes of a volume, map or signal [N, C, ...] along as many axes as ``otherwise`` has, which other values keep."""
    return _of_rank(value.shape[2:], len(otherwise)) if 3 <= len(value.shape) <= 2 + len(otherwise) else otherwise


def _plain(number: int | Fraction) -> int | float:
    """A whole number as int, another as float."""
    return int(number) if number == int(number) else float(number)
