"""cyconv itself, with its default settings."""

from __future__ import annotations

import cyconv
from benchmarks.peers.engine import Call, Engine
from cyconv.graph import Graph
from cyconv.graph.compile import compile_graph


def prepare(graph: Graph, threads: int) -> Call:
    """The compiled plan."""
    return compile_graph(graph, threads)


ENGINE = Engine(cyconv.__version__, "default settings", prepare, limitable=True)
