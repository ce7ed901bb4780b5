"""From a recorded network to a plan that runs.

    array ─ nn.Module(x) ─ trace ─► Graph ─ passes ─► Graph ─ select + layout + memory ─► Plan ─ run(x) ─► array

ir (the graph), trace (recording), passes (rewrites), algorithm and choices (what computes each product; with options, tolerance, budget
and pinned, which bound and keep it), lower* (ops to tasks), select (tiles), layout (buffers and tensors), memory (offsets), compile
(all of it), plan (what the user holds), eager (functions on arrays).
"""

from cyconv.graph.compile import compile_function
from cyconv.graph.eager import traceable
from cyconv.graph.ir import Graph, Node, Value
from cyconv.graph.plan import Plan
from cyconv.graph.threads import get_num_threads, set_num_threads
from cyconv.graph.trace import Tracer, apply, tracing

__all__ = [
    "Graph",
    "Node",
    "Plan",
    "Tracer",
    "Value",
    "apply",
    "compile_function",
    "get_num_threads",
    "set_num_threads",
    "traceable",
    "tracing",
]
