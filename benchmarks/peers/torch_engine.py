"""PyTorch without compilation: channels-last layout, inference mode, BatchNorm folded."""

from __future__ import annotations

import torch

from benchmarks.peers.engine import Call, Engine
from benchmarks.peers.torch_model import TorchModel
from cyconv.graph import Graph


def prepare(graph: Graph, threads: int) -> Call:
    """The module, called in inference mode."""
    torch.set_num_threads(threads)
    module = TorchModel(graph).eval()

    def run(x):
        with torch.inference_mode():
            return module(torch.from_numpy(x)).numpy()

    return run


ENGINE = Engine(torch.__version__, "channels-last, inference mode, BatchNorm folded", prepare, limitable=True)
