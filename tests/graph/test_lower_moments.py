"""Layer, group and instance norm: which layout they run in, and their numbers in either."""

import numpy as np
import pytest

from cyconv import functional as F
from cyconv._kernels import cpu
from cyconv.graph.compile import compile_function
from cyconv.graph.trace import apply
from tests.graph.helpers import integers
from tests.graph.test_lower import steps
from tests.graph.test_lower_simple import blocked, check

L = cpu.lanes()


def over_channels(x):
    c = x.shape[1]
    return apply("layer_norm", [x, integers((c,), 1), integers((c,), 2)], {"dims": (1,), "eps": 1e-5})[0]


def test_layouts():
    shape = (2, 20, 3, 5)
    assert steps(lambda x: F.layer_norm(x, (5,)), shape) == ["layer_norm"]
    assert steps(lambda x: F.group_norm(x, 2), shape) == ["group_norm"]
    assert steps(lambda x: F.instance_norm(x), shape) == ["instance_norm"]
    assert steps(over_channels, shape) == ["relayout", "layer_norm", "relayout"]
    for fn in (over_channels, lambda x: F.group_norm(x, 2), lambda x: F.instance_norm(x)):
        assert steps(lambda x, fn=fn: fn(blocked(x)), shape)[:2] == ["relayout", "avg_pool2d"]
        assert steps(lambda x, fn=fn: fn(blocked(x)), shape)[3:] == ["relayout"]


@pytest.mark.parametrize("shape", [(2, 5), (2, 20, 3), (2, 20, 3, 5), (2, L, 1, 1)])
def test_layer_norm_over_channels(shape):
    check(over_channels, shape, exact=False, threads=3)
    if len(shape) == 4:
        check(lambda x: over_channels(blocked(x)), shape, exact=False)


@pytest.mark.parametrize(("shape", "groups"), [((2, 20, 3, 5), 4), ((1, 58, 2, 3), 2), ((2, 3 * L, 4, 4), 3 * L)])
def test_both_layouts_agree(shape, groups):
    x = np.random.default_rng(5).standard_normal(shape).astype(np.float32)
    run = lambda before: compile_function(lambda v: F.group_norm(before(v), groups), [shape], ["x"], 2)(x)  # noqa: E731
    np.testing.assert_allclose(run(lambda v: v), run(blocked), rtol=0, atol=16 * 2.0**-24)


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 3), (2, 4, 3, 5), (2, 4, 3, 2, 2)])
def test_any_rank(shape):
    check(lambda x: F.group_norm(x, 2, integers((4,), 1), integers((4,), 2)), shape, exact=False)
    check(lambda x: F.layer_norm(x, shape[1:]), shape, exact=False)
    if len(shape) > 2:
        check(lambda x: F.instance_norm(x), shape, exact=False)


def test_moments_go_over_all_slices_of_volumes():
    shape = (2, 20, 4, 3, 5)
    for fn in (lambda x: F.group_norm(x, 4), F.instance_norm, over_channels):
        check(lambda x, fn=fn: fn(F.max_pool3d(x, 1)), shape, exact=False, threads=3)
