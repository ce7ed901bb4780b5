"""The comparison with other engines: the networks that engines get, the figures that come out, and engines that fail."""

import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from benchmarks.layer_shares import conv_steps
from benchmarks.peers import __main__ as command
from benchmarks.peers import conv_table, engine, report, row
from benchmarks.peers.chart import draw_chart
from benchmarks.peers.engine import ISA_VARIABLES, OURS, TITLES, Engine, load_engine
from benchmarks.peers.ncnn_model import NcnnModel
from benchmarks.peers.networks import NETWORKS, images, traced_network
from benchmarks.peers.onnx_model import onnx_model
from benchmarks.peers.torch_model import TorchModel
from cyconv import nn
from cyconv.functional import cat
from cyconv.graph.compile import trace_function
from cyconv.models import list_models
from cyconv.ops import OPS


class Everything(nn.Module):
    """Each op of the compared networks at least once, small."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.norm = nn.LocalResponseNorm(5, 1e-2, 0.75, 2.0)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.grouped = nn.Sequential(nn.Conv2d(8, 12, (1, 3), padding=(0, 1), groups=2), nn.ReLU())
        self.same = nn.MaxPool2d(3, 1, padding=1)
        self.average = nn.AvgPool2d(2)
        self.fit = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(28, 10), nn.ReLU(), nn.Linear(10, 5))

    def forward(self, x):
        x = self.norm(self.pool(self.stem(x)))
        x = x + self.depthwise(x)
        joined = cat([self.grouped(x), x, self.same(x)], 1)
        return self.head(self.fit(self.average(joined)))


def reference(graph, x: np.ndarray) -> np.ndarray:
    """The graph's answer in float64, by the definitions of its ops."""
    values = {v: array.astype(np.float64) for v, array in graph.constants.items()} | {graph.inputs[0]: x.astype(np.float64)}
    for node in graph.nodes:
        values |= zip(node.outputs, OPS[node.op].reference([values[v] for v in node.inputs], node.attrs), strict=True)
    return values[graph.outputs[0]]


@pytest.fixture
def everything():
    """The graph of all ops with statistics that matter, an image batch, and the answer."""
    nn.init.manual_seed(3)
    network = Everything().eval()
    rng = np.random.default_rng(0)
    state = network.state_dict()
    state["stem.1.running_mean"] = rng.standard_normal(8).astype(np.float32)
    state["stem.1.running_var"] = rng.uniform(0.5, 2, 8).astype(np.float32)
    network.load_state_dict(state)
    graph, _ = trace_function(network, [(2, 3, 30, 30)], ["input"])
    x = images(graph)
    return graph, x, reference(graph, x)


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    return row.relative_difference(found, expected) < row.TOLERANCE / 10


# What the engines get


def test_the_sample_holds_every_op_of_the_networks(everything):
    sample = {node.op for node in everything[0].nodes}
    for name, (constructor, _) in NETWORKS.items():
        assert constructor in list_models()
        assert {node.op for node in traced_network(name, 1).nodes} <= sample, name


