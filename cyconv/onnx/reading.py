"""Reading a model file with the onnx package, without trusting it.

Sizes are checked in the file's own terms before arrays are made, tensors in other files only come from the model's folder, and
onnx's checker has the last word on the structure. Layer of the house: onnx; called by :func:`cyconv.load_onnx`.
"""

from __future__ import annotations

import os
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cyconv.onnx.errors import ModelError
from cyconv.onnx.external import read_external
from cyconv.onnx.model import Model, ModelInput, ModelNode
from cyconv.onnx.registry import find_operator, refuse, why_not
from cyconv.onnx.schemas import is_withdrawn, node_version, with_defaults
from cyconv.onnx.wire import check_wire
from cyconv.shapes import check_shape

try:
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import TensorProto
except ImportError as error:
    raise ImportError(f"reading and writing ONNX models needs the package onnx: pip install cyconv[onnx] ({error})") from error

MAX_FILE_BYTES = 2**31 - 1  # protobuf reads no more
MIN_OPSET = 6

# Elements as NumPy has them, and the field that holds them when a tensor has no raw bytes.
_KINDS = {
    TensorProto.FLOAT: ("<f4", "float_data"),
    TensorProto.DOUBLE: ("<f8", "double_data"),
    TensorProto.FLOAT16: ("<f2", "int32_data"),
    TensorProto.INT8: ("|i1", "int32_data"),
    TensorProto.INT16: ("<i2", "int32_data"),
    TensorProto.INT32: ("<i4", "int32_data"),
    TensorProto.INT64: ("<i8", "int64_data"),
    TensorProto.UINT8: ("|u1", "int32_data"),
    TensorProto.UINT16: ("<u2", "int32_data"),
    TensorProto.UINT32: ("<u4", "uint64_data"),
    TensorProto.UINT64: ("<u8", "uint64_data"),
    TensorProto.BOOL: ("|b1", "int32_data"),
}


def read_model(source: str | os.PathLike | bytes) -> Model:
    """The model in a file, or in the bytes of one; :class:`ModelError` when it is damaged, hostile or of another kind."""
    where = "model"
    try:
        if isinstance(source, (bytes, bytearray, memoryview)):
            return _Reader(_parse(bytes(source)), None).model()
        if not isinstance(source, (str, os.PathLike)):
            raise TypeError(f"model: expected a path or the bytes of a model, got {type(source).__name__}")
        path = Path(source)
        where = str(path)
        return _Reader(_parse(_file_bytes(path)), path.parent).model()
    except MemoryError:
        raise ModelError(f"{where}: there is not enough memory to read it") from None
    except OSError as error:
        raise ModelError(f"{where}: {error.strerror or error}") from error
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from error


