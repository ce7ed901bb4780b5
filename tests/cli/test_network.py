"""NET as a name: `cyconv summary` and `cyconv profile` of the package's networks."""

import json

import onnx
import pytest
from onnx import TensorProto, helper

from cyconv import models
from cyconv.summarize import summary


@pytest.mark.parametrize("name", ["digits", "lenet", "alexnet", "mobilenet_v3_small", "resnet18"])
def test_summary(run, name):
    code, out, err = run("summary", name)
    assert (code, err) == (0, "")
    assert out == f"{summary(models.get_model(name), (1, *models.INPUT_SHAPES[name]))}\n"


def test_summary_as_data(run):
    figures = json.loads(run("summary", "lenet", "--input-shape", "2,1,32,32", "--json")[1])
    expected = summary(models.lenet(), (2, 1, 32, 32))
    assert (figures["parameters"], figures["macs"]) == (expected.parameters, expected.macs)
    assert [r["name"] for r in figures["records"]] == [r["name"] for r in expected.records]
    assert run("summary", "lenet", "--markdown")[1].startswith("| layer |")


def test_profile(run):
    code, out, err = run("profile", "lenet", "--threads", 1, "--repeats", 2, "--batch", 3)
    assert (code, err) == (0, "")
    assert "1 thread" in out
    assert "GFLOP/s" in out
    figures = json.loads(run("profile", "lenet", "--repeats", 2, "--json")[1])
    assert figures["input_shape"] == [1, 1, 32, 32]
    assert sum(r["macs"] for r in figures["records"]) == summary(models.lenet(), (1, 32, 32)).macs
    assert run("profile", "digits", "--repeats", 2, "--markdown")[1].startswith("| step |")


# .onnx files


def test_summary_of_a_model(run, model):
    code, out, err = run("summary", model)
    assert (code, err) == (0, "")
    assert "maps" in out and "1×8×32×32" in out and "for an input of 1×3×32×32" in out
    figures = json.loads(run("summary", model, "--input-shape", "2,3,16,16", "--json")[1])
    assert figures["input_shape"] == [2, 3, 16, 16]
    assert figures["macs"] == 2 * (8 * 27 * 16 * 16 + 80)
    assert figures["parameters"] == 8 * 27 + 80 + 10


def test_profile_of_a_model(run, model):
    figures = json.loads(run("profile", model, "--repeats", 2, "--batch", 3, "--json")[1])
    assert figures["input_shape"] == [3, 3, 32, 32]
    assert sum(r["macs"] for r in figures["records"]) == 3 * (8 * 27 * 1024 + 80)


def two_inputs(path):
    """A model that adds two arrays, one of an open size."""
    sizes = {"a": [1, 4], "b": [1, "size"], "c": [1, 4]}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in sizes.items()]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "two", values[:2], values[2:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_models_of_several_inputs_and_open_sizes(run, tmp_path):
    path = two_inputs(tmp_path / "two.onnx")
    shapes = ["--input-shape", "1,4", "--input-shape", "1,4"]
    figures = json.loads(run("profile", path, "--repeats", 1, *shapes, "--json")[1])
    assert figures["input_shape"] == [[1, 4], [1, 4]]
    errors = {
        "summary": "input 'b' leaves sizes open (1,size): say --input-shape",
        "profile --input-shape 1,4": "expected once for each of the inputs a, b, got 1",
        "summary --input-shape 1,4 --input-shape 1,4": "summary takes networks of one input",
        "profile --batch 3": "argument --batch: the network takes 1 at a time",
        "run picture.png --input-shape 1,4 --input-shape 1,4": "run takes networks whose input is one image",
        "run picture.png --weights w.npz": "has weights of its own",
    }
    for words, message in errors.items():
        command, *rest = words.split()
        code, _, err = run(command, path, *rest)
        assert code == 2 and message in err, words
