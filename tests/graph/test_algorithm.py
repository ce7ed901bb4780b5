"""Which convolutions go through Winograd's algorithm, by which kind, and the option that says so."""

import numpy as np
import pytest

import cyconv
from benchmarks.layers import CONVS
from cyconv import functional as F
from cyconv import nn
from cyconv._kernels.cpu import has_tiles, lanes
from cyconv.graph.algorithm import BY_NAME, check_winograd, stretches
from cyconv.graph.choices import choose_algorithms
from cyconv.graph.compile import compile_function
from cyconv.graph.options import Options
from cyconv.graph.passes import optimise
from cyconv.winograd import ALL
from tests.graph.helpers import integers, record
from tests.parallel import small_plans_use_threads

L = lanes()


def chosen(fn, *shapes, winograd="auto") -> list[str | None]:
    """The name of the kind of each convolution, None for direct."""
    graph = optimise(record(fn, *shapes))
    choose_algorithms(graph, Options(winograd), L)
    kinds = [node.attrs["winograd"] for node in graph.nodes if node.op == "conv2d"]
    return [kind and kind.name for kind in kinds]


def one(ci, co, size, kernel=3, batch=1, winograd="auto", **options) -> str | None:
    weight = np.zeros((co, ci // options.get("groups", 1), *((kernel,) * 2 if isinstance(kernel, int) else kernel)), np.float32)
    (kind,) = chosen(lambda x: F.conv2d(x, weight, **options), (batch, ci, size, size), winograd=winograd)
    return kind


EXPECTED = {  # measured on Zen 5 and Sapphire Rapids with AVX-512: the fastest kind, or direct where none gains enough
    "alexnet/conv3": "F(3,3)",
    "alexnet/conv5": "F(3,3)",
    "googlenet/conv3": "F(4,3)",
    "googlenet/3a/3x3": "F(4,3)",
    "googlenet/4e/3x3": "F(3,3)",
    "alexnet/conv2": "F(3,5)",
    "googlenet/3b/5x5": "F(3,5)",
    "googlenet/4a/1x1": None,
    "googlenet/conv1": "F(4,4)",
    "alexnet/conv1": "F(4,3)",
    "alexnet_two_tower/conv2": "F(3,5)",
    "alexnet_two_tower/conv4": "F(3,3)",
    "lenet/conv2": None,
    "digits/conv1": None,
}
if has_tiles():  # on Sapphire Rapids; direct convolution is then three times as fast
    EXPECTED |= {"alexnet/conv3": None, "alexnet/conv5": None, "googlenet/4e/3x3": None, "googlenet/3b/5x5": None}


@pytest.mark.skipif(L != 16, reason="measured on vectors of 16 floats")
@pytest.mark.parametrize("name", EXPECTED)
def test_layers_of_networks(name):
    c = CONVS[name]
    options = {"stride": (c.sh, c.sw), "padding": (c.ph, c.pw), "groups": c.g}
    assert one(c.ci, c.co, c.h, c.kh, **options) == EXPECTED[name]


def test_few_channels_are_direct():
    """Half-empty vectors would be transformed."""
    assert [one(ci, 64, 28, padding=1) for ci in (1, 3, L // 2 - 1)] == [None] * 3
    assert one(3, 64, 28, padding=1, winograd="F(2,3)") == "F(2,3)"  # asked for by name, any number will do


@pytest.mark.parametrize("name", CONVS)
def test_independent_of_the_batch(name):
    c = CONVS[name]
    options = {"stride": (c.sh, c.sw), "padding": (c.ph, c.pw), "groups": c.g}
    assert len({one(c.ci, c.co, c.h, c.kh, batch, **options) for batch in (1, 2, 3, 7, 16, 100)}) == 1


@pytest.mark.parametrize("winograd", ["auto", *BY_NAME])
def test_independent_of_the_threads(winograd):
    weight = integers((2 * L, 4 * L, 3, 3))
    with small_plans_use_threads():
        plans = [compile_function(lambda x: F.conv2d(x, weight, padding=1), [(1, 4 * L, 20, 20)], ["x"], n, winograd) for n in (1, 2, 3, 4)]
    assert [plan.num_threads for plan in plans] == [1, 2, 3, 4]
    assert len({tuple(step["algorithm"] for step in plan.steps()) for plan in plans}) == 1


UNSUITABLE = [{"stride": 2}, {"stride": (1, 2)}, {"dilation": 2}, {"dilation": (2, 1)}]
UNSUITABLE += [{"groups": 8}, {"groups": 2, "stride": 2}, {"groups": 4 * L}]
UNSUITABLE += [{"kernel": k} for k in (1, 2, 6, 7, (3, 1), (1, 3), (3, 5), (5, 3), (3, 4))]


@pytest.mark.parametrize("winograd", ["auto", *BY_NAME])
@pytest.mark.parametrize("options", UNSUITABLE, ids=str)
def test_unsuitable_layers(options, winograd):
    assert one(4 * L, 4 * L, 28, winograd=winograd, **options) is None


def test_groups_of_whole_blocks():
    """Each is a convolution of its own; where blocks would be shared, they are direct."""
    assert one(8 * L, 8 * L, 28, padding=1, groups=2) == one(4 * L, 4 * L, 28, padding=1)
    assert one(2 * L, 2 * L, 28, winograd="F(2,3)", groups=2) == "F(2,3)"
    assert one(2 * L + 2, 2 * L, 28, winograd="F(2,3)", groups=2) is None
    assert one(2 * L, 2 * L + 2, 28, winograd="F(2,3)", groups=2) is None


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_a_named_kind_goes_where_its_kernel_fits(kind):
    """And nowhere else: other sizes stay direct."""
    sizes = sorted({k.r for k in ALL})
    got = [one(2 * L, 2 * L, 28, r, winograd=kind.name) for r in sizes]
    assert got == [kind.name if r == kind.r else None for r in sizes]


@pytest.mark.parametrize("winograd", ["auto", *BY_NAME])
def test_weights_that_are_inputs(winograd):
    """Their transform would run in every call."""
    shapes = (1, 64, 28, 28), (64, 64, 3, 3)
    assert chosen(lambda x, w: F.conv2d(x, w, padding=1), *shapes, winograd=winograd) == [None]


@pytest.mark.parametrize("winograd", ["auto", *BY_NAME])
def test_empty_batch(winograd):
    assert one(64, 64, 28, batch=0, winograd=winograd) is None
    weight = integers((64, 64, 3, 3))
    plan = compile_function(lambda x: F.conv2d(x, weight), [(0, 64, 8, 8)], ["x"], 1, winograd)
    assert plan(np.empty((0, 64, 8, 8), np.float32)).shape == (0, 64, 6, 6)


def net():
    nn.init.manual_seed(0)
    return nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 40, 5), nn.Conv2d(40, 8, 3, stride=2))


def algorithms(plan) -> list[str]:
    return [step["algorithm"] for step in plan.steps() if step["op"] == "conv2d"]


def test_off():
    plan = cyconv.compile(net(), (1, 64, 20, 20), winograd="off")
    assert plan.options.winograd == "off" and not any("F(" in a or "transform" in a for a in algorithms(plan))
    default = cyconv.compile(net(), (1, 64, 20, 20))
    assert default.options.winograd == "auto" and sum("product" in a for a in algorithms(default)) == 2


@pytest.mark.parametrize("winograd", ["auto", "off", *BY_NAME])
def test_the_option_reaches_captures(winograd):
    """A captured value has the bits that the plan computes."""
    plan = cyconv.compile(net(), (1, 64, 20, 20), 1, winograd)
    x = np.random.default_rng(1).standard_normal((1, 64, 20, 20)).astype(np.float32)
    y, maps = plan(x, capture=["3", "1"])
    assert np.array_equal(y, plan(x)) and np.array_equal(maps["3"], y)


@pytest.mark.parametrize("wrong", ["", "on", "F(9,3)", "f(2,3)", "F(2, 3)", None, True, 2, ["auto"]])
def test_option_errors(wrong):
    message = r"winograd must be 'auto', 'off' or one of 'F\(2,3\)', .*, got "
    with pytest.raises(ValueError, match=message):
        check_winograd(wrong)
    with pytest.raises(ValueError, match=message):
        cyconv.compile(nn.ReLU(), (1, 3), winograd=wrong)


def test_stretches():
    """They cover all tiles in order, and are of about equal length."""
    for total in (1, 27, 28, 35, 36, 100, 1000):
        for floats_per_tile in (100, 4000, 10_000_000):
            parts = stretches(total, floats_per_tile)
            assert [first for first, _ in parts] == [sum(count for _, count in parts[:i]) for i in range(len(parts))]
            assert sum(count for _, count in parts) == total
            assert max(count for _, count in parts) - min(count for _, count in parts) <= 1
