"""Damaged and hostile files are refused with one error, before memory is taken for what they claim."""

import os
import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import cyconv
from cyconv.onnx import ModelError
from cyconv.onnx.reading import read_model
from tests.onnx.helpers import model, small_net, value


def one_tensor(**fields) -> bytes:
    """A model that adds a tensor with these fields."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT)
    for key, field in fields.items():
        if isinstance(field, list):
            getattr(tensor, key).extend(field)
        else:
            setattr(tensor, key, field)
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [value("x", [2])], [value("y", None)], [tensor])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def external(location: str, **more: str) -> bytes:
    tensor = {"location": location, **more}
    entries = [onnx.StringStringEntryProto(key=key, value=text) for key, text in tensor.items()]
    return one_tensor(dims=[2], data_location=TensorProto.EXTERNAL, external_data=entries)


def refusal(source) -> str:
    with pytest.raises(ModelError) as error:
        cyconv.load_onnx(source)
    return str(error.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dims": [2], "raw_data": b"1234"}, "it has 4 bytes, its shape .2. asks for 8"),
        ({"dims": [1 << 40], "raw_data": b"1234"}, "dimension 0"),
        ({"dims": [1 << 20, 1 << 20], "float_data": [1.0]}, "it has 1 numbers"),
        ({"dims": [-1], "raw_data": b""}, "dimension 0"),
        ({"dims": [2], "data_type": TensorProto.STRING, "string_data": [b"a", b"b"]}, "STRING"),
        ({"dims": [2], "data_type": 99, "raw_data": b"1234"}, "unknown type 99"),
        ({"dims": [2]}, "it has 0 numbers"),
    ],
)
def test_tensors_of_the_wrong_size(fields, words):
    assert re.search(words, refusal(one_tensor(**fields)))


def test_what_is_no_model(tmp_path):
    assert "not a sound ONNX file" in refusal(b"\x08")
    assert "has no graph" in refusal(b"")
    assert "can't decode byte 0x80" in refusal(small_net().replace(b"Conv", b"Co\x80v"))
    assert "No such file" in refusal(tmp_path / "missing.onnx")
    assert "not a regular file" in refusal(tmp_path)
    assert "no graph" in refusal(b"\x08\x08")
    with pytest.raises(TypeError, match="path or the bytes"):
        cyconv.load_onnx(3)


def test_every_truncation_is_refused_or_read():
    data = small_net()
    for end in range(0, len(data), 7):
        with pytest.raises(ModelError):
            cyconv.load_onnx(data[:end])


def test_a_small_file_cannot_ask_for_much_memory():
    nodes = b"\x0a\x00" * 2_000_000  # each would take more than a hundred bytes
    size = len(nodes)
    varint = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14 & 127 | 128, size >> 21])
    assert "more than 500000 fields" in refusal(b"\x08\x08\x3a" + varint + nodes)


def test_known_arrays_are_bounded():
    nodes = [
        helper.make_node("ConstantOfShape", ["n"], ["a"]),
        helper.make_node("Mul", ["a", "a"], ["b"]),
        helper.make_node("Slice", ["b", "zero", "one"], ["c"]),
        helper.make_node("Add", ["x", "c"], ["y"]),
    ]
    arrays = {"n": np.int64([1 << 30]), "zero": np.int64([0]), "one": np.int64([1])}
    assert "computes from constants" in refusal(model(nodes, [value("x", [1])], arrays=arrays))


def repeated(*sizes: int) -> tuple[list, dict]:
    """Nodes that repeat one number in an array ``a`` of this shape, and their arrays."""
    return [helper.make_node("Expand", ["one", "sizes"], ["a"])], {"one": np.ones([1] * len(sizes), np.float32), "sizes": np.int64(sizes)}


@pytest.mark.parametrize(
    ("sizes", "node", "words"),
    [
        ((1 << 20, 1 << 20), helper.make_node("ReduceSum", ["a"], ["y"]), "takes 1099511627777 operations"),
        ((1, 64, 128, 128), helper.make_node("Conv", ["a", "w"], ["y"]), "operations"),
        ((1 << 15, 1 << 15), helper.make_node("Add", ["x", "a"], ["y"]), "a repeated number takes 4294967296 bytes"),
        ((1 << 15, 1 << 15), helper.make_node("Identity", ["a"], ["y"]), "a repeated number takes 4294967296 bytes"),
    ],
)
def test_work_and_memory_for_repeated_numbers_are_bounded(sizes, node, words):
    nodes, arrays = repeated(*sizes)
    nodes.append(node)
    if node.op_type == "Conv":
        nodes.insert(0, helper.make_node("Expand", ["one", "window"], ["w"]))
        arrays["window"] = np.int64([64, 64, 17, 17])
    assert words in refusal(model(nodes, [value("x", [1, 1])], arrays=arrays))


def test_a_view_that_cannot_be_is_counted_as_a_copy():
    nodes = [helper.make_node("Expand", ["some", "sizes"], ["a"]), helper.make_node("Reshape", ["a", "flat"], ["y"])]
    arrays = {"some": np.arange(1000, dtype=np.float32), "sizes": np.int64([1 << 20, 1000]), "flat": np.int64([-1])}
    assert "computes from constants takes 4194304000 bytes" in refusal(model(nodes, [value("x", [1])], arrays=arrays))


def test_external_data_from_the_folder_of_the_model(tmp_path):
    array = np.float32([1, 2, 3])
    (tmp_path / "model.data").write_bytes(array.tobytes())
    (tmp_path / "model.onnx").write_bytes(external("model.data", offset="4", length="8"))
    net = cyconv.load_onnx(tmp_path / "model.onnx")
    assert net(np.zeros(2, np.float32)).tolist() == [2, 3]
    assert "given as bytes" in refusal(external("model.data", offset="4", length="8"))


@pytest.mark.parametrize(
    ("location", "more", "words"),
    [
        ("../secret", {}, "own folder"),
        ("/etc/passwd", {}, "own folder"),
        ("sub/model.data", {}, "own folder"),
        ("", {}, "own folder"),
        ("link", {}, "cannot be opened"),
        ("hard", {}, "link"),
        ("pipe", {}, "plain file"),
        ("missing", {}, "cannot be opened"),
        ("model.data", {"offset": "8"}, "ends at byte 16"),
        ("model.data", {"offset": "-4"}, "offset"),
        ("model.data", {"length": "4"}, "asks for 8"),
        ("model.data", {"__class__": "x"}, "entries"),
    ],
)
def test_other_external_data_is_refused(tmp_path, location, more, words):
    (tmp_path / "model.data").write_bytes(bytes(12))
    (tmp_path / "target").write_bytes(bytes(12))
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.link(tmp_path / "target", tmp_path / "hard")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "model.onnx").write_bytes(external(location, **more))
    assert words in refusal(tmp_path / "model.onnx")


def test_numbers_in_every_form():
    for dtype in ("float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"):
        array = np.array([[0, 1], [1, 3]]).astype(dtype)
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        typed = helper.make_tensor("w", kind, [2, 2], array.ravel().tolist())
        raw = helper.make_tensor("w", kind, [2, 2], array.tobytes(), raw=True)
        for tensor in (typed, raw):
            graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value("x", [2])], [value("y", None)], [tensor])
            data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
            read = read_model(data).arrays["w"]
            assert read.dtype == array.dtype and np.array_equal(read, array)
