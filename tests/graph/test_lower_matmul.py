"""Matrix products as plans: what shares a right matrix, when it is packed, how items are cut, and constants that become linear layers."""

import numpy as np
import pytest

from cyconv import functional as F
from cyconv._kernels import cpu
from cyconv.graph.lower_matmul import Sizes, plan, sizes_of
from cyconv.graph.passes import optimise
from cyconv.graph.select import ITEM_MACS
from tests.graph.helpers import direct, evaluate, integers, ops, record
from tests.graph.test_lower import lowering

L = cpu.lanes()


def test_sizes():
    assert sizes_of((3, 4), (4, 5)) == Sizes(3, 4, 5, [0], [0])
    assert sizes_of((7, 2, 3, 4), (1, 4, 5)) == Sizes(42, 4, 5, [0], [0])
    assert sizes_of((4,), (4,)) == Sizes(1, 4, 1, [0], [0])
    assert sizes_of((2, 3, 4), (2, 4, 5)) == Sizes(3, 4, 5, [0, 1], [0, 1])
    assert sizes_of((2, 1, 3, 4), (3, 4, 5)) == Sizes(3, 4, 5, [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2])
    assert sizes_of((3, 4), (2, 4, 5)) == Sizes(3, 4, 5, [0, 0], [0, 1])


@pytest.mark.parametrize(
    "sizes", [Sizes(1, 7, 5, [0], [0]), Sizes(1000, 64, 2 * L + 1, [0], [0]), Sizes(50, 300, 5 * L, [0, 1, 2], [0, 0, 1])]
)
def test_items_cover_the_output_once(sizes):
    groups, tiles = plan(sizes, L)
    row = -(-sizes.n // L) * L
    covered = np.zeros((len(sizes.left), sizes.m, row // L), int)
    for g in groups:
        product, rest = divmod(g.out_shift, sizes.m * row)
        assert rest == 0 and g.input == sizes.left[product] * sizes.m * sizes.k
        assert g.weights == (sizes.right[product] * row + g.first_block * L) * sizes.k and g.weight_floats == sizes.k * g.n_blocks * L
        for start, pixels in tiles[g.first_tile : g.first_tile + g.n_tiles]:
            covered[product, start : start + pixels, g.first_block : g.first_block + g.n_blocks] += 1
        one_tile = g.weight_floats * tiles[g.first_tile][1]
        assert g.n_tiles == 1 or g.n_tiles * one_tile <= ITEM_MACS
    assert (covered == 1).all()


def test_steps():
    shapes = (6, 8, 3), (6, 3, 2 * L)
    assert [t.op for t in lowering(lambda a, b: a @ b, *shapes).tasks] == ["pack", "matmul"]
    assert [t.op for t in lowering(lambda a, b: a @ b, (6, 8, 3), (3, 5)).tasks] == ["pack", "matmul", "copy"]
    (product,) = [t for t in lowering(lambda a, b: a @ b, *shapes).tasks if t.op == "matmul"]
    assert product.macs == 6 * 8 * 3 * 2 * L
    right = integers((6, 3, 5), 1)
    assert [t.op for t in lowering(lambda a: a @ right, (6, 8, 3)).tasks] == ["matmul", "copy"]  # packed when the plan is compiled


def test_a_constant_matrix_on_the_right_is_a_linear_layer():
    """Then additions and activations behind it are fused."""
    w, b = integers((7, 5), 1), integers((5,), 2)
    fn = lambda x: F.relu(x @ w + b)  # noqa: E731
    assert ops(optimise(record(fn, (4, 3, 7)))) == ["linear"]
    x = integers((4, 3, 7), 3)
    assert np.array_equal(direct(fn, x.shape)(x), np.maximum(x @ w + b, 0))
    left = lambda x: w @ x  # noqa: E731
    assert ops(optimise(record(left, (5, 6)))) == ["matmul"]
    x = integers((5, 6), 4)
    assert np.array_equal(direct(left, x.shape)(x), w @ x)


@pytest.mark.parametrize("threads", [1, 3])
def test_attention(threads):
    """Two products of run-time arrays with what comes between, bit for bit but for the softmax."""

    def fn(q, k, v):
        return F.matmul(q @ F.transpose(k, -1, -2), v)

    shapes = [(2, 3, 9, 20), (2, 3, 11, 20), (2, 3, 11, 17)]
    arrays = [integers(shape, i) for i, shape in enumerate(shapes)]
    assert np.array_equal(direct(fn, *shapes, threads=threads)(*arrays), evaluate(record(fn, *shapes), *arrays)[0])


def test_same_bits_for_any_batch():
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((4, 30, 50), np.float32), rng.standard_normal((4, 50, 40), np.float32)
    whole, shared = F.matmul(a, b), F.matmul(a, b[0])
    for i in range(4):
        assert np.array_equal(F.matmul(a[i], b[i]), whole[i])
        assert np.array_equal(F.matmul(a[i], b[0]), shared[i])
        assert np.array_equal(F.matmul(a[i, 3:4], b[i]), whole[i, 3:4])
