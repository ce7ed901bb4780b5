"""ncnn: float32 throughout, Winograd, matrix-product convolution and packed layouts on.

A batch is a loop over its images: ncnn's networks take one at a time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import ncnn
import numpy as np

from benchmarks.peers.engine import Call, Engine
from benchmarks.peers.ncnn_model import NcnnModel
from cyconv.graph import Graph


def options(net: ncnn.Net, threads: int) -> None:
    """The fastest float32 setting."""
    net.opt.num_threads = threads
    for name in ("use_packing_layout", "use_winograd_convolution", "use_sgemm_convolution", "lightmode"):
        setattr(net.opt, name, True)
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_vulkan_compute"):
        setattr(net.opt, name, False)


def prepare(graph: Graph, threads: int) -> Call:
    """A net on ``threads`` threads, loaded from files that are deleted again."""
    model = NcnnModel(graph)
    net = ncnn.Net()
    options(net, threads)
    with tempfile.TemporaryDirectory() as folder:
        param, weights = Path(folder, "net.param"), Path(folder, "net.bin")
        param.write_text(model.param)
        with open(weights, "wb") as file:
            for piece in model.weights:
                file.write(piece)
        model.weights.clear()
        if net.load_param(str(param)) or net.load_model(str(weights)):
            raise RuntimeError("ncnn could not load the network")
    shape = graph.outputs[0].shape

    def run(x: np.ndarray) -> np.ndarray:
        result = np.empty(shape, np.float32)
        for image, answer in zip(x, result, strict=True):
            extractor = net.create_extractor()
            extractor.input(model.input, ncnn.Mat(image))
            status, found = extractor.extract(model.output)
            if status:
                raise RuntimeError(f"ncnn returned {status}")
            answer[...] = np.array(found).reshape(answer.shape)
        return result

    run.net = net  # type: ignore[attr-defined]  # it must outlive its extractors
    return run


ENGINE = Engine(ncnn.__version__, "fp32, Winograd and packing on, images of a batch in turn", prepare, limitable=False)