def _file_bytes(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise ValueError("it is not a regular file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"it has {path.stat().st_size} bytes, at most {MAX_FILE_BYTES} are read")
    return path.read_bytes()


def _parse(data: bytes) -> Any:
    """The ModelProto in ``data``."""
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"it has {len(data)} bytes, at most {MAX_FILE_BYTES} are read")
    try:
        check_wire(data, onnx.ModelProto.DESCRIPTOR)
        proto = onnx.ModelProto.FromString(data)
    except (DecodeError, ValueError) as error:
        raise ValueError(f"it is not a sound ONNX file: {error}") from None
    if not proto.HasField("graph"):
        raise ValueError("it is not a sound ONNX file: it has no graph")
    return proto


class _Reader:
    """One model being taken apart."""

    def __init__(self, proto: Any, folder: Path | None):
        self.proto = proto
        self.folder = folder

    def model(self) -> Model:
        """The model; the proto has lost its arrays afterwards."""
        graph = self.proto.graph
        opset = self._opset()
        if self.proto.functions or graph.sparse_initializer or self.proto.training_info:
            raise ValueError("functions, sparse initialisers and training graphs of its own are not supported")
        nodes = [self._node(node, opset) for node in graph.node]
        refuse([(node, why_not(node)) for node in nodes if find_operator(node) is None])
        arrays = {tensor.name: self.array(tensor) for tensor in graph.initializer}
        inputs = [self._input(value) for value in graph.input if value.name not in arrays]
        self._check_structure(opset)
        return Model(inputs, [value.name for value in graph.output], nodes, arrays)

    def _opset(self) -> int:
        """The version of ONNX's own operators."""
        versions = [entry.version for entry in self.proto.opset_import if entry.domain in ("", "ai.onnx")]
        if len(versions) != 1:
            raise ValueError("it does not say the version of its operators (one opset_import of the domain ai.onnx)")
        newest = onnx.defs.onnx_opset_version()
        if not MIN_OPSET <= versions[0] <= newest:
            raise ValueError(
                f"opset {versions[0]} is not supported; opsets {MIN_OPSET} to {newest} are (the newest that this onnx package knows)"
            )
        return versions[0]

    def _node(self, node: Any, opset: int) -> ModelNode:
        domain = "" if node.domain == "ai.onnx" else node.domain
        attrs = {attribute.name: self._attribute(attribute) for attribute in node.attribute}
        if len(attrs) != len(node.attribute):
            raise ValueError(f"node {node.name!r} ({node.op_type}) has an attribute twice")
        version = node_version(node.op_type, opset, domain)
        return ModelNode(
            node.name,
            node.op_type,
            domain,
            version,
            with_defaults(attrs, node.op_type, version, domain),
            list(node.input),
            list(node.output),
        )

    def _attribute(self, attribute: Any):
        """Its value: a number, a str, an array, or a list of numbers or of strings; None for graphs and types."""
        kinds = onnx.AttributeProto
        if attribute.type == kinds.TENSOR:
            return self.array(attribute.t)
        if attribute.type == kinds.STRING:
            return attribute.s.decode("utf-8", "replace")
        if attribute.type == kinds.STRINGS:
            return [text.decode("utf-8", "replace") for text in attribute.strings]
        plain = {kinds.FLOAT: "f", kinds.INT: "i", kinds.FLOATS: "floats", kinds.INTS: "ints"}
        if attribute.type not in plain:
            return None
        value = getattr(attribute, plain[attribute.type])
        if attribute.type == kinds.FLOAT:
            return float(str(np.float32(value)))  # the shortest number that is this float32: 1e-5, not 9.99999974e-06
        return list(value) if attribute.type in (kinds.FLOATS, kinds.INTS) else value

    def _input(self, value: Any) -> ModelInput:
        tensor = value.type.tensor_type
        if value.type.WhichOneof("value") != "tensor_type" or tensor.elem_type not in _KINDS:
            raise ValueError(f"input {value.name!r} is no array of numbers that is supported")
        dims = None
        if tensor.HasField("shape"):
            dims = tuple(_dimension(dim) for dim in tensor.shape.dim)
        return ModelInput(value.name, np.dtype(_KINDS[tensor.elem_type][0]).name, dims)

    def array(self, tensor: Any) -> np.ndarray:
        """The array of a TensorProto, read-only, whose numbers the proto then gives up."""
        try:
            if tensor.data_type not in _KINDS:
                raise ValueError(f"arrays of {_type_name(tensor.data_type)} are not supported")
            dtype, typed = np.dtype(_KINDS[tensor.data_type][0]), _KINDS[tensor.data_type][1]
            shape = check_shape(tensor.dims, "it", dtype.itemsize)
            raw = self._raw_bytes(tensor, prod(shape) * dtype.itemsize)
            if raw is not None:
                array = np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)
            elif len(getattr(tensor, typed)) != prod(shape):
                raise ValueError(f"it has {len(getattr(tensor, typed))} numbers, its shape {list(shape)} asks for {prod(shape)}")
            else:
                array = onnx.numpy_helper.to_array(tensor)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"tensor {tensor.name!r}: {error}") from None
        for field in (typed, "raw_data", "external_data", "data_location", "dims"):
            tensor.ClearField(field)
        tensor.dims.append(0)  # for onnx's checker: what is left is an empty tensor, not one without numbers
        array.flags.writeable = False
        return array

    def _raw_bytes(self, tensor: Any, expected: int) -> bytes | None:
        """The bytes of a tensor, if it holds or refers to bytes; there must be as many as its shape asks for."""
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            if tensor.HasField("raw_data") or tensor.data_location != TensorProto.EXTERNAL:
                raise ValueError("it has numbers of its own and external ones")
            return read_external(tensor.external_data, self.folder, expected)
        if not tensor.HasField("raw_data"):
            return None
        raw = tensor.raw_data
        if len(raw) != expected:
            raise ValueError(f"it has {len(raw)} bytes, its shape {list(tensor.dims)} asks for {expected}")
        return raw

    def _check_structure(self, opset: int) -> None:
        """Let onnx's checker look at the model without its arrays, and without types and shapes that nobody here needs.

        It refuses operators that were withdrawn, which models have all the same; one with any number of inputs stands in for them.
        """
        for value in self.proto.graph.output:
            value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, TensorProto.FLOAT, []))
        for value in self.proto.graph.input:
            value.type.tensor_type.shape.SetInParent()
        self.proto.graph.ClearField("value_info")
        for node in self.proto.graph.node:
            if is_withdrawn(node.op_type, opset):
                node.op_type = "Sum"
                node.ClearField("attribute")
        try:
            onnx.checker.check_model(self.proto.SerializeToString())
        except (onnx.checker.ValidationError, RuntimeError) as error:
            raise ValueError(f"onnx's checker refuses it: {error}") from None


def _dimension(dim: Any) -> int | str | None:
    if dim.HasField("dim_value") and dim.dim_value >= 0:  # negative ones also mark open sizes
        return dim.dim_value
    return dim.dim_param or None


def _type_name(data_type: int) -> str:
    try:
        return TensorProto.DataType.Name(data_type)
    except ValueError:
        return f"the unknown type {data_type}"
