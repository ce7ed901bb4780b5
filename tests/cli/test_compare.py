"""`cyconv compare`: agreement and times of both engines, and what stands in the way when there is no comparison."""

import json
import sys

import numpy as np
import pytest

from cyconv.cli import compare
from cyconv.cli.compare import alternate

from .conftest import small_model


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(compare, "PAUSE", 0)


def test_compare(run, model):
    code, out, err = run("compare", model, "--repeats", 2)
    assert (code, err) == (0, "")
    assert "cyconv" in out and "ONNX Runtime" in out and "times that of cyconv" in out
    assert "scores [1, 10]: the largest difference is" in out


def test_figures(run, model):
    import onnxruntime

    figures = json.loads(run("compare", model, "--repeats", 2, "--batch", 3, "--threads", 1, "--json")[1])
    ours, other = figures["records"]
    assert (ours["engine"], other["engine"], other["version"]) == ("cyconv", "ONNX Runtime", onnxruntime.__version__)
    assert figures["ratio"] == other["median_ms"] / ours["median_ms"]
    assert 0 < ours["min_ms"] <= ours["median_ms"]
    (output,) = figures["outputs"]
    assert (output["output"], output["shape"]) == ("scores", [3, 10])
    assert output["difference"] < 27 * 2**-22
    assert (figures["input_shape"], figures["num_threads"]) == ([3, 3, 32, 32], 1)


def test_agreement():
    a = np.float32([1, -4, np.nan])
    assert compare._agreement("y", a, a)["difference"] == 0
    assert compare._agreement("y", a + np.float32(0.5), a)["difference"] == pytest.approx(0.125)
    assert compare._agreement("y", a, np.nan_to_num(a))["difference"] == np.inf
    assert compare._agreement("y", a, a[:2])["difference"] == np.inf
    assert compare._agreement("y", a[:0], a[:0])["difference"] == 0
    assert compare._agreement("y", np.array([3, 4]), np.array([3, 8]))["difference"] == 0.5


def test_calls_take_turns():
    said = []
    times = alternate({name: lambda name=name: said.append(name) for name in "ab"}, 3)
    assert "".join(said) == ("a" * 6 + "b" * 12 + "a" * 12 + "b" * 6)
    assert {name: len(row) for name, row in times.items()} == {"a": 15, "b": 15}


def test_without_onnxruntime(run, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    code, out, err = run("compare", model)
    assert (code, out) == (2, "")
    assert "compare needs ONNX Runtime: pip install onnxruntime" in err


def test_what_onnxruntime_refuses(run, tmp_path):
    """cyconv reads opset 6, ONNX Runtime does not."""
    path = small_model(tmp_path / "old.onnx", opset=6)
    code, out, err = run("compare", path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "ONNX Runtime cannot run" in err


def test_networks_of_the_package(run):
    figures = json.loads(run("compare", "digits", "--repeats", 1, "--json")[1])
    assert figures["input_shape"] == [1, 1, 8, 8]
    assert figures["outputs"][0]["shape"] == [1, 10]
    assert figures["outputs"][0]["difference"] < 1e-5
