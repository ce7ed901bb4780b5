"""The error that a tolerance is held against: what is measured, what follows from it, and what is refused."""

import numpy as np
import pytest

import cyconv
from cyconv import functional as F
from cyconv import nn
from cyconv._kernels.cpu import has_tiles
from cyconv.graph.compile import compile_function
from cyconv.graph.options import Options
from cyconv.graph.passes import optimise
from cyconv.graph.pinned import Choice
from cyconv.graph.tolerance import LINEAR_ROWS, SAMPLE_OUTPUTS, SAMPLE_SIDE, Sample
from tests.graph.helpers import integers, record

NET_SHAPE = (1, 64, 20, 20)


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def sample_of(fn, *shapes):
    graph = optimise(record(fn, *shapes))
    (node,) = (node for node in graph.nodes if node.op in ("conv2d", "linear"))
    return Sample(graph, node)


CASES = {  # function, its input, shapes of the sample's input and weight
    "3x3": (lambda x: F.conv2d(x, normal(50, 20, 3, 3), padding=1), (4, 20, 30, 40), (1, 20, 14, 14), (SAMPLE_OUTPUTS, 20, 3, 3)),
    "small image": (lambda x: F.conv2d(x, normal(5, 2, 3, 3)), (2, 2, 5, 4), (1, 2, 5, 4), (5, 2, 3, 3)),
    "stride, dilation": (
        lambda x: F.conv2d(x, normal(9, 3, 5, 3), stride=(2, 3), dilation=(1, 2)), (1, 3, 99, 99), (1, 3, 27, 38), (9, 3, 5, 3)
    ),
    "depthwise": (lambda x: F.conv2d(x, normal(96, 1, 3, 3), groups=96), (1, 96, 30, 30), (1, 32, 14, 14), (32, 1, 3, 3)),
    "two groups": (lambda x: F.conv2d(x, normal(80, 4, 1, 1), groups=2), (1, 8, 30, 30), (1, 4, 12, 12), (40, 4, 1, 1)),
    "linear": (lambda x: F.linear(x, normal(70, 33)), (2, 7, 33), (LINEAR_ROWS, 33), (SAMPLE_OUTPUTS, 33)),
    "flattened": (lambda x: F.linear(F.flatten(x, 1), normal(7, 24)), (2, 6, 2, 2), (LINEAR_ROWS, 24), (7, 24)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_measured(name):
    fn, shape, x_shape, weight_shape = CASES[name]
    sample = sample_of(fn, shape)
    assert (sample.x.shape, sample.weight.shape) == (x_shape, weight_shape)
    assert all(side <= SAMPLE_SIDE for side in sample.exact.shape[2:])
    assert 0 < sample.error(Choice()) < 1e-6
    y = sample._computed(Choice())
    assert sample.error(Choice()) == np.linalg.norm(y - sample.exact) / np.linalg.norm(sample.exact)


def test_merged_branches_are_one_sample():
    a, b = normal(40, 6, 1, 1), normal(9, 6, 1, 1)
    sample = sample_of(lambda x: (F.conv2d(x, a), F.conv2d(x, b)), (1, 6, 5, 5))
    assert np.array_equal(sample.weight, np.concatenate([a[np.linspace(0, 39, 16).astype(int)], b]))


def test_folded_weights_are_measured():
    scale = np.full(3, 4.0, np.float32)
    plain = sample_of(lambda x: F.conv2d(x, normal(3, 2, 1, 1)), (1, 2, 5, 5))
    fn = lambda x: F.batch_norm(F.conv2d(x, normal(3, 2, 1, 1)), scale * 0, scale / 4, scale, eps=0.0)  # noqa: E731
    assert np.array_equal(sample_of(fn, (1, 2, 5, 5)).weight, 4 * plain.weight)


def test_integers_and_zeros_have_no_error():
    sample = sample_of(lambda x: F.conv2d(x, np.zeros((4, 3, 3, 3), np.float32)), (1, 3, 9, 9))
    assert sample.error(Choice()) == sample.error(Choice("F(2,3)")) == 0


def net():
    nn.init.manual_seed(0)
    return nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 40, 5), nn.Flatten(), nn.Linear(40 * 16 * 16, 50))


def chosen(plan):
    return [(c["algorithm"], c["weights"]) for c in plan.choices()["layers"].values()]


def test_layers_fall_back_as_far_as_they_must():
    """From the fastest to smaller kinds, to direct or the other way round; each is as exact as asked for."""
    network = net()
    fastest = cyconv.compile(network, NET_SHAPE, weights="bfloat16")
    assert chosen(fastest)[2] == ("direct", "bfloat16")
    seen = set()
    for tolerance in (1e-2, 2e-3, 1e-3, 4e-6):
        plan = cyconv.compile(network, NET_SHAPE, weights="bfloat16", tolerance=tolerance)
        seen.add(tuple(chosen(plan)))
        graph = optimise(record(network, NET_SHAPE))
        for node, choice in zip([n for n in graph.nodes if n.op in ("conv2d", "linear")], chosen(plan), strict=True):
            assert Sample(graph, node).error(Choice(*choice)) <= tolerance
        assert chosen(plan)[2] == ("direct", "bfloat16" if tolerance > 1.7e-3 else "float32")
    assert len(seen) >= 2


