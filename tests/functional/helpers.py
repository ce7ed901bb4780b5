"""What the tests of functions and layers share: data, comparison within a computed bound, refusals, and what a trace records."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from cyconv.graph.trace import tracing

EPS = float(np.finfo(np.float32).eps)
SPECIAL = np.float32([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 100.0, -100.0])


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def small_integers(*shape: int, seed: int = 0) -> np.ndarray:
    """So small that every sum of products here is exact in float32, in any order."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32)


def with_specials(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers, about one in ten of them NaN or infinite."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < 0.1, rng.choice(SPECIAL[:3], shape), rng.standard_normal(shape)).astype(np.float32)


def single(array) -> torch.Tensor:
    """The array as a float32 tensor."""
    return torch.tensor(np.asarray(array))


def double(array) -> torch.Tensor:
    """The array as a float64 tensor, for results without float32's rounding."""
    return torch.tensor(np.asarray(array), dtype=torch.float64)


def absolute(array) -> torch.Tensor:
    """The magnitudes as a float64 tensor: what a sum of them gives bounds the rounding of the sum."""
    return double(array).abs()


def assert_within(got: np.ndarray, want: torch.Tensor, bound: torch.Tensor | np.ndarray | float) -> None:
    """``got`` is float32; NaN and infinities stand where they do in ``want``, and the rest differs by at most ``bound``."""
    expected = want.detach().numpy()
    assert isinstance(got, np.ndarray)
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(got[~finite], expected[~finite].astype(np.float32))
    error = np.abs(got[finite].astype(np.float64) - expected[finite])
    allowed = np.broadcast_to(np.asarray(bound), expected.shape)[finite]
    assert (error <= allowed).all(), f"off by up to {(error - allowed).max()} more than allowed"


def assert_same(got: np.ndarray, want: torch.Tensor) -> None:
    """Equal bit for bit, but for the payload of NaN and the sign of zero."""
    expected = want.detach().numpy()
    assert isinstance(got, np.ndarray)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected, strict=True)


def both_refuse(ours: Callable, theirs: Callable, match: str, error: type[Exception] | tuple = (ValueError, TypeError)) -> None:
    """PyTorch raises, and so do we, with a message that matches."""
    with pytest.raises((RuntimeError, ValueError, TypeError, LookupError, NotImplementedError, AssertionError)):
        theirs()
    with pytest.raises(error, match=match):
        ours()


def recorded(function: Callable, *shapes: tuple[int, ...]) -> list[tuple[str, dict]]:
    """The ops, with their attributes, that ``function`` records for inputs of these shapes."""
    with tracing() as trace:
        function(*[trace.add_input(shape, f"x{i}") for i, shape in enumerate(shapes)])
    return [(node.op, node.attrs) for node in trace.graph.nodes]


def check_arrays(function: Callable, names: list[str], *arrays: np.ndarray) -> None:
    """What every function owes to arrays: inputs stay as they are, results are new, other types and dtypes are refused by name."""
    before = [a.copy() for a in arrays]
    result = function(*arrays)
    results = result if isinstance(result, tuple) else (result,)
    assert all(y.flags.writeable and not any(np.shares_memory(y, a) for a in arrays) for y in results)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(arrays, before, strict=True))
    awkward = [np.repeat(np.asfortranarray(a)[..., None], 2, axis=-1)[..., 0] for a in arrays]
    for a in awkward:
        a.flags.writeable = False
    again = function(*awkward)
    for y, z in zip(results, again if isinstance(again, tuple) else (again,), strict=True):
        np.testing.assert_array_equal(y, z)
    for i, name in enumerate(names):
        for dtype in (np.float64, np.float16, np.int64, np.complex64, bool):
            others = [a.astype(dtype) if i == j else a for j, a in enumerate(arrays)]
            with pytest.raises(TypeError, match=rf"{name}.*float32"):
                function(*others)
        with pytest.raises(TypeError, match=name):
            function(*[a.tolist() if i == j else a for j, a in enumerate(arrays)])
