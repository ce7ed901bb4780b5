"""OpenVINO: float32 inference precision (it would otherwise take bfloat16 where the CPU has it), one stream, tuned for latency."""

from __future__ import annotations

import openvino

from benchmarks.peers.engine import Call, Engine
from benchmarks.peers.onnx_model import onnx_model
from cyconv.graph import Graph


def prepare(graph: Graph, threads: int) -> Call:
    """A compiled model on ``threads`` threads; arrays go in and out without copies."""
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    model = core.read_model(onnx_model(graph).SerializeToString())
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda x: request.infer([x], share_inputs=True, share_outputs=True)[0]


ENGINE = Engine(openvino.__version__.split("-")[0], "inference precision f32, LATENCY, arrays shared", prepare, limitable=True)