def test_a_tolerance_admits_the_kinds_that_err_most():
    """F(6,3) and F(4,5), which "auto" leaves alone without one."""
    network = net()
    free, bounded = (cyconv.compile(network, NET_SHAPE, tolerance=tolerance) for tolerance in (None, 1e-3))
    coarse = {"F(6,3)", "F(4,5)"}
    assert not coarse & {algorithm for algorithm, _ in chosen(free)} and coarse & {algorithm for algorithm, _ in chosen(bounded)}


@pytest.mark.skipif(has_tiles(), reason="on tile registers direct convolution is more exact than F(3,3), and may be faster")
def test_smaller_kinds_before_direct():
    """Where F(4,3) is too coarse, F(3,3) or F(2,3), which are exact enough, are still faster than direct convolution."""
    weight = normal(64, 64, 3, 3)
    sample = sample_of(lambda x: F.conv2d(x, weight, padding=1), NET_SHAPE)
    errors = {name: sample.error(Choice(name)) for name in ("direct", "F(2,3)", "F(3,3)", "F(4,3)")}
    assert errors["F(2,3)"] < errors["F(3,3)"] < errors["F(4,3)"] and errors["F(2,3)"] < errors["direct"]

    def algorithm(tolerance, winograd="auto"):
        fn = lambda x: F.conv2d(x, weight, padding=1)  # noqa: E731
        (choice,) = chosen(compile_function(fn, [NET_SHAPE], ["x"], 1, winograd, tolerance=tolerance))
        return choice[0]

    assert algorithm((errors["F(3,3)"] + errors["F(4,3)"]) / 2) in ("F(3,3)", "F(2,3)")
    assert algorithm((errors["F(2,3)"] + min(errors["F(3,3)"], errors["direct"])) / 2) == "F(2,3)"
    assert algorithm((errors["direct"] + errors["F(4,3)"]) / 2, "F(4,3)") == "direct"  # a kind that was asked for gives way to direct only


def test_a_tolerance_that_cannot_be_kept():
    message = r"tolerance must be at least \d.\de-0[67] for this network, got 1e-12: its layer '4: linear 10240 to"
    with pytest.raises(ValueError, match=message):
        cyconv.compile(net(), NET_SHAPE, tolerance=1e-12)
    weight = normal(9, 30)
    weight[3, 4] = np.nan
    with pytest.raises(ValueError, match="an error of nan"):
        compile_function(lambda x: F.linear(x, weight), [(1, 30)], ["x"], tolerance=1.0)


def test_weights_that_are_inputs_and_empty_batches():
    plan = compile_function(lambda x, w: F.conv2d(x, w), [(1, 3, 5, 5), (2, 3, 3, 3)], ["x", "w"], tolerance=1e-12)
    assert plan(integers((1, 3, 5, 5)), integers((2, 3, 3, 3))).shape == (1, 2, 3, 3)
    assert cyconv.compile(net(), (0, *NET_SHAPE[1:]), tolerance=1e-5)(np.empty((0, *NET_SHAPE[1:]), np.float32)).shape == (0, 50)


def test_the_choice_is_the_same_for_any_batch_and_threads():
    plans = [cyconv.compile(net(), (n, *NET_SHAPE[1:]), threads, tolerance=4e-6) for n, threads in ((1, 1), (2, 1), (7, 3))]
    assert plans[0].choices() == plans[1].choices() == plans[2].choices()


def test_captures_keep_the_choices(monkeypatch):
    """Nothing is measured again."""
    network, x = net(), normal(*NET_SHAPE)
    plan = cyconv.compile(network, NET_SHAPE, tolerance=4e-6)
    monkeypatch.setattr(Sample, "error", None)
    y, maps = plan(x, capture=["4", "0"])
    assert np.array_equal(y, plan(x)) and np.array_equal(maps["4"], y)


@pytest.mark.parametrize("wrong", [0, -1e-6, float("nan"), 0.0])
def test_values_that_are_no_tolerance(wrong):
    with pytest.raises(ValueError, match="tolerance must be greater than 0, got"):
        Options(tolerance=wrong)


@pytest.mark.parametrize("wrong", ["1e-6", True, [1e-6], 1j])
def test_types_that_are_no_tolerance(wrong):
    with pytest.raises(TypeError, match="tolerance must be a number or None, got"):
        cyconv.compile(nn.ReLU(), (1, 2), tolerance=wrong)
