"""Graph ops on arrays that are known while a network is traced: constants, shapes, and what is computed from them.

Integers stay integers and floats keep their width, as ONNX has it; what is not listed here is computed by the op's own
reference. What a model can make this way is bounded. Layer of the house: onnx; called by :class:`cyconv.onnx.registry.Call`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from cyconv.onnx.errors import Unsupported
from cyconv.ops import OPS

# What any model may compute from constants, and may compute more for each byte of its own arrays: bytes of results, and numbers that are
# read, written or multiplied on the way, of which NumPy does about 2**28 a second.
BASE_BYTES, BYTES_PER_BYTE = 1 << 28, 4
BASE_WORK, WORK_PER_BYTE = 1 << 26, 8
SPREAD_BYTES = 1 << 30  # what repeated numbers may take when they become arrays of the network; ONNX's own vgg19 makes 574 MB of them


class Budget:
    """How much a model may still compute while it is traced."""

    def __init__(self, model_bytes: int):
        self.bytes = BASE_BYTES + BYTES_PER_BYTE * model_bytes
        self.work = BASE_WORK + WORK_PER_BYTE * model_bytes
        self.spread_bytes = SPREAD_BYTES
        self._spread: dict[int, np.ndarray] = {}

    def take(self, n_bytes: int, work: int) -> None:
        """Count an array that is about to be made; ValueError when it is too much."""
        if n_bytes > self.bytes:
            raise ValueError(f"what it computes from constants takes {n_bytes} bytes, {self.bytes} are left for this model")
        if work > self.work:
            raise ValueError(f"what it computes from constants takes {work} operations, {self.work} are left for this model")
        self.bytes -= n_bytes
        self.work -= work

    def spread(self, array: np.ndarray) -> None:
        """Count an array that takes its whole size from now on; ValueError when it is one number repeated too often."""
        if not any(_repeats(array)) or id(array) in self._spread:
            return
        if array.nbytes > self.spread_bytes:
            raise ValueError(f"a repeated number takes {array.nbytes} bytes, {self.spread_bytes} are left for this model")
        self.spread_bytes -= array.nbytes
        self._spread[id(array)] = array


def _repeats(array: np.ndarray) -> list[bool]:
    """For each dimension of more than one element whether they are one and the same in memory."""
    return [stride == 0 for size, stride in zip(array.shape, array.strides, strict=True) if size > 1]


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b; of integers the whole part, rounded towards zero."""
    if a.dtype.kind not in "iu":
        return a / b
    if not b.all():
        raise ValueError("whole numbers are divided by zero")
    quotient = np.abs(a) // np.abs(b)
    return np.where((a < 0) != (b < 0), -quotient, quotient).astype(a.dtype)


