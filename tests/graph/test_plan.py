"""What the user of a plan holds: calls, out=, capture, pickles, steps, its text, and errors that name the argument."""

import copy
import multiprocessing
import operator
import pickle

import numpy as np
import pytest
import torch

import cyconv
from cyconv import functional as F
from cyconv import nn
from cyconv._kernels import cpu
from cyconv.graph import plan as plans
from cyconv.graph.compile import compile_function
from cyconv.graph.layout import round_up
from tests.graph.helpers import integers
from tests.graph.test_arrays import unaligned


class Net(nn.Module):
    """A small network with named layers, a function called in forward, and fusions to be undone by capture."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 20, 3, padding=1), nn.BatchNorm2d(20), nn.ReLU(), nn.MaxPool2d(2))
        self.drop = nn.Dropout()
        self.fc = nn.Linear(20 * 16, 5)

    def forward(self, x):
        return F.softmax(self.fc(F.flatten(self.drop(self.features(x)), 1)), 1)


@pytest.fixture
def net():
    return Net()


SHAPE = (2, 3, 8, 8)
X = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


def test_call(net):
    plan = cyconv.compile(net, SHAPE)
    y = plan(X)
    assert y.shape == (2, 5) and y.dtype == np.float32 and y.flags.owndata
    assert np.array_equal(y, net(X))
    assert (plan.input_shapes, plan.output_shapes) == ([SHAPE], [(2, 5)])
    assert plan.arena_bytes > 0 and plan.constant_bytes > 4 * 20 * 16 * 5
    again = plan(X)
    assert again is not y and np.array_equal(again, y)


def test_inputs_in_any_form(net):
    plan = cyconv.compile(net, SHAPE)
    frozen = X.copy()
    frozen.flags.writeable = False
    for form in (frozen, unaligned(X), np.asfortranarray(X), X.astype(">f4"), np.repeat(X, 2, 3)[..., ::2]):
        assert np.array_equal(plan(form), plan(X))


def test_tensors_go_in_without_a_copy(net, monkeypatch):
    class Spy:
        def __init__(self, program):
            self.program, self.addresses = program, []

        def run(self, arrays, *rest):
            self.addresses.append(arrays[0].ctypes.data)
            self.program.run(arrays, *rest)

    plan = cyconv.compile(net, SHAPE)
    spy = Spy(plan._program)
    monkeypatch.setattr(plan, "_program", spy)
    tensor = torch.from_numpy(X.copy())
    y = plan(tensor)
    assert type(y) is np.ndarray and np.array_equal(y, net(X)) and spy.addresses == [tensor.data_ptr()]
    assert np.array_equal(net(tensor), y)
    assert np.array_equal(F.relu(tensor), F.relu(X))


def test_errors_name_the_argument(net):
    plan = cyconv.compile(net, SHAPE)
    with pytest.raises(TypeError, match="input must be float32, got float64"):
        plan(X.astype(np.float64))
    with pytest.raises(TypeError, match="input must be a NumPy array of float32, got list"):
        plan(X.tolist())
    with pytest.raises(ValueError, match=r"input must have shape \(2, 3, 8, 8\), for which the plan was compiled, got \(1, 3, 8, 8\)"):
        plan(X[:1])
    with pytest.raises(TypeError, match=r"takes 1 arrays \(input\), got 2"):
        plan(X, X)
    two = compile_function(lambda a, b: a + b, [(2,), (2,)], ["left", "right"])
    with pytest.raises(TypeError, match=r"takes 2 arrays \(left, right\), got 0"):
        two()
    with pytest.raises(ValueError, match="right must have shape"):
        two(integers((2,)), integers((3,)))


def test_out(net):
    plan = cyconv.compile(net, SHAPE)
    out = np.full((2, 5), np.nan, np.float32)
    assert plan(X, out=out) is out
    assert np.array_equal(out, plan(X))
    with pytest.raises(ValueError, match=r"out must have shape \(2, 5\)"):
        plan(X, out=np.empty((5, 2), np.float32))
    with pytest.raises(TypeError, match="out must be"):
        plan(X, out=np.empty((2, 5)))
    with pytest.raises(ValueError, match="contiguous"):
        plan(X, out=np.empty((2, 10), np.float32)[:, ::2])
    same = compile_function(F.relu, [SHAPE], ["x"])
    with pytest.raises(ValueError, match="share memory"):
        same(X, out=X)
    two = compile_function(lambda x: (F.relu(x), x), [(2,)], ["x"])
    for capture in (None, ["relu"]):
        with pytest.raises(ValueError, match="one output, this one has 2"):
            two(np.zeros(2, np.float32), out=np.empty(2, np.float32), capture=capture)


def test_capture(net):
    plan = cyconv.compile(net, SHAPE)
    y, maps = plan(X, capture=["features.0", "*.2", "fc", "features"])
    assert set(maps) == {"features.0", "features.2", "fc", "features"}
    assert np.abs(y - plan(X)).max() < 1e-6  # the convolution before the normalisation is wanted, so that is not folded into it
    assert np.array_equal(plan(X, capture=["features", "fc"])[0], plan(X))
    conv = F.conv2d(X, net.features[0].weight, net.features[0].bias, padding=1)
    assert np.array_equal(maps["features.0"], conv)
    assert maps["features.2"].min() == 0 and np.array_equal(maps["features"], F.max_pool2d(maps["features.2"], 2))
    # the network's own layers, unfused: a fold away from what the plan computes
    assert np.allclose(F.softmax(maps["fc"], 1), y, atol=1e-6)


def test_capture_with_out(net):
    plan = cyconv.compile(net, SHAPE)
    out = np.empty((2, 5), np.float32)
    y, maps = plan(X, out=out, capture=["fc"])
    assert y is out and np.array_equal(out, plan(X)) and list(maps) == ["fc"]


def test_capture_everything(net):
    """Also in networks with more layers than a plan of theirs has inputs and outputs."""
    deep = nn.Sequential(*[nn.ReLU() for _ in range(100)], net)
    y, maps = cyconv.compile(deep, SHAPE)(X, capture=["*"])
    assert len(maps) >= 200 and all(m.dtype == np.float32 for m in maps.values())
    assert np.array_equal(maps["0"], np.maximum(X, 0)) and np.array_equal(y, maps.get("softmax", y))


def test_capture_of_several_outputs():
    plan = compile_function(lambda x: (F.relu(x), F.sigmoid(x)), [(3,)], ["x"])
    (a, b), maps = plan(integers((3,)), capture=["relu"])
    assert np.array_equal(a, maps["relu"]) and b.shape == (3,)


def test_capture_errors(net):
    plan = cyconv.compile(net, SHAPE)
    with pytest.raises(ValueError, match="no layer matches 'inception'"):
        plan(X, capture=["features", "inception"])
    for wrong in ("features", [1]):
        with pytest.raises(TypeError, match="capture must be a list of patterns"):
            plan(X, capture=wrong)


def test_plans_of_captures_are_kept_within_bounds(net):
    plan = cyconv.compile(net, SHAPE)
    names = ["features.0", "features.1", "features.2", "features.3", "features", "fc"]
    for a in names:
        for b in names:
            plan(X, capture=[a, b])
    assert len(plan._captures) <= plans.MAX_CAPTURE_PLANS


def test_pickles_are_compiled_again(net):
    plan = cyconv.compile(net, SHAPE, 2, winograd="off")
    again = pickle.loads(pickle.dumps(plan))
    assert (again.num_threads, again.options.winograd, again.input_shapes) == (plan.num_threads, "off", plan.input_shapes)
    assert repr(again) == repr(plan)
    assert np.array_equal(again(X), plan(X))
    assert np.array_equal(again(X, capture=["fc"])[1]["fc"], plan(X, capture=["fc"])[1]["fc"])
    assert len(pickle.dumps(again)) < 1.1 * sum(a.nbytes for a in net.parameters()) + 10_000


def test_pickles_of_several_inputs_and_outputs():
    two = compile_function(lambda a, b: (a + b, F.relu(a)), [(2,), (2,)], ["left", "right"])
    a, b = np.float32([-1, 2]), np.float32([10, 20])
    again = pickle.loads(pickle.dumps(two))
    for got, want in zip(again(a, b), two(a, b), strict=True):
        assert np.array_equal(got, want)
    with pytest.raises(ValueError, match="right must have shape"):
        again(a, a[:1])


def test_a_plan_is_its_own_copy(net):
    plan = cyconv.compile(net, SHAPE)
    assert copy.copy(plan) is plan and copy.deepcopy([plan])[0] is plan


def test_networks_and_plans_go_to_spawned_processes():
    net = cyconv.models.digits(pretrained=True)
    x = np.random.default_rng(1).random((2, 1, 8, 8), np.float32)
    plan = cyconv.compile(net, x.shape)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answers = [pool.apply(operator.call, (call, x)) for call in (net, plan)]
    assert all(answer.tobytes() == plan(x).tobytes() for answer in answers)


def test_steps(net):
    steps = cyconv.compile(net, SHAPE).steps()
    assert [s["op"] for s in steps] == ["relayout", "conv2d", "max_pool2d", "conv2d", "relayout", "softmax"]
    conv = steps[1]
    assert conv["name"] == "features.0" and conv["shape"] == (2, 20, 8, 8) and conv["out_bytes"] == 4 * 2 * round_up(20, cpu.lanes()) * 64
    assert conv["macs"] == 2 * 20 * 64 * 27 and conv["algorithm"].startswith("planar")
    assert steps[3]["macs"] == 2 * 5 * 320
    steps[0]["op"] = "changed"
    assert cyconv.compile(net, SHAPE).steps()[0]["op"] == "relayout"


def test_text(net):
    text = repr(cyconv.compile(net, SHAPE, 2))
    head, *rows = text.splitlines()
    assert head == f"plan for input [2, 3, 8, 8] on {cyconv.isa()}, 2 thread(s): 6 steps"
    assert "features.0" in text and "2×20×8×8" in text and "69,120" in text
    assert rows[-1].startswith("arena ") and "packed weights" in rows[-1]
    assert all(len(row) <= 200 for row in rows)


def test_a_plan_outlives_its_network(net):
    plan = cyconv.compile(net, SHAPE)
    want = plan(X)
    net.fc.weight = np.zeros((5, 320), np.float32)
    assert np.array_equal(plan(X), want)
    y, _ = plan(X, capture=["fc"])
    assert np.array_equal(y, want)
    assert np.allclose(cyconv.compile(net, SHAPE)(X), F.softmax(np.tile(net.fc.bias, (2, 1)), 1))


def test_the_input_is_not_modified(net):
    before = X.copy()
    cyconv.compile(net, SHAPE)(X, capture=["*"])
    assert np.array_equal(X, before)


def test_empty_batch(net):
    plan = cyconv.compile(net, (0, 3, 8, 8))
    assert plan(np.empty((0, 3, 8, 8), np.float32)).shape == (0, 5)
    assert plan.profile(np.empty((0, 3, 8, 8), np.float32), repeats=1).total_ms >= 0
