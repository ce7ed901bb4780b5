"""Compiling: from a function or a network to a plan, and what it refuses."""

import gc

import numpy as np
import pytest

import cyconv
from cyconv import functional as F
from cyconv.graph import compile as compiling
from cyconv.graph.compile import compile_function, trace_function, useful_threads
from cyconv.graph.layout import Task
from cyconv.graph.lower import Lowering
from tests.graph.helpers import integers


def test_one_output_or_several():
    x = integers((2, 3))
    one = compile_function(lambda x: F.relu(x), [(2, 3)], ["x"])
    assert isinstance(one(x), np.ndarray)
    for fn in (lambda x: (F.relu(x),), lambda x: [F.relu(x)]):
        several = compile_function(fn, [(2, 3)], ["x"])(x)
        assert isinstance(several, tuple) and len(several) == 1 and np.array_equal(several[0], one(x))


def test_outputs_must_be_traced():
    with pytest.raises(TypeError, match="must return values of its trace, got ndarray"):
        trace_function(lambda x: (F.relu(x), np.zeros(3)), [(3,)], ["x"])


@pytest.mark.parametrize("shape", [(2.0, 3), ("a",), 5])
def test_shapes_of_wrong_type(shape):
    with pytest.raises(TypeError, match="image"):
        compile_function(F.relu, [shape], ["image"])


@pytest.mark.parametrize("shape", [(-1, 3), (2**31, 1), (2**30, 2**30)])
def test_shapes_out_of_range(shape):
    with pytest.raises(ValueError, match="image"):
        compile_function(F.relu, [shape], ["image"])


def test_num_threads():
    assert compile_function(F.relu, [(3,)], ["x"], 3).num_threads == 3
    assert compile_function(F.relu, [(3,)], ["x"]).num_threads == cyconv.get_num_threads()
    with pytest.raises(ValueError, match="num_threads"):
        compile_function(F.relu, [(3,)], ["x"], 0)
    with pytest.raises(TypeError, match="num_threads"):
        compile_function(F.relu, [(3,)], ["x"], 2.0)


def test_small_plans_run_on_one_thread(monkeypatch):
    monkeypatch.setattr(compiling, "SERIAL_MACS", 1000)
    small, large = Task("", "", None, [], [], macs=500, out_bytes=100), Task("", "", None, [], [], macs=101)
    assert useful_threads([small], 4) == 1
    assert useful_threads([small, large], 4) == 4


def test_errors_of_the_network_come_at_compile_time():
    net = cyconv.nn.Sequential(cyconv.nn.Conv2d(3, 4, 3))
    with pytest.raises(ValueError, match="channels"):
        cyconv.compile(net, (1, 5, 8, 8))
    with pytest.raises(ValueError, match="Kernel size"):
        cyconv.compile(net, (1, 3, 2, 2))


def test_a_failed_compilation_leaves_nothing_behind():
    net = cyconv.nn.Conv2d(3, 4, 3)
    with pytest.raises(ValueError, match="channels"):
        net(integers((1, 5, 8, 8)))
    assert net(integers((1, 3, 8, 8))).shape == (1, 4, 6, 6)


def test_what_compiling_needed_is_freed_at_once():
    """Folded weights do not wait for the garbage collector."""
    net = cyconv.nn.Sequential(cyconv.nn.Conv2d(3, 20, 3), cyconv.nn.BatchNorm2d(20), cyconv.nn.Conv2d(20, 20, 3, groups=20))
    gc.collect()
    gc.disable()
    try:
        plan = cyconv.compile(net, (1, 3, 8, 8))
        assert not [o for o in gc.get_objects() if isinstance(o, (Lowering, Task))]
        assert plan.steps()
    finally:
        gc.enable()


def test_weights_are_shared_between_nothing():
    """Two plans of one network, and the network itself, do not share memory that a call writes."""
    net = cyconv.nn.Sequential(cyconv.nn.Conv2d(3, 20, 3), cyconv.nn.ReLU())
    first, second = (cyconv.compile(net, (1, 3, n, n), 2) for n in (8, 12))
    x, y = integers((1, 3, 8, 8)), integers((1, 3, 12, 12))
    want = first(x).copy()
    second(y)
    assert np.array_equal(first(x), want) and np.array_equal(net(x), want)
