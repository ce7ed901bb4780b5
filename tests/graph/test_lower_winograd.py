"""Convolutions through Winograd's algorithm: accuracy of each kind, the same bits for any batch and threads, everything around them."""

import numpy as np
import pytest

from cyconv import functional as F
from cyconv._kernels.cpu import lanes
from cyconv.graph import lower_winograd
from cyconv.graph.compile import compile_function
from cyconv.graph.plan import Plan
from cyconv.winograd import ALL, F2_3, F3_3, F4_3
from tests.graph.helpers import evaluate, integers, record
from tests.parallel import small_plans_use_threads

L = lanes()
KINDS = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)


@pytest.fixture(autouse=True)
def _threads():
    with small_plans_use_threads():
        yield


def floats(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def through(kind, fn, *shapes, threads=2) -> Plan:
    """A plan whose convolutions with kernels that fit go through this kind."""
    plan = compile_function(fn, list(shapes), [f"x{i}" for i in range(len(shapes))], threads, kind.name)
    assert plan.num_threads == threads
    assert f"{kind.name} product" in [step["algorithm"] for step in plan.steps()]
    return plan


def products(plan) -> int:
    """Stretches of all convolutions."""
    return sum(step["algorithm"].endswith("product") for step in plan.steps())


def relative_error(y, exact) -> float:
    return float(np.linalg.norm(y - exact) / np.linalg.norm(exact))


def random_layer(kind, rng):
    """(fn, input shape) of a convolution with any padding, also more than a kernel's, and any number of channels."""
    ci, co = int(rng.choice([1, 3, L - 1, L, L + 1, 2 * L, 3 * L + 5, 70])), int(rng.choice([1, 5, L, L + 1, 3 * L, 4 * L + 3, 6 * L]))
    pads = [int(p) for p in rng.choice([0, 1, 2, 3, kind.n + 2], 4, p=[0.3, 0.3, 0.2, 0.1, 0.1])]
    h, w = (int(v) for v in rng.integers(1, 24, 2))
    h, w = max(h, kind.r - pads[0] - pads[1]), max(w, kind.r - pads[2] - pads[3])
    weight, bias = floats(co, ci, kind.r, kind.r, seed=1), floats(co, seed=2)
    options = {"padding": ((pads[0], pads[1]), (pads[2], pads[3]))}
    return lambda x: F.conv2d(x, weight, bias, **options), (int(rng.integers(1, 5)), ci, h, w)


@KINDS
@pytest.mark.parametrize("threads", [1, 2])
def test_random_layers(kind, threads):
    rng = np.random.default_rng([kind.index, threads])
    for _ in range(40):
        fn, shape = random_layer(kind, rng)
        x = floats(*shape)
        y = through(kind, fn, shape, threads=threads)(x)
        assert relative_error(y, evaluate(record(fn, shape), x)[0]) <= kind.error_bound, shape


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("groups", [2, 3])
def test_groups_on_integers(groups, threads):
    """Every group with its own inputs, weights, biases, residual and place in the output."""
    rng = np.random.default_rng(threads)
    for ci, co in ((1, 1), (2, 3), (3, 1)):
        weight, bias = integers((groups * co * L, ci * L, 3, 3), ci), integers((groups * co * L,), co)
        n, h, w = (int(v) for v in rng.integers(1, 20, 3))
        shape, added = (n % 3 + 1, groups * ci * L, h, w), (n % 3 + 1, groups * co * L, h, w)
        fn = lambda x, r: F.relu(F.conv2d(x, weight, bias, padding=1, groups=groups) + r)  # noqa: E731
        x, r = integers(shape, ci), integers(added, co)
        y = through(F2_3, fn, shape, added, threads=threads)(x, r)
        assert np.array_equal(y, evaluate(record(fn, shape, added), x, r)[0]), shape


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_f2_3_on_integers(threads):
    """Its constants are halves, so that nothing is rounded and every bit must be right."""
    rng = np.random.default_rng(threads)
    for case in range(60):
        ci, co, n = int(rng.integers(1, 4 * L)), int(rng.integers(1, 7 * L)), int(rng.integers(1, 4))
        h, w = (int(v) for v in rng.integers(1, 20, 2))
        top, bottom, left, right = (int(v) for v in rng.integers(1, 4, 4))
        weight, bias = integers((co, ci, 3, 3), case), integers((co,), case)
        fn = lambda x: F.conv2d(x, weight, bias, padding=((top, bottom), (left, right)))  # noqa: E731
        x = integers((n, ci, h, w), case)
        assert np.array_equal(through(F2_3, fn, x.shape, threads=threads)(x), evaluate(record(fn, x.shape), x)[0]), x.shape


LAYERS = {  # channels in and out, height and width, padding
    "small": (L + 3, 2 * L + 1, 9, 11, 1),
    "one tile": (2 * L, L, 2, 1, 2),
    "several stretches": (128, 3 * L, 30, 26, 1),
}


@KINDS
@pytest.mark.parametrize("layer", LAYERS)
def test_same_bits_for_any_batch(kind, layer):
    """Each image alone, at every position of batches of 1 to 7, on 1 to 4 threads."""
    ci, co, h, w, pad = LAYERS[layer]
    weight, bias = floats(co, ci, kind.r, kind.r), floats(co)
    fn = lambda x: F.relu(F.conv2d(x, weight, bias, padding=pad + kind.r // 2))  # noqa: E731
    images = floats(7, ci, h, w)
    alone = [through(kind, fn, (1, ci, h, w), threads=1)(images[i : i + 1])[0] for i in range(7)]
    assert not np.array_equal(alone[0], alone[1]) and all(np.count_nonzero(y) > y.size / 4 for y in alone)
    for n in range(1, 8):
        plan = through(kind, fn, (n, ci, h, w), threads=1 + n % 4)
        for first in range(0, 7, 1 if layer != "several stretches" else 3):
            order = [(first + i) % 7 for i in range(n)]
            assert np.array_equal(plan(images[order]), [alone[i] for i in order]), (n, first)


@KINDS
def test_same_bits_for_any_number_of_threads(kind):
    ci, co, h, w, pad = LAYERS["several stretches"]
    weight = floats(co, ci, kind.r, kind.r)
    x = floats(2, ci, h, w)
    plans = [through(kind, lambda t: F.conv2d(t, weight, padding=pad), x.shape, threads=threads) for threads in (1, 2, 3, 4)]
    want = plans[0](x)
    assert products(plans[0]) > 1
    for plan in plans:
        assert all(np.array_equal(plan(x), want) for _ in range(5))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("k", "stride"), [(5, 2), (6, 2), (7, 3), (8, 3), (9, 4), (11, 4), (12, 4)])
def test_strided_in_phases(k, stride, threads):
    """Of few channels, through F(2,3), which rounds nothing here: every bit, for any padding and any batch."""
    rng = np.random.default_rng([k, threads])
    for _ in range(12):
        ci, co, n = int(rng.integers(1, L)), int(rng.integers(1, 3 * L)), int(rng.integers(1, 4))
        pads = [int(p) for p in rng.integers(0, k, 4)]
        h, w = (int(v) for v in rng.integers(k, 3 * k + 9, 2))
        x, weight, bias = integers((n, ci, h, w)), integers((co, ci, k, k)), integers((co,))
        fn = lambda t: F.conv2d(t, weight, bias, stride, ((pads[0], pads[1]), (pads[2], pads[3])))  # noqa: E731
        plan = through(F2_3, fn, x.shape, threads=threads)
        assert f"phases of stride {stride}" in [step["algorithm"] for step in plan.steps()]
        assert np.array_equal(plan(x), evaluate(record(fn, x.shape), x)[0]), (ci, co, n, pads, h, w)


@KINDS
def test_several_stretches(kind):
    """Stretches that begin and end inside rows and images give what one stretch gives."""
    weight, bias = floats(2 * L + 3, L, kind.r, kind.r), floats(2 * L + 3)
    fn = lambda x: F.conv2d(x, weight, bias, padding=2)  # noqa: E731
    x = floats(3, L, 33, 17)
    whole = through(kind, fn, x.shape)
    with pytest.MonkeyPatch.context() as patch:
        for tiles in (1, 7, 50):
            cut = lambda total, _, tiles=tiles: [(first, min(tiles, total - first)) for first in range(0, total, tiles)]  # noqa: E731
            patch.setattr(lower_winograd, "stretches", cut)
            plan = through(kind, fn, x.shape)
            assert products(plan) > products(whole)
            assert np.array_equal(plan(x), whole(x))
    assert relative_error(whole(x), evaluate(record(fn, x.shape), x)[0]) <= kind.error_bound


@pytest.mark.parametrize(
    "activation", [lambda y: y, F.relu, F.relu6, lambda y: F.leaky_relu(y, 0.25)], ids=["none", "relu", "relu6", "leaky"]
)
@pytest.mark.parametrize("with_residual", [False, True])
def test_fused_into_the_store(activation, with_residual):
    weight, bias = integers((L + 2, L + 2, 3, 3), 1, -1, 1), integers((L + 2,), 2)
    for residual in ("input", "other"):

        def fn(x, r, residual=residual):
            y = F.conv2d(x, weight, bias, padding=1)
            return activation(y + (x if residual == "input" else r) if with_residual else y)

        arrays = integers((2, L + 2, 7, 5), 3), integers((2, L + 2, 7, 5), 4)
        plan = through(F2_3, fn, *(a.shape for a in arrays))
        assert {step["op"] for step in plan.steps()} == {"conv2d", "relayout"}
        assert np.array_equal(plan(*arrays), evaluate(record(fn, *(a.shape for a in arrays)), *arrays)[0])


@pytest.mark.parametrize("widths", [(L, 2 * L, L), (5, L, 3), (L + 1, 2, 2 * L)])
def test_branches_of_a_concatenation(widths):
    """Written where they belong, also where that is in the middle of a block; with a convolution that reads all of them."""
    first, *others = (integers((co, L, 3, 3), co, -1, 1) for co in widths)
    after = integers((3, sum(widths), 3, 3), 9, -1, 1)

    def fn(x):
        y = F.cat([F.relu(F.conv2d(x, first, padding=1)), *(F.conv2d(x, w, padding=1) for w in others)], 1)
        return F.conv2d(y, after, padding=1), y

    x = integers((2, L, 6, 9), 1)
    plan = through(F2_3, fn, x.shape)
    assert products(plan) == 4
    for got, want in zip(plan(x), evaluate(record(fn, x.shape), x), strict=True):
        assert np.array_equal(got, want)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_read_by_a_padded_convolution(size):
    """What lies around the image is zero for a direct convolution behind, and ignored by Winograd's."""
    first, second = integers((L + 1, L, 3, 3), 1, -1, 1), integers((3, L + 1, size, size), 2, -1, 1)
    fn = lambda x: F.conv2d(F.relu(F.conv2d(x, first, padding=1)), second, padding=size // 2)  # noqa: E731
    x = integers((3, L, 7, 8), 1)
    plan = through(F2_3, fn, x.shape, threads=3)
    for seed in range(3):  # the memory of earlier calls is used again
        x = integers(x.shape, seed)
        assert np.array_equal(plan(x), evaluate(record(fn, x.shape), x)[0])


def test_captured_before_the_activation():
    weight = integers((L, 3, 3, 3), 1)
    fn = lambda x: F.relu(F.conv2d(x, weight, padding=1))  # noqa: E731
    x = integers((2, 3, 5, 6), 2)
    y, maps = through(F2_3, fn, x.shape)(x, capture=["conv2d"])
    want = F.conv2d(x, weight, padding=1)
    assert want.min() < 0 and np.array_equal(maps["conv2d"], want) and np.array_equal(y, np.maximum(want, 0))


@KINDS
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_tiles(kind, value):
    """It reaches every output of the tiles that read it, no other pixel of the image and no other image."""
    weight = floats(L, L + 1, kind.r, kind.r)
    x = floats(3, L + 1, 25, 27)
    plan = through(kind, lambda t: F.conv2d(t, weight, padding=2), x.shape)
    want = plan(x)
    x[1, :, 12, 13] = value
    got = plan(x)
    rows, columns = np.indices(got.shape[2:])
    near = (abs(rows - 14) < kind.n) & (abs(columns - 15) < kind.n)
    assert np.array_equal(got[[0, 2]], want[[0, 2]]) and np.array_equal(got[1][:, ~near], want[1][:, ~near])
    window = got[1, :, 15 - kind.r : 15, 16 - kind.r : 16]
    assert not np.isfinite(window).any()


@KINDS
def test_steps(kind):
    """One transform and one product a stretch; the multiply-adds are those of the convolution."""
    weight = floats(L, 128, kind.r, kind.r)
    plan = through(kind, lambda x: F.conv2d(x, weight), (2, 128, 40, 40))
    steps = plan.steps()
    size = 41 - kind.r
    assert abs(sum(s["macs"] for s in steps) - 2 * size * size * weight.size) <= len(steps)
    assert products(plan) == [s["algorithm"] for s in steps].count("transform input") >= 2
    assert plan.constant_bytes >= 4 * kind.n**2 * 128 * L


EVEN = [kind for kind in ALL if kind.m % 2 == 0]


@pytest.mark.parametrize("kind", EVEN, ids=lambda kind: kind.name)
@pytest.mark.parametrize("threads", [1, 3])
def test_pools_of_two_are_part_of_the_product(kind, threads):
    """The same numbers as convolution, activation and pool one after the other; also with a residual, and a border for what reads it."""
    for ci, co, h, w, seed in ((L, 2 * L, 8, 12, 1), (3 * L + 2, L + 1, 2, 22, 2), (2 * L, 3 * L, 26, 18, 3)):
        weight, after = floats(co, ci, kind.r, kind.r, seed=seed), floats(L, co, 3, 3, seed=seed)
        pad = kind.r // 2, kind.r - 1 - kind.r // 2
        fn = lambda x, r: F.max_pool2d(F.relu(F.conv2d(x, weight, padding=(pad, pad)) + r), 2)  # noqa: E731
        apart = lambda x, r: F.relu(F.conv2d(x, weight, padding=(pad, pad)) + r)  # noqa: E731
        shapes = (3, ci, h, w), (3, co, h, w)
        x, r = floats(*shapes[0]), floats(*shapes[1])
        plan = compile_function(fn, list(shapes), ["x", "r"], threads, kind.name)
        assert f"{kind.name} pooled product" in [step["algorithm"] for step in plan.steps()]
        assert not any(step["op"] == "max_pool2d" for step in plan.steps())
        y = through(kind, apart, *shapes, threads=threads)(x, r)
        want = y.reshape(3, co, h // 2, 2, w // 2, 2).max((3, 5))
        assert np.array_equal(plan(x, r), want)
        more = compile_function(lambda x, r: F.conv2d(fn(x, r), after, padding=1), list(shapes), ["x", "r"], threads, kind.name)
        assert relative_error(more(x, r), evaluate(record(lambda x: F.conv2d(x, after, padding=1), want.shape), want)[0]) < 1e-5
        x[1, 0, h // 2, w // 2] = np.nan
        with np.errstate(invalid="ignore"):
            y = through(kind, apart, *shapes, threads=threads)(x, r)
        assert np.array_equal(plan(x, r), y.reshape(3, co, h // 2, 2, w // 2, 2).max((3, 5)), equal_nan=True)


def test_pools_that_stay_steps():
    """Odd sizes, other windows, an output that something else reads or that is wanted, indices, tiles of three."""
    weight = floats(L, L, 3, 3)
    conv = lambda x: F.conv2d(x, weight, padding=1)  # noqa: E731
    both = lambda x: (y := conv(x), F.max_pool2d(y, 2))  # noqa: E731
    cases = [
        (lambda x: F.max_pool2d(conv(x), 2), 15, F4_3),
        (lambda x: F.max_pool2d(conv(x), 2), 16, F3_3),
        (lambda x: F.max_pool2d(conv(x), 3, 2), 16, F4_3),
        (lambda x: F.max_pool2d(conv(x), 2, 1), 16, F4_3),
        (lambda x: F.max_pool2d(conv(x), 2, padding=1), 16, F4_3),
        (lambda x: F.avg_pool2d(conv(x), 2), 16, F4_3),
        (lambda x: F.max_pool2d(conv(x), 2, return_indices=True), 16, F4_3),
        (lambda x: F.max_pool2d(y := conv(x), 2) + F.max_pool2d(F.relu(y), 2), 16, F4_3),
        (both, 16, F4_3),
    ]
    for fn, size, kind in cases:
        x = floats(2, L, size, size)
        plan = compile_function(fn, [x.shape], ["x"], 2, kind.name)
        assert f"{kind.name} product" in [step["algorithm"] for step in plan.steps()]
        want = evaluate(record(fn, x.shape), x)
        got = plan(x)
        for y, exact in zip(got if isinstance(got, tuple) else (got,), want, strict=True):
            assert y.shape == exact.shape and (y.dtype != np.float32 or relative_error(y, exact) < 1e-5)
    captured, features = compile_function(lambda x: F.max_pool2d(conv(x), 2), [(1, L, 16, 16)], ["x"], 1, "F(4,3)")(
        floats(1, L, 16, 16), capture=["*"]
    )
    assert any(np.array_equal(captured, v) for v in features.values()) and len(features) == 2


def test_pieces_are_balanced_over_two_threads():
    """An even number of items where it costs little, else the largest tiles; never larger ones."""
    for count in range(1, 400):
        for largest in (9, 14):
            tiles = lower_winograd.piece_tiles(count, largest)
            assert 1 <= tiles <= largest
            assert -(-count // tiles) <= max(lower_winograd.MOST_MORE_PIECES * -(-count // largest), 1)
    assert lower_winograd.piece_tiles(98, 14) == 13  # eight pieces, four items, not seven and four
    assert lower_winograd.piece_tiles(28, 14) == lower_winograd.piece_tiles(56, 14) == 14
