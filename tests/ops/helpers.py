"""What the tests of the ops share: running an op with its shape inference, and comparing within a computed bound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cyconv.ops import OPS

EPS = float(np.finfo(np.float64).eps)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-310, 1.0, -1.0, 3.0, -3.0, 6.0, 40.0, -40.0, 800.0, -800.0]


def run(name: str, inputs: list[np.ndarray], attrs: dict) -> list[np.ndarray]:
    """The op's reference outputs, after checking that inference promises their shapes and dtypes and inputs stay as they were."""
    op = OPS[name]
    before = [a.copy() for a in inputs]
    shapes = op.infer([a.shape for a in inputs], attrs)
    outputs = op.reference(inputs, attrs)
    assert all(isinstance(y, np.ndarray) for y in outputs)
    assert [y.shape for y in outputs] == shapes
    assert all(type(d) is int for shape in shapes for d in shape)
    dtypes = op.output_dtypes(["float32" if a.dtype.kind == "f" else str(a.dtype) for a in inputs], attrs, len(outputs))
    assert [str(y.dtype) for y in outputs] == ["float64" if d == "float32" else d for d in dtypes]
    for a, b in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(a, b)
    return outputs


def assert_within(got: np.ndarray, want: torch.Tensor | np.ndarray, bound: np.ndarray | float, case: object = "") -> None:
    """NaN and infinities stand in the same places, and the rest differs by at most ``bound`` (not at all where it is not finite)."""
    want = np.asarray(want)
    assert got.shape == want.shape, case
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want), err_msg=str(case))
    with np.errstate(invalid="ignore"):
        error = np.where((got == want) | np.isnan(want), 0.0, np.abs(got - want))
    bound = np.broadcast_to(np.where(np.isfinite(bound), bound, 0.0), got.shape)
    bad = error > bound
    assert not bad.any(), f"{case}: {bad.sum()} of {bad.size} differ, by up to {error.max()}; {got[bad][:3]} is not {want[bad][:3]}"


def assert_same(got: np.ndarray, want: torch.Tensor | np.ndarray, case: object = "") -> None:
    """Equal in every element, NaN being equal to NaN."""
    np.testing.assert_array_equal(got, np.asarray(want), err_msg=str(case), strict=True)


def refuses(name: str, shapes: list[tuple[int, ...]], attrs: dict, match: str, error: type[Exception] = ValueError) -> None:
    """The op's shape inference raises ``error`` with a message that matches."""
    with pytest.raises(error, match=match):
        OPS[name].infer(shapes, attrs)


def both_or_neither(theirs, ours) -> tuple | None:
    """Results of the two functions, or None when both refuse; fails when only one does."""
    try:
        want = theirs()
    except (RuntimeError, ValueError) as error:
        with pytest.raises(ValueError):
            pytest.fail(f"PyTorch refuses ({error}), but this was computed: {ours()}")
        return None
    return want, ours()


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(x, order="C"))
