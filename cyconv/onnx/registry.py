"""The operators that the importer knows: a table from (domain, operator, version) to the function that records it.

The functions stand in the files ops_*.py, one per family. Each takes a :class:`Call` and gives a value, or a list of them for
several outputs. A value is a NumPy array, if it is known when the network is traced, or a Tracer. Layer of the house: onnx.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cyconv.graph import apply
from cyconv.onnx.errors import ModelError, Unsupported
from cyconv.onnx.fold import Budget, fold
from cyconv.onnx.model import ModelNode
from cyconv.onnx.schemas import UNKNOWN
from cyconv.ops import OPS

Value = Any  # np.ndarray or Tracer
MAX_LISTED = 50  # refused nodes in one message


@dataclass(frozen=True)
class Operator:
    """``record`` for the versions of one operator; ``known`` holds the places of inputs that must be known when it is traced."""

    record: Callable[[Call], Value | Sequence[Value]]
    known: tuple[int, ...]


OPERATORS: dict[tuple[str, int], Operator] = {}


def operator(name: str, *versions: int, known: tuple[int, ...] = ()):
    """Register a function for these versions of an operator of ONNX: the opsets in which it got a new form."""

    def register(record):
        for version in versions:
            if (name, version) in OPERATORS:
                raise ValueError(f"{name} of version {version} is registered twice")
            OPERATORS[name, version] = Operator(record, known)
        return record

    return register


def number(value: float) -> np.ndarray:
    """A constant without dimensions."""
    return np.full((), value, np.float32)


def find_operator(node: ModelNode) -> Operator | None:
    """The operator of a node, None when it is not supported."""
    return OPERATORS.get((node.op, node.version)) if node.domain == "" else None


def why_not(node: ModelNode) -> str:
    """Why :func:`find_operator` finds nothing."""
    if node.domain:
        return f"operators of the domain {node.domain} are not supported"
    if node.version == UNKNOWN:
        return "there is no such operator in this opset"
    versions = sorted(version for name, version in OPERATORS if name == node.op)
    if versions:
        return f"the operator is supported in the versions {', '.join(map(str, versions))}"
    return "the operator is not supported"


def refuse(failures: list[tuple[ModelNode, str]]) -> None:
    """Raise one ModelError about all of these nodes, if there are any."""
    if not failures:
        return
    lines = [f"  {node}: {reason}" for node, reason in failures[:MAX_LISTED]]
    if len(failures) > MAX_LISTED:
        lines.append(f"  and {len(failures) - MAX_LISTED} more")
    raise ModelError("\n".join([f"{len(failures)} node(s) of the model cannot be used:", *lines]))


class Call:
    """One node while it is traced: its attributes by ``call["name"]``, its inputs by place, and the way to record graph ops."""

    def __init__(self, node: ModelNode, inputs: list[Value | None], budget: Budget):
        self.node = node
        self.inputs = inputs
        self._budget = budget

    @property
    def version(self) -> int:
        """The opset in which the operator got this form."""
        return self.node.version

    @property
    def n_outputs(self) -> int:
        """Outputs that the node names, up to the last."""
        return len(self.node.outputs)

    def wants(self, place: int) -> bool:
        """Whether anything can read the output at ``place``."""
        return place < len(self.node.outputs) and bool(self.node.outputs[place])

    def __getitem__(self, name: str) -> Any:
        return self.node.attrs[name]

    def get(self, name: str, otherwise: Any = None) -> Any:
        """An attribute that may be missing."""
        return self.node.attrs.get(name, otherwise)

    def input(self, place: int) -> Any:
        """The value at ``place``, None where it is left out."""
        return self.inputs[place] if place < len(self.inputs) else None

    def known(self, place: int, what: str) -> np.ndarray | None:
        """The array at ``place``, None where it is left out; Unsupported when it is not known while tracing."""
        value = self.input(place)
        if value is not None and not isinstance(value, np.ndarray):
            raise Unsupported(f"its {what} depends on the numbers that flow through the network")
        return value

    def ints(self, place: int, what: str) -> list[int] | None:
        """The known whole numbers at ``place`` as a list, None where they are left out."""
        value = self.known(place, what)
        if value is None:
            return None
        if value.dtype.kind not in "iu" or value.ndim > 1:
            raise ValueError(f"its {what} must be a list of whole numbers, got {value.dtype} of shape {list(value.shape)}")
        return [int(v) for v in value.reshape(-1)]

    def number(self, place: int, what: str) -> float | None:
        """The known number at ``place``, None where it is left out."""
        value = self.known(place, what)
        if value is None or value.size == 0:
            return None
        if value.size != 1:
            raise ValueError(f"its {what} must be one number, got an array of shape {list(value.shape)}")
        return value.reshape(-1)[0].item()

    def emit_all(self, op: str, *inputs: Value | None, **attrs) -> list[Value]:
        """The outputs of a graph op: computed at once when all inputs are known, recorded otherwise. Inputs that are None are left out."""
        given = [x for x in inputs if x is not None]
        if all(isinstance(x, np.ndarray) for x in given):
            return fold(op, given, attrs, self._budget)
        if op not in OPS:
            raise Unsupported(f"{op} is not available for values that are known only when the network runs")
        for x in given:
            if isinstance(x, np.ndarray) and x.dtype.name not in ("float32", "int64", "int32", "bool"):
                raise Unsupported(f"it takes an array of {x.dtype}")
            if isinstance(x, np.ndarray):
                self._budget.spread(x)
        return apply(op, given, attrs)

    def emit(self, op: str, *inputs: Value | None, **attrs) -> Value:
        """The only or first output of :meth:`emit_all`."""
        return self.emit_all(op, *inputs, **attrs)[0]
