"""Compiling: trace → graph → passes → lowering → memory plan → program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cyconv._kernels.cpu import lanes
from cyconv._kernels.program import Memory, Program
from cyconv.graph import (  # noqa: F401  (they register the handlers)
    lower_conv,
    lower_conv_transpose,
    lower_elements,
    lower_matmul,
    lower_moments,
    lower_movement,
    lower_pool,
    lower_reduce,
    lower_resize,
    lower_simple,
)
from cyconv.graph.choices import choose_algorithms
from cyconv.graph.ir import FLOAT32, Graph
from cyconv.graph.layout import Buffer, Task
from cyconv.graph.lower import Lowering
from cyconv.graph.memory import lives, order, place, place_in_a_row
from cyconv.graph.options import Options
from cyconv.graph.passes import optimise
from cyconv.graph.pinned import Choice
from cyconv.graph.plan import Plan
from cyconv.graph.threads import check_num_threads
from cyconv.graph.trace import Tracer, tracing
from cyconv.shapes import check_shape

# A plan of less work than this runs on one thread: about 15 µs on one core of a Zen 5, where starting a parallel region
# takes 1 µs when the second thread is awake and 50 µs when it is asleep.
SERIAL_MACS = 2_000_000
MACS_PER_BYTE = 4  # a core writes about 30 GB/s in the time of 120 G multiply-adds


def trace_function(
    fn: Callable, shapes: Sequence[tuple[int, ...]], names: Sequence[str], dtypes: Sequence[str] | None = None
) -> tuple[Graph, bool]:
    """The graph of ``fn`` on arrays of these shapes and dtypes (float32), and whether it gives one array (True) or a tuple."""
    kinds = zip(shapes, names, dtypes or [FLOAT32] * len(shapes), strict=True)
    with tracing() as trace:
        inputs = [trace.add_input(check_shape(shape, name), name, dtype) for shape, name, dtype in kinds]
        result = fn(*inputs)
    single = isinstance(result, Tracer)
    outputs = list(result) if isinstance(result, (list, tuple)) else [result]
    for r in outputs:
        if not isinstance(r, Tracer):
            raise TypeError(f"a traced function must return values of its trace, got {type(r).__name__}")
    trace.graph.outputs = [r.value for r in outputs]
    return trace.graph, single


def useful_threads(tasks: list[Task], num_threads: int) -> int:
    """``num_threads``, or 1 when the whole plan takes less time than it may take to wake a second thread."""
    work = sum(task.macs + MACS_PER_BYTE * task.out_bytes for task in tasks)
    return num_threads if work > SERIAL_MACS else 1


def set_up(low: Lowering, memory: Memory, num_threads: int) -> None:
    """Fill the constants. An array that only the graph holds, such as folded weights, is freed as soon as it has been packed."""
    low.graph.constants.clear()
    waiting = low.setup[::-1]
    low.setup.clear()
    while waiting:
        setup = waiting.pop()
        Program([setup.task.make()], 0, memory).run(setup.arrays, 0, useful_threads([setup.task], num_threads))


def compile_graph(
    traced: Graph, num_threads: int, single: bool = True, options: Options | None = None, like: Mapping[str, Choice] | None = None
) -> Plan:
    """A plan for a traced graph.

    ``single`` says whether calls return an array or a tuple; ``like`` are the choices of another plan of the same network, which it takes
    over.
    """
    options = options or Options()
    graph = optimise(traced)
    chosen = choose_algorithms(graph, options, lanes(), like)
    low = Lowering(graph, num_threads)
    low.run()
    constants: list[Buffer] = []
    for setup in low.setup:
        constants += [b for b in setup.task.writes if b not in constants]
    memory = Memory(4 * place_in_a_row(constants))
    arena = lives(low.tasks)
    arena_floats = place(arena)
    set_up(low, memory, num_threads)
    program = Program([task.make() for task in low.tasks], 4 * arena_floats, memory, order(low.tasks, arena))
    plan = Plan(traced, program, low.tasks, useful_threads(low.tasks, num_threads), single, options, chosen)
    low.tasks.clear()  # they refer to the lowering and it to them; without the circle it is freed now and not at some later collection
    return plan


def compile_function(
    fn: Callable,
    shapes: Sequence[tuple[int, ...]],
    names: Sequence[str],
    num_threads: int | None = None,
    winograd: str = "auto",
    dtypes: Sequence[str] | None = None,
    **options: Any,
) -> Plan:
    """Trace ``fn`` on arrays of these shapes and compile it.

    Parameters
    ----------
    fn
        Takes one tracer per shape, returns a tracer or a tuple of them.
    shapes, names
        Of the inputs.
    num_threads
        Threads of the plan; None: :func:`cyconv.get_num_threads`.
    winograd
        "auto", "off", or the kind that every suitable convolution uses, such as "F(2,3)".
    dtypes
        Of the inputs: "float32", "int32", "int64" or "bool"; all float32 when left out.
    **options
        The other attributes of :class:`cyconv.graph.options.Options`.
    """
    threads = check_num_threads(num_threads)
    settings = Options(winograd, **options)
    traced, single = trace_function(fn, shapes, names, dtypes)
    return compile_graph(traced, threads, single, settings)
