"""The float64 references of transposed convolution and of convolution of volumes against PyTorch, and their refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cyconv.ops import OPS

from .helpers import EPS, assert_within, both_or_neither, refuses, run, tensor


def random_case(rng: np.random.Generator, rank: int, transposed: bool) -> tuple[list[np.ndarray], dict]:
    groups = int(rng.integers(1, 4))
    c, o = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    x = rng.standard_normal((int(rng.integers(1, 3)), c, *rng.integers(1, 7, rank)))
    weight = rng.standard_normal(((c, o // groups) if transposed else (o, c // groups)) + tuple(rng.integers(1, 5, rank)))
    stride, dilation = (tuple(map(int, rng.integers(1, 4, rank))) for _ in range(2))
    pads = [int(v) for v in rng.integers(0, 3, rank)]
    attrs = {"stride": stride, "padding": tuple(p for p in pads for _ in range(2)), "dilation": dilation, "groups": groups}
    if transposed:
        attrs["output_padding"] = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
    return [x, weight, *([rng.standard_normal(o)] if rng.random() < 0.5 else [])], attrs


def theirs(name: str, inputs: list[np.ndarray], attrs: dict) -> torch.Tensor:
    x, weight, *bias = map(tensor, inputs)
    options = {k: v for k, v in attrs.items() if k != "padding"} | {"padding": attrs["padding"][::2]}
    return getattr(F, name)(x, weight, *(bias or [None]), **options)


@pytest.mark.parametrize("name", ["conv3d", "conv_transpose2d", "conv_transpose3d"])
def test_agrees_with_pytorch(name):
    rng, computed = np.random.default_rng(7), 0
    for _ in range(200):
        inputs, attrs = random_case(rng, int(name[-2]), "transpose" in name)
        found = both_or_neither(lambda i=inputs, a=attrs: theirs(name, i, a), lambda i=inputs, a=attrs: run(name, i, a)[0])
        if found is not None:
            computed += 1
            bound = 2 * (inputs[1].size + 1) * EPS * OPS[name].reference([np.abs(a) for a in inputs], attrs)[0]
            assert_within(found[1], found[0], bound, ([a.shape for a in inputs], attrs))
    assert computed > 60


@pytest.mark.parametrize("name", ["conv_transpose2d", "conv_transpose3d"])
def test_is_the_adjoint_of_convolution(name):
    """⟨conv(x), y⟩ = ⟨x, conv_transpose(y)⟩ with the same weights, exactly on integers; padding may differ from side to side."""
    rank, rng = int(name[-2]), np.random.default_rng(8)
    attrs = {"stride": (2, 1, 3)[:rank], "dilation": (1, 2, 1)[:rank], "padding": (1, 0, 2, 1, 0, 1)[: 2 * rank], "groups": 2}
    x, w = rng.integers(-5, 6, (2, 4, *(6, 7, 8)[:rank])).astype(float), rng.integers(-5, 6, (6, 2, *(3, 2, 2)[:rank])).astype(float)
    made = run(name.replace("_transpose", ""), [x, w], attrs)[0]
    y = rng.integers(-5, 6, made.shape).astype(float)
    back = OPS[name].infer([y.shape, w.shape], attrs | {"output_padding": (0,) * rank})[0]
    extra = tuple(a - b for a, b in zip(x.shape[2:], back[2:], strict=True))
    assert (made * y).sum() == (x * run(name, [y, w], attrs | {"output_padding": extra})[0]).sum()


def test_multiply_adds():
    assert OPS["conv3d"].macs([(2, 3, 4, 4, 4), (5, 3, 2, 2, 2)], [(2, 5, 3, 3, 3)], {}) == 2 * 5 * 27 * 3 * 8
    assert OPS["conv_transpose2d"].macs([(2, 3, 4, 4), (3, 5, 2, 2)], [(2, 5, 8, 8)], {}) == 2 * 3 * 16 * 5 * 4


GOOD = {"stride": (2, 2), "padding": (0,) * 4, "dilation": (1, 1), "groups": 1, "output_padding": (0, 0)}


@pytest.mark.parametrize(
    ("shapes", "attrs", "match"),
    [
        ([(1, 3, 4, 4), (3, 5, 2)], {}, r"expected 4D weight \[C, O/groups, kh, kw\]"),
        ([(1, 3, 4, 4), (4, 5, 2, 2)], {}, r"expected input\[1, 3, 4, 4\] to have 4 channels, but got 3"),
        ([(1, 3, 4, 4), (3, 5, 2, 2)], {"groups": 2}, "divisible by 2 at dimension 0"),
        ([(1, 4, 4, 4), (4, 5, 2, 2), (5,)], {"groups": 2}, "bias to be 1-dimensional with 10 elements"),
        ([(1, 3, 4), (3, 5, 2, 2)], {}, "expected 4D input"),
        ([(1, 3, 1, 1), (3, 5, 2, 2)], {"padding": (1, 1, 0, 0)}, "Output size is too small"),
        ([(1, 3, 4, 4), (3, 5, 2, 2)], {"output_padding": (-1, 0)}, "output_padding must be at least 0"),
        ([(1, 3, 4, 4), (3, 5, 2, 2)], {"stride": (0, 1)}, "stride must be at least 1"),
        ([(1, 3, 4, 4), (3, 5, 2, 2)], {"stride": (2**30, 1)}, "must be below 2"),
        ([(1, 3, 4, 4), (3, 5, 2, 2)], {"padding": (0, 0)}, r"padding must be \(top, bottom, left, right\)"),
    ],
)
def test_refusals(shapes, attrs, match):
    refuses("conv_transpose2d", shapes, GOOD | attrs, match)
