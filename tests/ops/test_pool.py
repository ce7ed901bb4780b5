"""The float64 references of the poolings against PyTorch: values, indices, NaN, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cyconv.ops import OPS

from .helpers import EPS, assert_same, assert_within, both_or_neither, refuses, run, tensor

MAX = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 0, 0), "dilation": (1, 1), "ceil_mode": False, "return_indices": True}
AVG = {
    "kernel": (2, 2),
    "stride": (2, 2),
    "padding": (0, 0, 0, 0),
    "ceil_mode": False,
    "count_include_pad": True,
    "divisor_override": None,
}


def random_window(rng: np.random.Generator) -> tuple[np.ndarray, dict]:
    """An image of few distinct values, so that there are ties, and attributes; sometimes the window is too large."""
    x = rng.integers(-3, 4, (int(rng.integers(0, 3)), int(rng.integers(1, 4)), *rng.integers(1, 12, 2))).astype(float)
    kernel, stride = (tuple(map(int, rng.integers(1, 6, 2))) for _ in range(2))
    ph, pw = (int(rng.integers(0, k // 2 + 1)) for k in kernel)
    return x, {"kernel": kernel, "stride": stride, "padding": (ph, ph, pw, pw), "ceil_mode": bool(rng.random() < 0.5)}


def sprinkle(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``x`` with some NaN and infinities."""
    for value in (np.nan, np.inf, -np.inf):
        x[rng.random(x.shape) < 0.08] = value
    return x


def both_sides(attrs: dict) -> tuple[int, int]:
    return attrs["padding"][0], attrs["padding"][2]


def check_max_pool(x: np.ndarray, attrs: dict) -> bool:
    """Values and indices equal PyTorch's; False when both refuse."""
    found = both_or_neither(
        lambda: F.max_pool2d(
            tensor(x), attrs["kernel"], attrs["stride"], both_sides(attrs), attrs["dilation"], attrs["ceil_mode"], return_indices=True
        ),
        lambda: run("max_pool2d", [x], attrs),
    )
    if found is None:
        return False
    for want, got in zip(*found, strict=True):
        assert_same(got, want, (x.shape, attrs))
    return True


@pytest.mark.parametrize("special", [False, True])
def test_max_pool2d_agrees_with_pytorch(special):
    rng, computed = np.random.default_rng(3), 0
    for _ in range(400):
        x, attrs = random_window(rng)
        attrs |= {"dilation": tuple(map(int, rng.integers(1, 4, 2))), "return_indices": True}
        computed += check_max_pool(sprinkle(x, rng) if special else x, attrs)
    assert 200 < computed < 400


def test_max_pool2d_where_all_cells_are_padding_or_minus_infinity():
    wide = MAX | {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (3, 3)}
    assert check_max_pool(np.ones((1, 1, 2, 2)), wide)
    assert (run("max_pool2d", [np.ones((1, 1, 2, 2))], wide)[0] == -np.inf).all()
    assert check_max_pool(np.full((1, 2, 4, 4), -np.inf), MAX | {"padding": (1, 1, 1, 1)})


def test_max_pool2d_ties_and_nan_in_scan_order():
    x = np.array([[5.0, 5.0], [5.0, 1.0]])[None, None]
    assert run("max_pool2d", [x], MAX)[1].item() == 0
    x[0, 0] = [[np.nan, 9.0], [np.nan, 10.0]]
    assert run("max_pool2d", [x], MAX)[1].item() == 2
    assert check_max_pool(x, MAX)


def test_max_pool2d_without_indices():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    (y,) = run("max_pool2d", [x], MAX | {"return_indices": False})
    assert y.tolist() == [[[[5.0, 7.0], [13.0, 15.0]]]]


