"""export_onnx: a network as an ONNX file that other engines read.

The network is traced, not optimised: each op becomes the operator of the same meaning, and parameters keep their names. Layer of
the house: onnx; the door for users.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from cyconv.graph.compile import trace_function
from cyconv.graph.ir import Graph, Value
from cyconv.nn import Module
from cyconv.onnx import write_elements, write_layers, write_movement  # noqa: F401  (they register the writers)
from cyconv.onnx.errors import ModelError
from cyconv.onnx.net import OnnxNet
from cyconv.onnx.reading import MAX_FILE_BYTES
from cyconv.onnx.writer import IR_VERSION, OPSET, WRITERS, Inexpressible, Writer
from cyconv.shapes import check_shape

IMAGE = (1, 3, 224, 224)  # what the networks of cyconv.models take, but for a few


def export_onnx(net: Module, path: str | os.PathLike, input_shape: Sequence | None = None) -> None:
    """Write a network as an ONNX file of opset 21. Needs ``pip install cyconv[onnx]``.

    Parameters
    ----------
    net : Module
        In eval mode; a network that was loaded from ONNX can be written again.
    path : str or path
        The file is written aside and renamed, so at no time does ``path`` hold half a file.
    input_shape : tuple of int, or list of tuples of int, optional
        As for :func:`cyconv.compile`: the shape of the input, (1, 3, 224, 224) when left out, or what the ONNX model declares.
        The file takes any batch size if nothing in the network depends on it, and images of this size.

    Raises
    ------
    TypeError
        When ``net`` is no module.
    ModelError
        When the network has ops that ONNX has no operator for (the message lists them), more than 2 GiB of weights, or the file
        cannot be written.
    """
    if not isinstance(net, Module):
        raise TypeError(f"net: expected a cyconv.nn.Module, got {type(net).__name__}")
    shapes = _shapes(net, input_shape)
    written = _written(net, shapes)
    larger = [(shape[0] + 1, *shape[1:]) if shape else shape for shape in shapes]
    _save(Path(path), _model(*written, _same_for(net, larger, written[0])))


def _shapes(net: Module, given: Sequence | None) -> list[tuple[int, ...]]:
    """The shapes of the inputs."""
    if given is None and isinstance(net, OnnxNet):
        dims = [value.dims for value in net._model.inputs]
        if any(d is None or not all(isinstance(size, int) for size in d[1:]) for d in dims):
            raise ValueError("the model leaves sizes open, so input_shape must be given")
        given = [tuple(size if isinstance(size, int) else 1 for size in d or ()) for d in dims]
    several = isinstance(given, (list, tuple)) and any(isinstance(s, (list, tuple)) for s in given)
    return [check_shape(shape, "input_shape") for shape in (given if several else [IMAGE if given is None else given])]  # type: ignore


def _written(net: Module, shapes: list[tuple[int, ...]]) -> tuple[Writer, list[str]]:
    """The network traced for these shapes and written node by node, and the names of its outputs."""
    names = net._input_names(len(shapes))
    graph, _ = trace_function(net, shapes, names, net._input_dtypes(len(shapes)))
    writer = Writer(graph, _names(net, graph, names), _own_arrays(net, graph))
    failures = []
    for node in graph.nodes:
        try:
            if node.op not in WRITERS:
                raise Inexpressible("there is no such operator")
            WRITERS[node.op](writer, node)
        except Inexpressible as error:
            failures.append(f"  {node.name or node.op} ({node.op}): {error}")
            for place in range(len(node.outputs)):
                writer.define(node, place)
    if failures:
        raise ModelError("\n".join([f"{len(failures)} op(s) of the network cannot be written to ONNX:", *failures]))
    return writer, _outputs(net, writer)


def _outputs(net: Module, writer: Writer) -> list[str]:
    """The names of the outputs; what is an input, a constant or an output already gets a copy."""
    made = {v for node in writer.graph.nodes for v in node.outputs}
    names: list[str] = []
    for i, v in enumerate(writer.graph.outputs):
        name = writer.name(v)
        names.append(name if v in made and name not in names else writer.add("Identity", [name], writer.fresh(_output_name(net, i))))
    return names


def _output_name(net: Module, place: int) -> str:
    """What an output is called: as in the model that the network comes from, or by its number."""
    return net.output_names[place] if isinstance(net, OnnxNet) else f"output{place or ''}"


def _names(net: Module, graph: Graph, inputs: list[str]) -> dict[Value, str]:
    """The names of inputs and outputs, and of what was named in the model that the network comes from."""
    names = {v: name for name, v in graph.names.items()}
    for i, v in reversed(list(enumerate(graph.outputs))):
        names[v] = _output_name(net, i)
    names.update(zip(graph.inputs, inputs, strict=True))
    return names


def _own_arrays(net: Module, graph: Graph) -> dict[Value, tuple[str, np.ndarray]]:
    """For the constants that are parameters or buffers of the network (or views of them): name and array in the state dict."""
    state = {array.__array_interface__["data"][0]: (name, array) for name, array in net.state_dict().items() if array.size}
    found = {}
    for v, array in graph.constants.items():
        name, stored = state.get(array.__array_interface__["data"][0], ("", None))
        if stored is not None and stored.size == array.size and stored.dtype == array.dtype:
            found[v] = (name, stored)
    return found


def _same_for(net: Module, shapes: list[tuple[int, ...]], writer: Writer) -> Graph | None:
    """The network traced for these shapes, if its file would be the same but for the shapes of inputs and outputs."""
    try:
        other, _ = _written(net, shapes)
    except ValueError:
        return None
    same = other.nodes == writer.nodes and other.arrays.keys() == writer.arrays.keys()
    mine = {name: array for name, array in writer.arrays.items() if name not in writer.own}
    return other.graph if same and all(np.array_equal(other.arrays[name], array) for name, array in mine.items()) else None


def _model(writer: Writer, outputs: list[str], larger: Graph | None) -> Any:
    """The ModelProto; sizes that are others in ``larger``, which is one image more, are open."""
    graph = writer.graph

    def described(name: str, v: Value, other: Value) -> Any:
        shape = [size if size == size2 else "batch" for size, size2 in zip(v.shape, other.shape, strict=True)]
        return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(v.dtype)), shape)

    more = larger or graph
    inputs = [described(writer.name(v), v, w) for v, w in zip(graph.inputs, more.inputs, strict=True)]
    results = [described(name, v, w) for name, v, w in zip(outputs, graph.outputs, more.outputs, strict=True)]
    if sum(array.nbytes for array in writer.arrays.values()) > MAX_FILE_BYTES:
        raise ModelError(f"the weights take more than the {MAX_FILE_BYTES} bytes that an ONNX file can have")
    arrays = [onnx.numpy_helper.from_array(array, name) for name, array in writer.arrays.items()]
    made = onnx.helper.make_graph(writer.nodes, "cyconv", inputs, results, arrays)
    opset = onnx.helper.make_opsetid("", OPSET)
    return onnx.helper.make_model(made, opset_imports=[opset], ir_version=IR_VERSION, producer_name="cyconv")


def _save(path: Path, model: Any) -> None:
    """Write beside ``path``, then rename; on failure nothing is left behind."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with aside.open("xb") as file:
            file.write(model.SerializeToString())
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    finally:
        aside.unlink(missing_ok=True)
