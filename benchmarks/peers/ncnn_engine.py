"""ncnn: float32 throughout, Winograd, matrix-product convolution and packed layouts on.

Its networks take one image at a time. A batch goes to as many workers as there are threads, each with networks of one thread, which
needs no barriers and so is its fastest way; a single image is computed on all threads.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ncnn
import numpy as np

from benchmarks.peers.engine import Call, Engine
from benchmarks.peers.ncnn_model import NcnnModel
from cyconv.graph import Graph


def load(model: NcnnModel, threads: int) -> ncnn.Net:
    """The network in the fastest float32 setting, loaded from files that are deleted again."""
    net = ncnn.Net()
    net.opt.num_threads = threads
    for name in ("use_packing_layout", "use_winograd_convolution", "use_sgemm_convolution", "lightmode"):
        setattr(net.opt, name, True)
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_vulkan_compute"):
        setattr(net.opt, name, False)
    with tempfile.TemporaryDirectory() as folder:
        param, weights = Path(folder, "net.param"), Path(folder, "net.bin")
        param.write_text(model.param)
        with open(weights, "wb") as file:
            file.writelines(model.weights)
        if net.load_param(str(param)) or net.load_model(str(weights)):
            raise RuntimeError("ncnn could not load the network")
    return net


def runner(net: ncnn.Net, model: NcnnModel) -> Callable[[np.ndarray, np.ndarray], None]:
    """A function from an image to its answer, which it writes."""

    def run(image: np.ndarray, answer: np.ndarray) -> None:
        extractor = net.create_extractor()
        extractor.input(model.input, ncnn.Mat(image))
        status, found = extractor.extract(model.output)
        if status:
            raise RuntimeError(f"ncnn returned {status}")
        answer[...] = np.array(found).reshape(answer.shape)

    return run


def prepare(graph: Graph, threads: int) -> Call:
    """A function on ``threads`` threads."""
    model = NcnnModel(graph)
    shape = graph.outputs[0].shape
    workers = threads if shape[0] % threads == 0 else 1
    image = runner(load(model, threads // workers), model)
    pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def run(x: np.ndarray) -> np.ndarray:
        result = np.empty(shape, np.float32)
        list((pool.map if pool else map)(image, x, result))
        return result

    return run


ENGINE = Engine(ncnn.__version__, "fp32, Winograd and packing on, the images of a batch side by side", prepare, limitable=False)
