"""PyTorch compiled: torch.compile with freezing (weights become constants in the layout that oneDNN prefers), channels-last."""

from __future__ import annotations

import torch
import torch._inductor.config as inductor

from benchmarks.peers.engine import Call, Engine
from benchmarks.peers.torch_model import TorchModel
from cyconv.graph import Graph

inductor.freezing = True
inductor.compile_threads = 1  # no helper processes, which would disturb the other engines


def prepare(graph: Graph, threads: int) -> Call:
    """The module to be compiled, which its first call does."""
    torch.set_num_threads(threads)
    module = torch.compile(TorchModel(graph).eval())

    def run(x):
        with torch.no_grad():
            return module(torch.from_numpy(x)).numpy()

    return run


ENGINE = Engine(torch.__version__, "torch.compile with freezing, channels-last", prepare, limitable=True)
