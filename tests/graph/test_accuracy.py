"""plan.accuracy: one record an op and output, errors of the size of float32's rounding, and found where they are made."""

import numpy as np
import pytest

import cyconv
from cyconv import functional as F
from cyconv import nn
from cyconv.graph.accuracy import evaluate, relative_errors
from cyconv.graph.algorithm import BY_NAME
from cyconv.graph.compile import compile_function
from tests.graph import helpers
from tests.graph.helpers import integers, record

U = 2.0**-24


class Net(nn.Module):
    """Layers that Winograd suits and others; an op called twice by one module; normalisation that would be folded."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.wide = nn.Conv2d(32, 48, 3, padding=1)
        self.five = nn.Conv2d(32, 16, 5, padding=2)
        self.drop = nn.Dropout()
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.stem(x)
        y = F.cat([F.relu(self.wide(x)), F.relu(self.five(x))], 1)
        return F.softmax(self.fc(self.drop(F.flatten(F.adaptive_avg_pool2d(y, 1), 1))), 1)


@pytest.fixture
def net():
    nn.init.manual_seed(0)
    return Net().eval()


SHAPE = (2, 3, 24, 24)
X = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


@pytest.mark.parametrize("winograd", ["auto", "off", *BY_NAME])
def test_of_a_network(net, winograd):
    plan = cyconv.compile(net, SHAPE, winograd=winograd)
    accuracy = plan.accuracy(X)
    graph = record(net, SHAPE)
    assert [(r["op"], r["shape"]) for r in accuracy.records[:-1]] == [(n.op, n.outputs[0].shape) for n in graph.nodes]
    output = accuracy.records[-1]
    assert (output["op"], output["shape"]) == ("output", (2, 10))
    errors = [r[key] for r in accuracy.records for key in ("l2", "max")]
    assert 0 < min(errors) and max(errors) < 1e-5
    exact = evaluate(graph, [X])[graph.outputs[0]]
    assert relative_errors(plan(X), exact) == {key: output[key] for key in ("l2", "max")}


def test_names(net):
    names = [r["name"] for r in cyconv.compile(net, SHAPE).accuracy(X).records]
    assert names[:4] == ["stem.0", "stem.1", "stem.2", "wide"] and "fc" in names
    functions = compile_function(lambda x: F.relu(F.relu(x)), [(3,)], ["x"]).accuracy(integers((3,)))
    assert [(r["name"], r["op"]) for r in functions.records] == [("relu", "relu"), ("relu", "relu"), ("relu", "output")]


def test_winograd_costs_digits(net):
    """F(4,3) rounds more than F(2,3), in the layer where it is used."""
    wide = {kind: next(r for r in cyconv.compile(net, SHAPE, winograd=kind).accuracy(X).records if r["name"] == "wide") for kind in BY_NAME}
    assert wide["F(4,3)"]["l2"] > 1.5 * wide["F(2,3)"]["l2"] > 0


def test_exact_on_integers():
    weight = integers((7, 5, 3, 3), 1)
    fn = lambda x: F.max_pool2d(F.relu(F.conv2d(x, weight)), 2, return_indices=True)  # noqa: E731
    records = compile_function(fn, [(2, 5, 8, 8)], ["x"]).accuracy(integers((2, 5, 8, 8), 2)).records
    assert [r["op"] for r in records] == ["conv2d", "relu", "max_pool2d", "output"]  # no indices
    assert all(r["l2"] == r["max"] == 0 for r in records)


def test_an_error_is_found_where_it_is_made(net, monkeypatch):
    """A wrong constant in the plan alone: exact before it, wrong from there on."""
    plan = cyconv.compile(net, SHAPE)
    monkeypatch.setattr(type(plan), "_plan_with", wrong_weights(type(plan)._plan_with, "fc"))
    records = {(r["name"], r["op"]): r["l2"] for r in plan.accuracy(X).records}
    assert records["wide", "conv2d"] < 1e-6 and records["fc", "linear"] > 0.01
    assert records["softmax", "output"] < 1e-6  # of the plan itself


def wrong_weights(right, name):
    """``_plan_with`` of a network in which the weights of one layer are greater by a tenth."""

    def compile_wrong(plan, values):
        node = next(n for n in plan._traced.nodes if n.name == name)
        weight = plan._traced.constants[node.inputs[1]]
        plan._traced.constants[node.inputs[1]] = weight * np.float32(1.1)
        try:
            return right(plan, values)
        finally:
            plan._traced.constants[node.inputs[1]] = weight

    return compile_wrong


def test_evaluate(net):
    graph = record(net, SHAPE)
    known = evaluate(graph, [X])
    assert set(known) == {*graph.inputs, *(v for node in graph.nodes for v in node.outputs)}
    assert np.array_equal(known[graph.outputs[0]], helpers.evaluate(graph, X)[0])


def test_relative_errors():
    exact = np.array([3.0, 0.0, -4.0])
    assert relative_errors(exact.astype(np.float32), exact) == {"l2": 0, "max": 0}
    assert relative_errors(np.array([3.0, 1.0, -4.0]), exact) == {"l2": 0.2, "max": 0.25}
    assert relative_errors(np.ones(2), np.zeros(2)) == {"l2": np.inf, "max": np.inf}
    assert relative_errors(np.empty((0, 3)), np.empty((0, 3))) == {"l2": 0, "max": 0}
    assert np.isnan(relative_errors(np.array([np.nan]), np.ones(1))["l2"])


def test_text(net):
    accuracy = cyconv.compile(net, SHAPE).accuracy(X)
    text = str(accuracy)
    assert repr(accuracy) == text and "relative L2" in text and "stem.0" in text and "2×48×24×24" in text
    assert len(text.splitlines()) == len(accuracy.records) + 3
    assert accuracy.to_markdown().startswith("| layer | op | output |")


def test_errors_name_the_argument(net):
    plan = cyconv.compile(net, SHAPE)
    with pytest.raises(ValueError, match="input must have shape"):
        plan.accuracy(X[:1])
    with pytest.raises(TypeError, match="takes 1 arrays"):
        plan.accuracy()


def test_empty_batch(net):
    records = cyconv.compile(net, (0, *SHAPE[1:])).accuracy(X[:0]).records
    assert records and all(r["l2"] == r["max"] == 0 for r in records)


def test_the_plan_and_its_captures_stay(net):
    plan = cyconv.compile(net, SHAPE)
    want, before = plan(X), X.copy()
    plan(X, capture=["fc"])
    plan.accuracy(X)
    assert np.array_equal(plan(X), want) and np.array_equal(X, before) and len(plan._captures) == 1
