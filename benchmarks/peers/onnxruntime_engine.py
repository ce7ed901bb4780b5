"""ONNX Runtime: all graph optimisations (among them its blocked layout), threads that spin, as by default."""

from __future__ import annotations

import onnxruntime

from benchmarks.peers.engine import Call, Engine
from benchmarks.peers.onnx_model import onnx_model
from cyconv.graph import Graph


def prepare(graph: Graph, threads: int) -> Call:
    """A session on ``threads`` threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(onnx_model(graph).SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


ENGINE = Engine(onnxruntime.__version__, "all graph optimisations, CPU provider", prepare, limitable=False)