def power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a to the power of b, of the dtype of a."""
    if a.dtype.kind in "iu" and b.dtype.kind in "iu" and (b < 0).any():
        raise ValueError("a whole number is raised to a negative power")
    return np.power(a, b).astype(a.dtype)


def _reduce(function: Callable) -> Callable:
    def compute(inputs: list[np.ndarray], attrs: dict) -> np.ndarray:
        x = inputs[0]
        return np.asarray(function(x, axis=tuple(attrs["dims"]), keepdims=attrs["keepdim"])).astype(x.dtype)

    return compute


def _pad(inputs: list[np.ndarray], attrs: dict) -> np.ndarray:
    x = inputs[0]
    return OPS["pad"].reference([x], attrs)[0].astype(x.dtype)


def _slice(inputs: list[np.ndarray], attrs: dict) -> np.ndarray:
    """Backwards to the first element the stop is -1, which for NumPy would be the last."""
    ranges = zip(attrs["starts"], attrs["stops"], attrs["steps"], strict=True)
    return inputs[0][tuple(slice(start, None if stop < 0 else stop, step) for start, stop, step in ranges)]


def _clip(inputs: list[np.ndarray], attrs: dict) -> np.ndarray:
    x = inputs[0]
    return np.clip(x, attrs["min"], attrs["max"]).astype(x.dtype)


FUNCTIONS: dict[str, Callable[[list[np.ndarray], dict], np.ndarray]] = {
    "reshape": lambda x, a: x[0].reshape(a["shape"]),
    "permute": lambda x, a: x[0].transpose(a["dims"]),
    "expand": lambda x, a: np.broadcast_to(x[0], a["shape"]),
    "slice": _slice,
    "cat": lambda x, a: np.concatenate(x, axis=a["dim"]),
    "tile": lambda x, a: np.tile(x[0], a["repeats"]),
    "pad": _pad,
    "gather": lambda x, a: np.take(x[0], x[1], axis=a["dim"]),
    "cast": lambda x, a: x[0].astype(a["dtype"]),
    "where": lambda x, a: np.where(x[0], x[1], x[2]),
    "add": lambda x, a: x[0] + x[1],
    "sub": lambda x, a: x[0] - x[1],
    "mul": lambda x, a: x[0] * x[1],
    "div": lambda x, a: divide(*x),
    "pow": lambda x, a: power(*x),
    "minimum": lambda x, a: np.minimum(*x),
    "maximum": lambda x, a: np.maximum(*x),
    "clip": _clip,
    "abs": lambda x, a: np.abs(x[0]),
    "neg": lambda x, a: -x[0],
    "sqrt": lambda x, a: np.sqrt(x[0]),
    "exp": lambda x, a: np.exp(x[0]),
    "log": lambda x, a: np.log(x[0]),
    "floor": lambda x, a: np.floor(x[0]),
    "ceil": lambda x, a: np.ceil(x[0]),
    "equal": lambda x, a: np.equal(*x),
    "greater": lambda x, a: np.greater(*x),
    "less": lambda x, a: np.less(*x),
    "greater_equal": lambda x, a: np.greater_equal(*x),
    "less_equal": lambda x, a: np.less_equal(*x),
    "reduce_sum": _reduce(np.sum),
    "reduce_max": _reduce(np.max),
    "reduce_min": _reduce(np.min),
    "reduce_mean": _reduce(np.mean),
    "matmul": lambda x, a: np.matmul(*x),
}
VIEWS = {"reshape", "permute", "expand", "slice"}  # they take no memory


@np.errstate(all="ignore")
def fold(op: str, inputs: list[np.ndarray], attrs: dict, budget: Budget) -> list[np.ndarray]:
    """The outputs of ``op`` for known inputs.

    Raises
    ------
    ValueError
        When shapes or attributes do not fit, or the result would be larger than the budget.
    Unsupported
        When nobody knows how to compute ``op`` here.
    """
    if op == "reshape" and any(_repeats(inputs[0])) and not all(_repeats(inputs[0])):
        budget.take(inputs[0].nbytes, inputs[0].size)  # no view has such strides
    if op in VIEWS:
        return [np.asarray(FUNCTIONS[op](inputs, attrs))]
    if op not in OPS:
        raise Unsupported(f"{op} is not available")
    shapes = OPS[op].infer([x.shape for x in inputs], attrs)
    sizes = [x.shape for x in inputs]
    read, written = (sum(map(prod, each)) for each in (sizes, shapes))
    budget.take(8 * written, read + written + OPS[op].macs(sizes, shapes, attrs))
    if op in FUNCTIONS:
        return [np.asarray(FUNCTIONS[op](inputs, attrs))]
    if any(x.dtype.kind != "f" for x in inputs):
        raise Unsupported(f"{op} is not available for known arrays of {', '.join(sorted({x.dtype.name for x in inputs}))}")
    outputs = OPS[op].reference([x.astype(np.float64) for x in inputs], attrs)
    dtypes = OPS[op].output_dtypes(["float32"] * len(inputs), attrs, len(outputs))
    own = inputs[0].dtype.name
    return [np.asarray(y).astype(own if d == "float32" else d) for y, d in zip(outputs, dtypes, strict=True)]
