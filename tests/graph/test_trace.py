"""Recording: what becomes a node, a constant, a name; and what a traced value refuses."""

import threading

import numpy as np
import pytest

from cyconv import functional as F
from cyconv.graph.trace import Tracer, apply, current_trace, tracing
from tests.graph.helpers import ops, record


def test_operators_record_ops():
    w = np.ones((2, 3), np.float32)
    graph = record(lambda x: (w + x) * 2.0 + x * w, (2, 3))
    assert ops(graph) == ["add", "mul", "mul", "add"]
    assert len(graph.constants) == 2  # the array once, and the number
    assert [v.shape for v in graph.constants] == [(2, 3), ()]


def test_a_number_beside_a_condition_takes_the_dtype_of_what_is_chosen():
    chosen = record(lambda x: F.where(x > 0.5, x, -1.0), (2, 3))
    assert [v.dtype for v in chosen.constants] == ["float32", "float32"] and chosen.outputs[0].dtype == "float32"
    numbers = record(lambda x: F.where(x > 0.5, 1.0, 0.0), (2, 3))
    assert numbers.outputs[0].dtype == "float32"


def test_tracer_looks_like_an_array():
    with tracing() as trace:
        x = trace.add_input((2, 3), "x")
        assert (x.shape, x.ndim, x.dtype) == ((2, 3), 2, np.float32)
        assert repr(x) == "Tracer(x[2, 3])"
        assert current_trace() is trace
        with pytest.raises(TypeError, match="no numbers yet"):
            np.asarray(x)
        with pytest.raises(TypeError, match="cannot branch"):
            bool(x)
    assert current_trace() is None


def test_constants_are_kept_in_c_order():
    w = np.arange(24, dtype=np.float32).reshape(4, 6).T
    graph = record(lambda x: F.linear(x, w), (2, 4))
    (kept,) = graph.constants.values()
    assert kept.flags.c_contiguous and np.array_equal(kept, w)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, ">f4"])
def test_constants_of_other_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match="float32"):
        record(lambda x: F.add(x, np.ones(3, dtype)), (3,))


def test_paths():
    def fn(x):
        with x.trace.scope("outer"):
            y = F.relu(x)
            with x.trace.scope("inner"), x.trace.scope(""):
                return F.sigmoid(y)

    graph = record(fn, (1,))
    assert [node.name for node in graph.nodes] == ["outer", "outer.inner"]
    assert graph.nodes[1].outputs[0].name == "outer.inner"


def test_output_dtypes():
    graph = record(lambda x: F.max_pool2d(x, 2, return_indices=True), (1, 1, 4, 4))
    assert [v.dtype for v in graph.outputs] == ["float32", "int64"]


def test_shape_errors_come_while_tracing():
    with pytest.raises(ValueError, match=r"add: .*\[2, 3\] and \[2, 4\]"):
        record(lambda x, y: x + y, (2, 3), (2, 4))


def test_outside_a_trace():
    with pytest.raises(RuntimeError, match="relu was recorded outside a trace"):
        apply("relu", [np.zeros(1, np.float32)], {})


def test_traces_belong_to_a_thread():
    seen = []
    with tracing():
        thread = threading.Thread(target=lambda: seen.append(current_trace()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_an_inner_trace_leaves_the_outer_one_alone():
    with tracing() as outer:
        x = outer.add_input((1,), "x")
        record(lambda y: F.relu(y), (1,))
        assert current_trace() is outer
        assert isinstance(F.relu(x), Tracer)
    assert ops(outer.graph) == ["relu"]
