"""Lowering: which layouts meet, where copies are and are not, and that the tasks compute what the graph means."""

import numpy as np
import pytest

import cyconv
from cyconv import functional as F
from cyconv._kernels import cpu
from cyconv.graph.compile import compile_graph, trace_function
from cyconv.graph.lower import HANDLERS, Lowering
from cyconv.graph.options import Options
from cyconv.graph.passes import optimise
from cyconv.graph.trace import apply
from cyconv.ops import OPS
from tests.graph.helpers import direct, evaluate, integers, random_network, record

L = cpu.lanes()


def lowering(fn, *shapes) -> Lowering:
    low = Lowering(optimise(record(fn, *shapes)), 1)
    low.run()
    return low


def steps(fn, *shapes) -> list[str]:
    return [task.op for task in lowering(fn, *shapes).tasks]


def run(fn, *shapes, threads=2) -> None:
    """The compiled plan gives what the references give, exactly."""
    arrays = [integers(shape, 5) for shape in shapes]
    got = direct(fn, *shapes, threads=threads)(*arrays)
    for g, w in zip(got if isinstance(got, tuple) else [got], evaluate(record(fn, *shapes), *arrays), strict=True):
        assert np.array_equal(g, w) and g.shape == w.shape


def test_every_op_has_a_handler():
    assert set(HANDLERS) | {"dropout"} == set(OPS)


def conv(x, out, size=1, seed=0):
    return F.conv2d(x, integers((out, x.shape[1], size, size), seed, -1, 1), padding=size // 2)


def inception(x):
    a = F.relu(conv(x, L))
    b = F.relu(conv(F.relu(conv(x, 2 * L, seed=1)), 2 * L, 3))
    c = F.relu(conv(F.max_pool2d(x, 3, 1, 1), 5, seed=2))
    return F.cat([a, b, c], 1)


def test_inception_without_copies():
    def fn(x):
        return conv(inception(F.max_pool2d(conv(x, 2 * L, 3), 2)), 3)

    shape = (2, L, 8, 8)
    found = steps(fn, shape)
    assert found == ["relayout", "conv2d", "max_pool2d", "conv2d", "conv2d", "max_pool2d", "conv2d", "conv2d", "relayout"]
    run(fn, shape)


def test_inception_modules_in_a_row():
    def fn(x):
        return conv(inception(inception(x)), 3)

    # The first module's last branch ends within a block, so what follows reads a channel count that is no multiple of the lanes.
    found = steps(fn, (1, L, 6, 6))
    assert found.count("relayout") == 2 and found.count("copy") == 0 and found[0] == found[-1] == "relayout"
    run(fn, (1, L, 6, 6))


def test_googlenet_without_copies():
    net = cyconv.models.googlenet_bn(num_classes=8)
    found = cyconv.compile(net, (1, 3, 64, 64), 1).steps()
    moved = [step for step in found if step["op"] in ("relayout", "copy", "cat")]
    assert len(found) > 50 and not [step for step in moved if "inception" in step["name"]]
    assert len(moved) <= 8  # the input's normalisation channel by channel, its border, the output


def test_an_unaligned_concatenation_is_copied():
    def fn(x):
        y = F.relu(x)
        return F.cat([conv(y, L + 1), conv(y, L, 3)], 1)

    low = lowering(fn, (2, L, 5, 5))
    assert [t.op for t in low.tasks].count("copy") == 2
    run(fn, (2, L, 5, 5))


def test_a_value_at_two_places_of_a_concatenation():
    def fn(x):
        y = conv(x, L)
        return F.cat([y, y, F.cat([y, conv(x, L, 3)], 1)], 1)

    assert steps(fn, (2, L, 4, 4)).count("relayout") >= 3
    run(fn, (2, L, 4, 4))


def test_concatenations_nest():
    def fn(x):
        inner = F.cat([conv(x, L), conv(x, L, 3)], 1)
        return conv(F.relu(F.cat([conv(x, L, 3, 1), inner, conv(x, 3, 1, 3)], 1)), 2, 3)

    assert steps(fn, (2, L, 6, 6)).count("copy") == 0
    run(fn, (2, L, 6, 6))


def test_borders_reach_through_concatenations():
    low = lowering(lambda x: conv(F.cat([conv(x, L), conv(x, 3, 3)], 1), 2, 5), (1, L, 6, 6))
    assert sorted(set(low._border.values())) == [(1, 1, 1, 1), (2, 2, 2, 2)]


def test_reshapes_are_names():
    def fn(x):
        y = apply("reshape", [conv(x, 6)], {"shape": (6, 12)})[0]
        return apply("reshape", [F.relu(apply("reshape", [y], {"shape": (3, 24)})[0])], {"shape": (72,)})[0]

    assert steps(fn, (2, 3, 2, 3)).count("relayout") + steps(fn, (2, 3, 2, 3)).count("copy") <= 2
    run(fn, (2, 3, 2, 3))


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x,
        lambda x: (x, x),
        lambda x: (F.relu(x), x, F.relu(x)),
        lambda x: (y := conv(x, 4), y, apply("reshape", [y], {"shape": (2, 4, 25)})[0]),
        lambda x: F.max_pool2d(x, 2, return_indices=True) * 2,
        lambda x: F.add(apply("slice", [x], {"starts": (0,) * 4, "stops": (0, 3, 5, 5), "steps": (1,) * 4})[0], 1.0),
        lambda x: x * 0.0 + integers((2, 3, 5, 5)),
        lambda x: conv(x, 3) + integers((2, 3, 5, 5)),  # a residual that is a constant
    ],
)
def test_outputs(fn):
    """Outputs may be inputs, constants in disguise, the same value twice, or int64."""
    run(fn, (2, 3, 5, 5))


def test_a_constant_as_output():
    (w,) = [integers((3, 4))]
    run(lambda x: (x, apply("reshape", [w], {"shape": (4, 3)})[0]), (2,))


def test_constants_are_prepared_at_compile_time():
    def fn(x):
        y = F.batch_norm(F.relu(conv(x, 5, 3)), *(integers((5,), i, 1, 3) for i in range(2)), eps=0.0)
        return F.prelu(y, integers((5,))) * integers((1, 5, 1, 1)) + integers((1, 5, 4, 4), 3)

    low = lowering(fn, (1, 2, 4, 4))
    assert not [t.op for t in low.tasks if t.op in ("pack", "copy")]
    assert all(b.space == "constant" for s in low.setup for b in s.task.writes)
    assert all(b.space in ("constant", "array") for s in low.setup for b in s.task.reads)


def test_prefetching_follows_the_order_of_products():
    low = lowering(lambda x: conv(conv(conv(x, L), L, 3), 3), (1, L, 4, 4))
    products = [t for t in low.tasks if t.weights is not None]
    assert len(products) == 3
    assert [t.following for t in products] == [[products[1].weights], [products[2].weights], []]


@pytest.mark.parametrize(("threads", "winograd"), [(1, "off"), (2, "off"), (3, "off"), (2, "F(2,3)")])
def test_random_networks(threads, winograd):
    """Exact on small integers; so is F(2,3), whose constants are halves."""
    nonzero = []
    for seed in range(threads * 1000, threads * 1000 + 100):
        fn, shape = random_network(seed)
        traced, single = trace_function(fn, [shape], ["x"])
        x = integers(shape, seed)
        got = compile_graph(traced, threads, single, Options(winograd))(x)
        for g, w in zip([got] if single else got, evaluate(traced, x), strict=True):
            assert np.array_equal(g, w), seed
            nonzero.append(np.count_nonzero(w) / w.size)
    assert np.mean(nonzero) > 0.4
