"""Linear layers with weights in bfloat16: which they are, that they are exact where they can be, and the same for any batch and threads."""

import numpy as np
import pytest

import cyconv
from cyconv import functional as F
from cyconv import nn
from cyconv.bfloat16 import rounded
from cyconv.graph.compile import compile_function
from cyconv.graph.options import Options
from tests.graph.helpers import integers
from tests.parallel import small_plans_use_threads

CLASSIFIERS = {  # shape of one image, and layers as in AlexNet, VGG, ResNet and MobileNet; odd sizes; more dimensions than two
    "flattened": ((17, 3, 7), lambda: [nn.Flatten(), nn.Linear(357, 70), nn.ReLU(), nn.Linear(70, 33)]),
    "flattened blocks": ((3, 6, 5), lambda: [nn.Conv2d(3, 37, 3), nn.ReLU(), nn.Flatten(), nn.Linear(37 * 12, 50)]),
    "pooled": ((19, 4, 4), lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(19, 10)]),
    "few inputs": ((3,), lambda: [nn.Linear(3, 100, bias=False), nn.LeakyReLU(0.5), nn.Linear(100, 1)]),
    "planar": ((2, 2, 2), lambda: [nn.Flatten(), nn.Linear(8, 9)]),
    "sequence": ((4, 18), lambda: [nn.Linear(18, 40), nn.GELU(), nn.Linear(40, 7)]),
}
EACH = pytest.mark.parametrize("name", CLASSIFIERS)


def make(name):
    nn.init.manual_seed(0)
    shape, layers = CLASSIFIERS[name]
    return shape, nn.Sequential(*layers())


def linears(plan):
    return [step["algorithm"] for step in plan.steps() if step["op"] in ("linear", "conv2d") and "bfloat16" in step["algorithm"]]


@EACH
def test_the_bits_of_rounded_weights(name):
    """Whatever the layer becomes in the plan; so nothing but the rounding differs."""
    shape, net = make(name)
    x = np.random.default_rng(1).standard_normal((5, *shape)).astype(np.float32)
    plan = cyconv.compile(net, x.shape, weights="bfloat16", winograd="off")
    assert len(linears(plan)) == sum(isinstance(m, nn.Linear) for m in net.modules())
    assert "bfloat16 weights" in repr(plan)
    y = plan(x)
    before = cyconv.compile(net, x.shape, winograd="off")(x)
    if name != "planar":  # float weights read an image of few channels as NCHW has it, in another order
        for module in net.modules():
            if isinstance(module, nn.Linear):
                module.weight = rounded(module.weight)
        assert np.array_equal(y, cyconv.compile(net, x.shape, winograd="off")(x))
    assert 1e-4 < np.linalg.norm(y - before) / np.linalg.norm(before) < 1e-2


@EACH
def test_same_bits_for_any_batch_and_threads(name):
    shape, net = make(name)
    x = np.random.default_rng(2).standard_normal((19, *shape)).astype(np.float32)
    alone = [cyconv.compile(net, (1, *shape), 1, weights="bfloat16")(x[i : i + 1])[0] for i in range(19)]
    assert not np.array_equal(alone[0], alone[1])
    with small_plans_use_threads():
        for n, threads in ((2, 1), (3, 2), (8, 3), (9, 2), (14, 1), (19, 3)):
            plan = cyconv.compile(net, (n, *shape), threads, weights="bfloat16")
            assert plan.num_threads == threads
            assert all(np.array_equal(got, want) for got, want in zip(plan(x[:n]), alone, strict=False)), n


@pytest.mark.parametrize("batch", [1, 3, 8, 30])
def test_exact_on_integers(batch):
    weight, bias = integers((37, 101), 3, -256, 256), integers((37,), 4, -99, 99)
    x = integers((batch, 101), 5)
    plan = compile_function(lambda t: F.linear(t, weight, bias), [x.shape], ["x"], 2, weights="bfloat16")
    assert np.array_equal(plan(x), x @ weight.T + bias) and len(linears(plan)) == 1


def test_half_the_bytes():
    nn.init.manual_seed(0)
    net = nn.Sequential(nn.Linear(512, 1024), nn.ReLU(), nn.Linear(1024, 256))
    wide, narrow = (cyconv.compile(net, (1, 512), weights=w).constant_bytes for w in ("float32", "bfloat16"))
    assert 0.49 < narrow / wide < 0.51


def test_other_layers_stay():
    """Convolutions, also 1x1 ones, and linear functions whose weights are inputs."""
    net = nn.Sequential(nn.Conv2d(20, 40, 1), nn.Conv2d(40, 40, 3, padding=1))
    assert not linears(cyconv.compile(net, (1, 20, 9, 9), weights="bfloat16"))
    plan = compile_function(F.linear, [(3, 20), (7, 20)], ["x", "w"], 1, weights="bfloat16")
    x, w = integers((3, 20)), np.full((7, 20), np.float32(1) + np.float32(2) ** -12)
    assert not linears(plan) and np.array_equal(plan(x, w), F.linear(x, w))
    assert cyconv.compile(nn.Linear(4, 3), (0, 4), weights="bfloat16")(np.empty((0, 4), np.float32)).shape == (0, 3)


def test_nan_and_infinity_stay():
    weight = np.zeros((3, 4), np.float32)
    weight[0, 1], weight[1, 2] = np.nan, np.inf
    weight[2, 3] = np.array(0x7F800001, np.uint32).view(np.float32)  # a NaN whose upper half is infinity's
    y = compile_function(lambda x: F.linear(x, weight), [(1, 4)], ["x"], weights="bfloat16")(np.ones((1, 4), np.float32))
    assert np.array_equal(y, [[np.nan, np.inf, np.nan]], equal_nan=True)


def test_captures_and_accuracy_have_them_too():
    shape, net = make("flattened blocks")
    plan = cyconv.compile(net, (2, *shape), weights="bfloat16")
    x = np.random.default_rng(6).standard_normal((2, *shape)).astype(np.float32)
    y, maps = plan(x, capture=["3", "1"])
    assert np.array_equal(y, plan(x)) and np.array_equal(maps["3"], y)
    records = {r["name"]: r["l2"] for r in plan.accuracy(x).records}
    assert records["1"] < 1e-6 and 1e-4 < records["3"] < 4e-3


@pytest.mark.parametrize("wrong", ["float16", "BFLOAT16", "", None, 16, ["bfloat16"]])
def test_option_errors(wrong):
    with pytest.raises(ValueError, match="weights must be one of 'float32', 'bfloat16', got"):
        Options(weights=wrong)
    with pytest.raises(ValueError, match="weights must be one of"):
        cyconv.compile(nn.Linear(2, 2), (1, 2), weights=wrong)
