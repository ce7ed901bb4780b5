"""What is not supported is refused at load, all of it in one error."""

import numpy as np
import pytest
from onnx import helper

import cyconv
from cyconv.onnx import ModelError
from tests.onnx.helpers import model, random, value

IMAGE = [value("x", [1, 3, 8, 8])]


def refusal(data: bytes) -> str:
    with pytest.raises(ModelError) as error:
        cyconv.load_onnx(data)
    return str(error.value)


def test_all_nodes_are_listed():
    nodes = [
        helper.make_node("Hardmax", ["x"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Einsum", ["b", "b"], ["c"], "second", equation="nchw,nchw->nc"),
        helper.make_node("Special", ["c"], ["y"], "third", domain="com.example"),
    ]
    graph = helper.make_graph(nodes, "g", IMAGE, [value("y", None)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    text = refusal(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    assert "3 node(s)" in text and "Relu" not in text
    assert "'first' (ai.onnx Hardmax of version 13): the operator is not supported" in text
    assert "'second' (ai.onnx Einsum of version 12)" in text
    assert "'third' (com.example Special of version 0): operators of the domain com.example" in text


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (helper.make_node("BatchNormalization", ["x", *"sbmv"], ["y"], training_mode=1), "training mode"),
        (helper.make_node("Dropout", ["x", "ratio", "true"], ["y"]), "training mode"),
        (helper.make_node("Conv", ["x", "w"], ["y"], pads=[-1, 0, 0, 0]), "negative padding"),
        (helper.make_node("Cast", ["x"], ["y"], to=10), "float16"),
        (helper.make_node("Add", ["x", "double"], ["y"]), "float64"),
    ],
)
def test_attributes_that_are_not_supported(node, words):
    arrays = {"w": random(2, 3, 3, 3), "ratio": np.float32(0.5), "true": np.True_, "double": np.float64([1])}
    assert words in refusal(model([node], IMAGE, arrays=arrays | {name: random(3) for name in "sbmv"}, opset=17))


def test_shapes_that_depend_on_data_are_refused():
    nodes = [helper.make_node("Cast", ["x"], ["s"], to=7), helper.make_node("Reshape", ["x", "s"], ["y"])]
    assert "depends on the numbers in x" in refusal(model(nodes, [value("x", [2, 2])]))


def test_shapes_that_do_not_fit_are_refused_at_load():
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    assert "4 channels" in refusal(model(nodes, IMAGE, arrays={"w": random(2, 4, 3, 3)}))


def test_what_is_not_supported_is_found_behind_open_sizes():
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"]), helper.make_node("Cast", ["a"], ["y"], to=10)]
    data = model(nodes, [value("x", ["n", 3, "h", "w_"])], arrays={"w": random(2, 3, 3, 3)})
    assert "float16" in refusal(data)


@pytest.mark.parametrize("opset", [5, 99])
def test_opsets(opset):
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", IMAGE, [value("y", [1, 3, 8, 8])])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()
    assert f"opset {opset} is not supported" in refusal(data)


def test_dtypes_of_inputs():
    data = model([helper.make_node("Identity", ["x"], ["y"])], [helper.make_tensor_value_info("x", 11, [2])])
    assert "float64" in refusal(data)