def test_onnx_model_answers_as_the_reference(everything):
    graph, x, expected = everything
    session = onnxruntime.InferenceSession(onnx_model(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    assert close(session.run(None, {session.get_inputs()[0].name: x})[0], expected)


def test_torch_model_answers_as_the_reference(everything):
    graph, x, expected = everything
    with torch.inference_mode():
        assert close(TorchModel(graph)(torch.from_numpy(x)).numpy(), expected)


@pytest.mark.parametrize("key", ["cyconv", "onnxruntime", "openvino", "ncnn", "torch"])
def test_installed_engine_answers_as_the_reference(everything, key):
    graph, x, expected = everything
    pytest.importorskip(key)
    threads = torch.get_num_threads()
    try:
        for _ in range(2):
            assert close(load_engine(key).prepare(graph, 2)(x), expected)
    finally:
        torch.set_num_threads(threads)


def test_ncnn_text_is_well_formed(everything):
    graph, _, _ = everything
    model = NcnnModel(graph)
    magic, counts, *lines = model.param.splitlines()
    assert magic == "7767517"
    made: list[str] = []
    read: list[str] = []
    for line in lines:
        _, _, inputs, outputs, *rest = line.split()
        read += rest[: int(inputs)]
        made += rest[int(inputs) : int(inputs) + int(outputs)]
    assert counts == f"{len(lines)} {len(made)}"
    assert len(set(made)) == len(made) and len(set(read)) == len(read)
    assert set(made) - set(read) == {model.output}
    assert not any(line.startswith(("BatchNorm", "ReLU", "Clip", "Dropout")) for line in lines)
    floats = sum(len(piece) // 4 for piece in model.weights)
    assert floats == 3 * 8 * 9 + 8 + 8 * 9 + 8 + 12 * 4 * 3 + 12 + 28 * 10 + 10 + 10 * 5 + 5 + 5  # five products have a mark each


@pytest.mark.parametrize("model", [onnx_model, TorchModel, NcnnModel])
def test_unknown_op_is_an_error(model):
    graph, _ = trace_function(nn.Sequential(nn.Conv2d(3, 4, 1), nn.GELU()), [(1, 3, 4, 4)], ["input"])
    with pytest.raises(NotImplementedError, match="gelu"):
        model(graph)


# Figures


@pytest.fixture
def fakes(monkeypatch):
    """Engines made of plain functions, entered by name."""

    def enter(**prepares):
        for key, prepare in prepares.items():
            module = types.ModuleType(f"benchmarks.peers.{key}_engine")
            module.ENGINE = Engine("1.0", "plain", prepare, limitable=key != "ncnn")
            monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(row, "traced_network", lambda name, batch: None)
        monkeypatch.setattr(row, "images", lambda graph: np.ones((1, 4), np.float32))
        monkeypatch.setattr(row, "PAUSE", 0)
        return {"network": "googlenet", "batch": 1, "threads": 1, "seconds": 0.0, "engines": list(prepares)}

    return enter


def good(graph, threads):
    return lambda x: 2 * x


def failing_prepare(graph, threads):
    raise RuntimeError("no such\nCPU")


def failing_later(graph, threads):
    answers = iter(range(4))

    def run(x):
        next(answers)
        return 2 * x

    return run


def test_failing_engines_do_not_stop_the_rest(fakes):
    spec = fakes(cyconv=good, onnxruntime=failing_prepare, openvino=good, ncnn=lambda g, t: lambda x: 2.1 * x, torch=failing_later)
    spec["engines"].append("absent")
    notes: list[str] = []
    found = row.measure(spec, notes.append)
    assert found["best_other"] == "openvino" and found["ratio"] > 0
    records = found["engines"]
    assert records["onnxruntime"]["failed"] == "RuntimeError: no such"
    assert "ModuleNotFoundError" in records["absent"]["failed"]
    assert records["ncnn"]["disagrees"] and "differs from cyconv's by" in records["ncnn"]["failed"]
    assert records["torch"]["failed"].startswith("StopIteration")
    assert records["openvino"]["calls"] >= row.MIN_CALLS and "median_ms" in records[OURS]
    assert set(notes) == {*spec["engines"]}


def sample_rows() -> list[dict]:
    facts = {"version": "1.0", "setting": "plain"}
    engines = {
        OURS: {**facts, "limitable": True, "median_ms": 2.0, "min_ms": 1.9},
        "openvino": {**facts, "limitable": True, "median_ms": 6.0, "min_ms": 5.0},
        "ncnn": {**facts, "limitable": False, "median_ms": 4.0, "min_ms": 4.0},
        "torch": {"failed": "ModuleNotFoundError: No module named 'torch'"},
    }
    head = {"network": "vgg16", "batch": 1, "isa": "avx2"}
    return [{**head, "threads": threads, **row.ratio_to_best(engines), "engines": engines} for threads in (1, 2)]


def test_ratio_is_to_the_best_that_answered():
    records = sample_rows()[0]["engines"]
    assert row.ratio_to_best(records) == {"ratio": 2.0, "best_other": "ncnn"}
    records["ncnn"]["failed"] = "x"
    assert row.ratio_to_best(records) == {"ratio": 3.0, "best_other": "openvino"}
    assert row.ratio_to_best({OURS: records[OURS]}) == {"ratio": None, "best_other": None}
    assert row.ratio_to_best({"ncnn": records["openvino"]})["ratio"] is None


def test_table_states_figures_versions_and_reasons():
    text = report.report_table(report.results(sample_rows(), None)).to_markdown()
    assert "| vgg16 | 1 | 1 | 2 | ncnn | 2.00 (1.90) | 6.00 (5.00) | 4.00 (4.00) | failed, note 1 |" in text
    assert text.count("PyTorch eager: ModuleNotFoundError: No module named 'torch'") == 1
    assert "OpenVINO 1.0 (plain)" in text and "avx2" in text
    limited = report.results(sample_rows(), "avx2")
    assert limited["rows"][0]["ratio_limited"] == 3.0
    assert "with all that the CPU has: ncnn." in report.report_table(limited).to_markdown()


def test_chart_is_drawn(tmp_path):
    rows = sample_rows()
    draw_chart([*rows, {**rows[0], "batch": 8, "engines": {OURS: {"failed": "x"}}}], tmp_path / "peers")
    assert (tmp_path / "peers.png").stat().st_size > 1000
    assert "vgg16" in (tmp_path / "peers.svg").read_text()


# The processes


def test_engine_that_takes_the_process_down_is_left_out(monkeypatch):
    asked = []

    def run(arguments, **kwargs):
        spec, notes, result = json.loads(arguments[3]), Path(arguments[4]), Path(arguments[5])
        asked.append(spec["engines"])
        notes.write_text("cyconv\n" + "ncnn\n" * ("ncnn" in spec["engines"]))
        if "ncnn" not in spec["engines"]:
            result.write_text(json.dumps({**sample_rows()[0], "engines": {OURS: {"median_ms": 1.0}}}))
        return subprocess.CompletedProcess(arguments, -11)

    monkeypatch.setattr(command.subprocess, "run", run)
    spec = {"network": "vgg16", "batch": 1, "threads": 1, "seconds": 1, "engines": [OURS, "ncnn"]}
    found = command.run_row(spec, {}, 1.0)
    assert asked == [[OURS, "ncnn"], [OURS]]
    assert found["engines"]["ncnn"] == {"failed": "the process ended with status -11"}
    assert "ncnn failed: the process ended with status -11" in command.progress(1, 2, found, 0.0)


def test_engine_that_hangs_is_left_out(monkeypatch):
    def run(arguments, **kwargs):
        Path(arguments[4]).write_text("cyconv\n")
        raise subprocess.TimeoutExpired(arguments, kwargs["timeout"])

    monkeypatch.setattr(command.subprocess, "run", run)
    spec = {"network": "vgg16", "batch": 1, "threads": 1, "seconds": 1, "engines": [OURS, "ncnn"]}
    found = command.run_row(spec, {}, 5.0)
    assert found["ratio"] is None and found["engines"] == {OURS: {"failed": "no answer after 5 s"}}


def test_a_row_in_its_process(tmp_path):
    spec = {"network": "squeezenet1_1", "batch": 1, "threads": 1, "seconds": 0.0, "engines": [OURS, "onnxruntime"]}
    found = command.run_row(spec, command.environment("avx2"), 120.0)
    assert found["isa"] in ("avx2", "baseline") and found["ratio"] > 0, found


def test_titles_have_modules_and_limits_are_known():
    folder = Path(engine.__file__).parent
    assert {path.stem.removesuffix("_engine") for path in folder.glob("*_engine.py")} == set(TITLES)
    assert ISA_VARIABLES["avx2"]["CYCONV_ISA"] == "avx2"


# Every convolution


def test_layer_rows_cover_all_convolutions():
    shared: dict = {}
    rows = conv_table.network_rows("squeezenet1_1", 1, 1, shared)
    graph = traced_network("squeezenet1_1", 1)
    listed = [part for found in rows for part in found["layer"].split(" + ")]
    assert sorted(listed) == sorted(node.name for node in graph.nodes if node.op == "conv2d")
    assert all(found["sizes"] and found["gflops"] > 0 and found["algorithm"] for found in rows)
    assert rows[0]["sizes"] == "3→64 3×3/2 @224×224"
    assert len(shared) <= len(rows)


def test_steps_of_a_convolution_are_summed():
    steps = [("a", 0, "transform"), ("a", 5, "product"), ("", 0, "transform"), ("conv2d", 7, "product")]
    records = [{"op": "conv2d", "name": name, "macs": macs, "ms": 1.0, "algorithm": algorithm} for name, macs, algorithm in steps]
    found = conv_steps([*records, {"op": "relu", "name": "a", "macs": 0, "ms": 1.0, "algorithm": "x"}])
    assert [(step["name"], step["ms"], step["macs"], step["algorithm"]) for step in found] == [
        ("a", 2.0, 5, "product"),
        ("conv2d", 2.0, 7, "product"),
    ]
