"""What computes each product: its names, what pinning does, what the budget leaves, and that a pinned plan has the same bits."""

import copy
import json
import pickle

import numpy as np
import pytest

import cyconv
from cyconv import functional as F
from cyconv import nn
from cyconv._kernels.cpu import lanes
from cyconv.graph.choices import choose_algorithms, named_products
from cyconv.graph.compile import compile_function
from cyconv.graph.options import Options
from cyconv.graph.passes import optimise
from tests.graph.helpers import integers, record
from tests.parallel import small_plans_use_threads

SHAPE = (1, 64, 20, 20)


class Net(nn.Module):
    """Layers of all sorts: Winograd suits two, two are merged, one is used twice, one is grouped, the last one flattens."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.five = nn.Conv2d(64, 32, 5, 1, 2)
        self.a, self.b = nn.Conv2d(32, 24, 1), nn.Conv2d(32, 8, 1)
        self.grouped = nn.Conv2d(32, 32, 3, 2, groups=2)
        self.fc = nn.Linear(32 * 81, 16)
        self.head = nn.Linear(16, 16)

    def forward(self, x):
        x = F.relu(self.five(self.wide(x)))
        x = self.grouped(F.cat([self.a(x), self.b(x)], 1))
        return self.head(F.relu(self.head(F.relu(self.fc(F.flatten(x, 1))))))


@pytest.fixture
def net():
    nn.init.manual_seed(0)
    return Net()


KEYS = [
    "wide.0: conv2d 64x20x20 to 64x20x20, kernel 3x3, stride 1x1, padding 1x1x1x1, dilation 1x1, groups 1",
    "five: conv2d 64x20x20 to 32x20x20, kernel 5x5, stride 1x1, padding 2x2x2x2, dilation 1x1, groups 1",
    "a + b: conv2d 32x20x20 to 24+8x20x20, kernel 1x1, stride 1x1, padding 0x0x0x0, dilation 1x1, groups 1",
    "grouped: conv2d 32x20x20 to 32x9x9, kernel 3x3, stride 2x2, padding 0x0x0x0, dilation 1x1, groups 2",
    "fc: linear 2592 to 16",
    "head: linear 16 to 16",
    "head:1: linear 16 to 16",
]


def test_names(net):
    """By layer and by what it computes, whatever the batch; equal functions are numbered."""
    for batch in (0, 1, 5):
        assert list(cyconv.compile(net, (batch, *SHAPE[1:])).choices()["layers"]) == KEYS
    w = integers((2, 2))
    graph = optimise(record(lambda x: F.linear(F.linear(F.linear(x, w), w), w), (3, 2)))
    assert list(named_products(graph)) == ["linear 2 to 2", "linear 2 to 2 #2", "linear 2 to 2 #3"]


def test_the_document(net):
    plan = cyconv.compile(net, SHAPE, weights="bfloat16")
    document = plan.choices()
    assert document["version"] == 1 and document["isa"] == cyconv.isa()
    entries = list(document["layers"].values())
    assert [e["weights"] for e in entries] == ["float32"] * 4 + ["bfloat16"] * 3
    assert [e["algorithm"] for e in entries][2:] == ["direct"] * 5
    assert all(e["algorithm"].startswith("F(") for e in entries[:2])
    document["layers"].clear()
    assert len(plan.choices()["layers"]) == 7  # a copy each time


OTHERS: list[dict] = [{"winograd": "off"}, {"winograd": "F(2,3)"}, {"weights": "bfloat16"}, {"weight_budget": 0}]
OTHERS += [{"winograd": "F(2,3)", "weights": "bfloat16"}]


@pytest.mark.parametrize("options", [{}, *OTHERS], ids=str)
def test_a_pinned_plan_has_the_same_bits(net, options, tmp_path):
    """From a file, a dict or a pickle, whatever the other options say, for any batch and number of threads."""
    x = np.random.default_rng(1).standard_normal((3, *SHAPE[1:])).astype(np.float32)
    plan = cyconv.compile(net, x.shape, **options)
    want = plan(x)
    plan.save_choices(tmp_path / "choices.json")
    for others in OTHERS:
        again = cyconv.compile(net, x.shape, choices=tmp_path / "choices.json", **others)
        assert again.choices() == plan.choices() and np.array_equal(again(x), want)
        assert [s["algorithm"] for s in again.steps()] == [s["algorithm"] for s in plan.steps()]
    with small_plans_use_threads():
        again = cyconv.compile(net, (2, *SHAPE[1:]), 3, choices=json.loads((tmp_path / "choices.json").read_text()))
        assert np.array_equal(again(x[1:]), want[1:])
    for twin in (pickle.loads(pickle.dumps(plan)), copy.deepcopy(plan), pickle.loads(pickle.dumps(again))):
        assert twin.choices() == plan.choices()
    y, maps = again(x[:2], capture=["wide.1", "a", "fc"])
    assert np.array_equal(y, want[:2]) and set(maps) == {"wide.1", "a", "fc"}


def test_other_choices_have_other_bits(net):
    """Or the test above would show nothing."""
    x = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    results = [cyconv.compile(net, SHAPE, **options)(x) for options in ({}, *OTHERS)]
    assert sum(not np.array_equal(results[0], y) for y in results[1:]) >= 4


def test_some_layers_pinned(net):
    """The others are chosen as ever."""
    pinned = {"version": 1, "layers": {KEYS[0]: {"algorithm": "F(2,3)"}, KEYS[4]: {"algorithm": "direct", "weights": "bfloat16"}}}
    layers = cyconv.compile(net, SHAPE, choices=pinned).choices()["layers"]
    expected = cyconv.compile(net, SHAPE).choices()["layers"]
    expected[KEYS[0]]["algorithm"], expected[KEYS[4]]["weights"] = "F(2,3)", "bfloat16"
    assert layers == expected


def test_calls_of_a_module(net):
    x = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    plan = cyconv.compile(net, SHAPE, weights="bfloat16", winograd="off")
    net.compile(choices=plan.choices())
    assert np.array_equal(net(x), plan(x))
    with pytest.raises(ValueError, match="the network has no layer"):
        net(x[:, :, 1:])


def pin(key, **entry):
    return {"version": 1, "layers": {key: entry}}


def test_unknown_layers(net):
    wrong = KEYS[1].replace("five", "six")
    with pytest.raises(ValueError) as error:
        cyconv.compile(net, SHAPE, choices=pin(wrong, algorithm="direct"))
    assert str(error.value) == f"choices: the network has no layer {wrong!r}; the nearest is {KEYS[1]!r}"
    with pytest.raises(ValueError, match=r"no layer 'five: .*20x20.*; the nearest is 'five: .*19x20"):
        cyconv.compile(net, (1, 64, 19, 20), choices=pin(KEYS[1], algorithm="direct"))
    with pytest.raises(ValueError, match="no layer 'x'; it has none"):
        cyconv.compile(nn.ReLU(), (1, 2), choices=pin("x", algorithm="direct"))


UNSUITABLE = [(0, "F(2,5)", "float32"), (1, "F(4,3)", "float32"), (2, "F(2,3)", "float32"), (3, "F(2,3)", "float32"),
              (4, "F(2,3)", "float32"), (0, "direct", "bfloat16"), (0, "F(2,3)", "bfloat16"), (6, "F(2,3)", "bfloat16")]  # fmt: skip


@pytest.mark.parametrize(("layer", "algorithm", "weights"), UNSUITABLE)
def test_unsuitable_choices(net, layer, algorithm, weights):
    with pytest.raises(ValueError, match=r"choices: '.*' cannot be computed by .*; suitable are: .*direct"):
        cyconv.compile(net, SHAPE, choices=pin(KEYS[layer], algorithm=algorithm, weights=weights))


def test_weights_that_are_inputs():
    plan = compile_function(F.conv2d, [SHAPE, (64, 64, 3, 3)], ["x", "w"], 1)
    (key,) = plan.choices()["layers"]
    with pytest.raises(ValueError, match="cannot be computed by F"):
        compile_function(F.conv2d, [SHAPE, (64, 64, 3, 3)], ["x", "w"], 1, choices=pin(key, algorithm="F(4,3)"))


def test_an_empty_batch_takes_any_pin(net):
    """So that choices hold for every batch."""
    plan = cyconv.compile(net, (0, *SHAPE[1:]), choices=pin(KEYS[0], algorithm="F(4,3)"))
    assert plan(np.empty((0, *SHAPE[1:]), np.float32)).shape == (0, 16)


def test_a_pin_must_keep_the_tolerance(net):
    tight = cyconv.compile(net, SHAPE, tolerance=1e-5)
    assert cyconv.compile(net, SHAPE, tolerance=1e-5, choices=tight.choices()).choices() == tight.choices()
    with pytest.raises(ValueError, match="with direct, bfloat16 weights, which is the most exact"):
        cyconv.compile(net, SHAPE, tolerance=1e-5, choices=pin(KEYS[4], algorithm="direct", weights="bfloat16"))


# The budget for transformed weights


def transformed_bytes(plan, net):
    """By definition, from the choices."""
    total = 0
    for key, entry in plan.choices()["layers"].items():
        if entry["algorithm"] != "direct":
            m, r = (int(v) for v in entry["algorithm"][2:-1].split(","))
            co, ci, *_ = net.get_parameter(f"{key.split(':')[0]}.weight").shape
            total += 4 * (m + r - 1) ** 2 * ci * (-(-co // lanes()) * lanes())
    return total


def test_budget(net):
    """Fewer bytes for each smaller budget, none for none; the same for any batch and number of threads."""
    free = transformed_bytes(cyconv.compile(net, SHAPE), net)
    assert free > 500_000
    sizes = []
    for budget in (free, free - 1, free // 2, free // 4, 1, 0):
        plan = cyconv.compile(net, SHAPE, weight_budget=budget)
        sizes.append(transformed_bytes(plan, net))
        assert sizes[-1] <= budget
        assert cyconv.compile(net, (9, *SHAPE[1:]), 3, weight_budget=budget).choices() == plan.choices()
    assert sizes[0] == free and sizes[-1] == 0 and sizes == sorted(sizes, reverse=True) and len(set(sizes)) >= 3


def test_the_budget_binds_automatic_choice_only(net):
    asked = cyconv.compile(net, SHAPE, winograd="F(2,3)", weight_budget=0)
    assert asked.choices()["layers"][KEYS[0]]["algorithm"] == "F(2,3)"
    pinned = cyconv.compile(net, SHAPE, weight_budget=0, choices=pin(KEYS[0], algorithm="F(2,3)"))
    assert [e["algorithm"] for e in pinned.choices()["layers"].values()] == ["F(2,3)", *["direct"] * 6]


def test_networks_fit_the_default_budget():
    """Their fastest choice is taken."""
    for name in ("googlenet", "resnet18"):
        chosen = []
        for budget in (Options().weight_budget, 1 << 60):
            graph = optimise(record(getattr(cyconv.models, name)(), (1, 3, 224, 224)))
            chosen.append(choose_algorithms(graph, Options(weight_budget=budget), lanes()))
        assert chosen[0] == chosen[1]


@pytest.mark.parametrize(("wrong", "error"), [(-1, ValueError), (0.5, TypeError), ("1GB", TypeError), (None, TypeError), (True, TypeError)])
def test_budget_errors(wrong, error):
    with pytest.raises(error, match="weight_budget"):
        cyconv.compile(nn.ReLU(), (1, 2), weight_budget=wrong)
