"""Operators with random attributes, in all their versions, with inputs that are known while tracing or not: as ONNX Runtime has them."""

from collections import Counter

import numpy as np
import pytest
from onnx import helper

import cyconv
from tests.onnx.helpers import model, run_onnxruntime, value
from tests.onnx.random_nodes import MAKERS, Case

EACH = 100
LIMIT = 1e-5  # of the largest, as networks are held to; ONNX Runtime takes moments in float32, which costs as much


def build(case: Case, rng: np.random.Generator) -> tuple[bytes, dict[str, np.ndarray]]:
    """The model of one node, and what is to be fed."""
    names = ["" if a is None else f"in{i}" for i, a in enumerate(case.inputs)]
    all_known = rng.random() < 0.1
    known = [all_known or (i > 0 and (case.known_rest or rng.random() < 0.6)) for i in range(len(names))]
    arrays = {n: np.asarray(a) for n, a, k in zip(names, case.inputs, known, strict=True) if n and k}
    feeds = {n: np.asarray(a) for n, a, k in zip(names, case.inputs, known, strict=True) if n and not k}
    outputs = [f"y{i}" for i in range(case.outputs)]
    node = helper.make_node(case.op, names, outputs, **case.attrs)
    return model([node], [value(n, a.shape, a.dtype.name) for n, a in feeds.items()], outputs, arrays, case.opset), feeds


def difference(got: np.ndarray, expected: np.ndarray) -> str:
    """What differs in words, empty if nothing does."""
    if (got.dtype, got.shape) != (expected.dtype, expected.shape):
        return f"{got.dtype} {list(got.shape)} instead of {expected.dtype} {list(expected.shape)}"
    a, b = got.astype(np.float64), expected.astype(np.float64)
    largest = np.abs(a - b).max(initial=0)
    return "" if largest <= LIMIT * np.abs(b).max(initial=0) + 1e-7 else f"the largest difference is {largest}"


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_as_onnx_runtime(maker):
    wrong, seen = [], Counter()
    for number in range(EACH):
        rng = np.random.default_rng([MAKERS.index(maker), number])
        case = maker(rng)
        data, feeds = build(case, rng)
        try:
            expected = run_onnxruntime(data, feeds)
        except Exception:  # some attributes it does not have, such as cubic resizing along some axes
            seen["refused"] += 1
            continue
        try:
            got = cyconv.load_onnx(data)(**feeds)
        except (ValueError, TypeError) as error:
            wrong.append(f"{number}: {case.op} of opset {case.opset} with {case.attrs}: {error}")
            continue
        outputs = got if isinstance(got, tuple) else (got,)
        differences = [difference(a, b) for a, b in zip(outputs, expected, strict=True)]
        wrong += [f"{number}: {case.op} of opset {case.opset} with {case.attrs}: {d}" for d in differences if d]
        seen["compared"] += 1
    assert wrong == []
    assert seen["compared"] >= 0.7 * EACH