def test_max_pool2d_asymmetric_padding_is_minus_infinity_around():
    rng = np.random.default_rng(4)
    for _ in range(50):
        x, attrs = random_window(rng)
        attrs |= {"padding": tuple(int(rng.integers(0, attrs["kernel"][i // 2] // 2 + 1)) for i in range(4)), "ceil_mode": False}
        attrs |= {"dilation": (1, 1), "return_indices": False}
        top, bottom, left, right = attrs["padding"]
        padded = F.pad(tensor(x), (left, right, top, bottom), value=-np.inf)
        found = both_or_neither(
            lambda p=padded, a=attrs: F.max_pool2d(p, a["kernel"], a["stride"]), lambda x=x, a=attrs: run("max_pool2d", [x], a)
        )
        if found is not None:
            assert_same(found[1][0], found[0], attrs)


def check_avg_pool(x: np.ndarray, attrs: dict) -> bool:
    """Within rounding of PyTorch's averages; False when both refuse."""
    found = both_or_neither(
        lambda: F.avg_pool2d(
            tensor(x),
            attrs["kernel"],
            attrs["stride"],
            both_sides(attrs),
            attrs["ceil_mode"],
            attrs["count_include_pad"],
            attrs["divisor_override"],
        ),
        lambda: run("avg_pool2d", [x], attrs)[0],
    )
    if found is None:
        return False
    want, got = found
    cells = attrs["kernel"][0] * attrs["kernel"][1]
    size = np.abs(OPS["avg_pool2d"].reference([np.abs(x)], attrs)[0])
    assert_within(got, want, 2 * cells * EPS * size, (x.shape, attrs))
    return True


@pytest.mark.parametrize("special", [False, True])
def test_avg_pool2d_agrees_with_pytorch(special):
    rng, computed = np.random.default_rng(5), 0
    for _ in range(400):
        x, attrs = random_window(rng)
        x = sprinkle(x, rng) if special else x * rng.random(x.shape)
        divisor = [None, 1, 7, -2][rng.integers(4)]
        computed += check_avg_pool(x, attrs | {"count_include_pad": bool(rng.random() < 0.5), "divisor_override": divisor})
    assert 200 < computed < 400


def test_avg_pool2d_counts_the_padded_input_but_not_what_lies_beyond():
    x = np.ones((1, 1, 3, 3))
    attrs = AVG | {"ceil_mode": True, "padding": (1, 1, 1, 1), "kernel": (3, 3), "stride": (3, 3)}
    assert run("avg_pool2d", [x], attrs)[0].ravel().tolist() == [4 / 9, 2 / 6, 2 / 6, 1 / 4]
    exclusive = run("avg_pool2d", [x], attrs | {"count_include_pad": False})[0]
    assert (exclusive == 1).all()


def test_avg_pool2d_asymmetric_padding():
    x = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    attrs = AVG | {"stride": (1, 1), "padding": (0, 1, 0, 1)}
    want = F.avg_pool2d(F.pad(tensor(x), (0, 1, 0, 1)), 2, 1)
    assert_same(run("avg_pool2d", [x], attrs)[0], want)
    alone = run("avg_pool2d", [x], attrs | {"count_include_pad": False})[0]
    assert alone[0, 0, 2].tolist() == [7.5, 8.5, 9.0]


@pytest.mark.parametrize("output_size", [(1, 1), (7, 7), (3, 5), (6, 6), (13, 2), (0, 3)])
@pytest.mark.parametrize("shape", [(2, 3, 7, 7), (1, 2, 6, 11), (0, 2, 4, 4), (1, 1, 1, 1)])
def test_adaptive_pools_agree_with_pytorch(shape, output_size):
    rng = np.random.default_rng(6)
    attrs = {"output_size": output_size, "return_indices": True}
    for special in (False, True):
        x = rng.integers(-2, 3, shape).astype(float) * (1.0 if special else rng.random(shape))
        x = sprinkle(x, rng) if special else x
        mean = run("adaptive_avg_pool2d", [x], attrs)[0]
        bound = 2 * x[0:1, 0].size * EPS * OPS["adaptive_avg_pool2d"].reference([np.abs(x)], attrs)[0]
        assert_within(mean, F.adaptive_avg_pool2d(tensor(x), output_size), bound)
        best, index = run("adaptive_max_pool2d", [x], attrs)
        want, want_index = F.adaptive_max_pool2d(tensor(x), output_size, return_indices=True)
        assert_same(best, want)
        assert_same(index, want_index)
        assert len(run("adaptive_max_pool2d", [x], attrs | {"return_indices": False})) == 1


@pytest.mark.parametrize(
    ("shape", "attrs", "match"),
    [
        ((1, 2, 8), {}, r"expected 4D input .* but got input of size: \[1, 2, 8\]"),
        ((1, 0, 8, 8), {}, "with optional 0 dim batch size"),
        ((1, 2, 0, 8), {}, "with optional 0 dim batch size"),
        ((1, 2, 1, 1), {}, "Output size is too small"),
        ((1, 2, 8, 8), {"padding": (0, 2, 0)}, r"padding must be \(top, bottom, left, right\), got \(0, 2, 0\)"),
        ((1, 2, 8, 8), {"padding": (0, -1, 0, 0)}, "padding must be at least 0"),
        ((1, 2, 8, 8), {"kernel": (0, 1)}, "kernel_size must be at least 1, got 0"),
        ((1, 2, 8, 8), {"stride": (0, 1)}, "stride must be at least 1, got 0"),
        ((2**10, 2**10, 2**12, 2**12), {"kernel": (1, 1), "stride": (1, 1)}, "would take"),
    ],
)
def test_window_refusals(shape, attrs, match):
    refuses("max_pool2d", [shape], MAX | attrs, match)
    refuses("avg_pool2d", [shape], AVG | attrs, match)


def test_other_refusals():
    refuses("max_pool2d", [(1, 2, 8, 8)], MAX | {"dilation": (0, 1)}, "dilation must be at least 1, got 0")
    refuses("max_pool2d", [(1, 2, 8, 8)], MAX | {"kernel": (2.0, 2)}, "kernel_size must be an int", TypeError)
    refuses("max_pool2d", [(1, 2, 8, 8)] * 2, MAX, "max_pool2d expects 1 inputs, got 2")
    refuses("avg_pool2d", [(1, 2, 8, 8)], AVG | {"divisor_override": 0}, "divisor must be not zero")
    for name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        refuses(name, [(1, 2, 8, 8)], {"output_size": (-1, 2), "return_indices": True}, "output_size must be at least 0, got -1")
        refuses(name, [(1, 2, 0, 8)], {"output_size": (1, 2), "return_indices": True}, "with optional 0 dim batch size")
        refuses(name, [(8, 8)], {"output_size": (1, 2), "return_indices": True}, "expected 4D input")
        with pytest.raises((RuntimeError, ValueError)):
            getattr(F, name)(torch.zeros(1, 2, 0, 8), (1, 2))
