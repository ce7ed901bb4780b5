"""Functions on arrays: what is kept between calls, how much of it, and how calls are told apart."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cyconv
from cyconv import functional as F
from cyconv.graph import eager
from cyconv.graph.compile import compile_function
from cyconv.graph.eager import FunctionPlans, frozen, plans, traceable
from cyconv.graph.trace import Tracer, apply
from tests.graph.helpers import integers, ops, record

traced_calls = []


@traceable("x", "others")
def probe(x, others=None, scale=1.0, *, flag=False):
    """Docs."""
    traced_calls.append((scale, flag))
    assert isinstance(x, Tracer)
    for other in [] if others is None else others if isinstance(others, list) else [others]:
        x = apply("add", [x, other], {})[0]
    return apply("mul", [x, np.float32(scale)], {})[0]


@pytest.fixture(autouse=True)
def _fresh():
    plans.clear()
    traced_calls.clear()
    yield
    plans.clear()


def test_compiled_once_for_equal_calls():
    for seed in range(3):
        x = integers((2, 3), seed)
        assert np.array_equal(probe(x, scale=2.0), 2 * x)
    assert len(traced_calls) == 1 and len(plans) == 1


def test_calls_that_differ():
    x = integers((2, 3))
    results = [probe(x, scale=s) for s in (1, 1.0, True)]  # equal, but an op may treat them apart
    assert len(plans) == 3 and all(np.array_equal(r, x) for r in results)
    probe(x, flag=True)
    probe(x[:1])
    cyconv.set_num_threads(cyconv.get_num_threads() + 1)
    probe(x, flag=True)
    cyconv.set_num_threads(cyconv.get_num_threads() - 1)
    assert len(plans) == 6


def test_array_arguments_of_every_form():
    x, y, z = (integers((2, 3), seed) for seed in range(3))
    assert np.array_equal(probe(x, y), x + y)
    assert np.array_equal(probe(x, [y]), x + y)
    assert np.array_equal(probe(x, (y, z)), x + y + z)
    assert np.array_equal(probe(others=[y, z, x], x=x), 2 * x + y + z)
    assert np.array_equal(probe(x, []), x)
    assert len(plans) == 5


def test_arrays_are_never_kept():
    w = integers((4, 3, 3, 3))
    x = integers((1, 3, 5, 5))
    first = F.conv2d(x, w)
    w *= 2
    assert np.array_equal(F.conv2d(x, w), 2 * first) and len(plans) == 1


def test_python_raises_what_python_raises():
    x = integers((3,))
    for call in (lambda: probe(), lambda: probe(x, nothing=1), lambda: probe(x, None, 1.0, True), lambda: probe(x, x=x)):
        with pytest.raises(TypeError, match="argument"):
            call()
    assert probe.__name__ == "probe" and probe.__doc__ == "Docs."


def test_errors_name_the_argument():
    x = integers((3,))
    with pytest.raises(TypeError, match="probe: argument 'x' must be float32, got float64"):
        probe(x.astype(float))
    with pytest.raises(TypeError, match=r"probe: argument 'others'\[1\] must be float32"):
        probe(x, [x, x.astype(int)])
    with pytest.raises(TypeError, match="probe: argument 'x' must be a NumPy array"):
        probe(3.0)
    with pytest.raises(TypeError, match="probe: options must be plain values"):
        probe(x, scale=np.ones(3))
    with pytest.raises(TypeError, match="probe: options must be plain values"):
        probe(x, scale={})
    assert len(plans) == 0


def test_a_failed_call_leaves_nothing():
    for _ in range(3):
        with pytest.raises(ValueError, match="size of array"):
            probe(integers((2, 3)), integers((2, 4)))
    assert len(plans) == 0


def test_inside_a_trace_arrays_are_constants():
    graph = record(lambda x: probe(x, [integers((3,))]), (3,))
    assert ops(graph) == ["add", "mul"] and len(graph.constants) == 2
    assert ops(record(lambda x: F.cat([integers((3,)), x]), (3,))) == ["cat"]


def test_frozen():
    assert frozen([1, (2.0, "a")]) == ((int, 1), ((float, 2.0), (str, "a")))
    assert len({frozen(1), frozen(1.0), frozen(True)}) == 3


def test_the_second_call_of_each_form():
    """Of plain arrays and options it is found at once; whatever else comes is checked and converted each time."""
    x, y = integers((4, 6), 1), integers((4, 6), 2)
    calls = [
        ((x, y), {}, x + y),
        ((x, None, 2.0), {}, 2 * x),
        ((x,), {"scale": 3, "flag": True}, 3 * x),
        ((x.astype(">f4"), y), {}, x + y),
        ((np.asfortranarray(x), y), {}, x + y),
        ((x, [y, y]), {}, x + 2 * y),
        ((x,), {"others": y}, x + y),
        ((x.view(np.matrix), y), {}, x + y),
    ]
    for _ in range(3):
        for args, kwargs, want in calls:
            got = probe(*args, **kwargs)
            assert type(got) is np.ndarray and np.array_equal(got, want)
        with pytest.raises(TypeError, match="argument 'others' must be float32, got float64"):
            probe(x, y.astype(np.float64))
    assert len(traced_calls) == len(plans) == 4


def test_a_form_whose_plan_was_dropped_is_compiled_again(monkeypatch):
    monkeypatch.setattr(eager, "MAX_PLANS", 1)
    for n in (2, 3, 2, 2):
        assert np.array_equal(probe(np.ones(n, np.float32), scale=2.0), np.full(n, 2.0))
    assert len(traced_calls) == 3


def test_remembered_forms_are_bounded(monkeypatch):
    monkeypatch.setattr(eager, "MAX_FORMS", 4)
    for n in range(1, 30):
        probe(integers((n % 7 + 1,)))
        assert len(plans._forms) <= 4


def test_bounded_by_number(monkeypatch):
    monkeypatch.setattr(eager, "MAX_PLANS", 5)
    for n in range(1, 20):
        probe(integers((n,)))
        assert len(plans) <= 5
    traced_calls.clear()
    probe(integers((15,)))  # of the last five, and now the youngest
    for n in range(20, 24):
        probe(integers((n,)))
    probe(integers((15,)))
    assert len(traced_calls) == 4


def test_bounded_by_memory(monkeypatch):
    cache = FunctionPlans()
    monkeypatch.setattr(eager, "MAX_ARENA_BYTES", 100_000)
    two = lambda x: F.sigmoid(F.relu(x))  # noqa: E731
    for n in range(10_000, 10_010):
        cache.get((n,), lambda n=n: compile_function(two, [(n,)], ["x"]))
    assert len(cache) == 2
    big = compile_function(two, [(100_000,)], ["x"])
    assert cache.get(("big",), lambda: big) is big and len(cache) == 1  # kept, since it is the only one
    cache.clear()
    assert len(cache) == 0 and cache._bytes == 0


def test_many_threads_share_the_cache():
    def work(k):
        n = k % 7 + 1
        x = integers((2, 3, n + 2, 5), k)
        w = integers((4, 3, 2, 2), k)
        want = sum(np.einsum("nchw,oc->nohw", x[:, :, i : i + n + 1, j : j + 4], w[:, :, i, j]) for i in (0, 1) for j in (0, 1))
        return np.array_equal(F.conv2d(x, w), want)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(400)))
    assert len(plans) == 7
