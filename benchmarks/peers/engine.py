"""What the comparison asks of an engine, and which engines there are; ``row`` uses it, one file per engine implements it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cyconv.graph import Graph

Call = Callable[[np.ndarray], np.ndarray]

OURS = "cyconv"
# Headings by key; the module of a key is benchmarks.peers.<key>_engine.
TITLES = {
    OURS: "cyconv",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "ncnn": "ncnn",
    "torch": "PyTorch eager",
    "torch_compile": "PyTorch compiled",
}

# Variables that keep engines to a smaller instruction set; they are read when an engine is loaded.
ISA_VARIABLES = {
    "avx2": {
        "CYCONV_ISA": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",  # the convolutions of OpenVINO and PyTorch
        "OV_CPU_MAX_ISA": "AVX2",  # the rest of OpenVINO
        "ATEN_CPU_CAPABILITY": "avx2",  # the rest of PyTorch, and what torch.compile generates
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",  # matrix products of PyTorch
    }
}


@dataclass(frozen=True)
class Engine:
    """One engine.

    ``prepare(graph, threads)`` gives a function from an NCHW float32 array to the network's answer, on exactly ``threads`` threads.
    ``setting`` says in a few words how it is configured; ``limitable`` whether :data:`ISA_VARIABLES` reach it.
    """

    version: str
    setting: str
    prepare: Callable[[Graph, int], Call]
    limitable: bool


def load_engine(key: str) -> Engine:
    """The engine of that key; ImportError when it is not installed."""
    return importlib.import_module(f"benchmarks.peers.{key}_engine").ENGINE
