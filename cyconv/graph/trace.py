"""Recording: while a network is traced its arrays are replaced by :class:`Tracer` objects, and ops are written down.

``apply`` is the only door: functions of :mod:`cyconv.functional` call it with an op's name, its inputs and its
attributes; it checks them with the op's own shape inference and appends a node to the graph being traced.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from cyconv.graph.indexing import index_parts
from cyconv.graph.ir import FLOAT32, Graph, Node, Value
from cyconv.ops import OPS
from cyconv.ops.dtypes import ANY, INTEGERS, in_words


class Tracer:
    """Stands for an array in a trace: it has ``shape``, ``ndim`` and ``dtype``; arithmetic, comparisons and ``[]`` record ops."""

    __slots__ = ("trace", "value")
    __array_ufunc__ = None  # so that ndarray + Tracer comes to Tracer.__radd__

    def __init__(self, trace: Trace, value: Value):
        self.trace = trace
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return len(self.value.shape)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.value.dtype)

    __hash__ = object.__hash__  # as == gives a traced value

    def __add__(self, other):
        return apply("add", [self, other], {})[0]

    def __radd__(self, other):
        return apply("add", [other, self], {})[0]

    def __sub__(self, other):
        return apply("sub", [self, other], {})[0]

    def __rsub__(self, other):
        return apply("sub", [other, self], {})[0]

    def __mul__(self, other):
        return apply("mul", [self, other], {})[0]

    def __rmul__(self, other):
        return apply("mul", [other, self], {})[0]

    def __matmul__(self, other):
        return apply("matmul", [self, other], {})[0]

    def __rmatmul__(self, other):
        return apply("matmul", [other, self], {})[0]

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a value without dimensions")
        return self.shape[0]

    def __getitem__(self, key):
        attrs, shape = index_parts(self.shape, key)
        cut = apply("slice", [self], attrs)[0]
        return cut if cut.shape == shape else apply("reshape", [cut], {"shape": shape})[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __truediv__(self, other):
        return apply("div", [as_float(self), as_float(other)], {})[0]

    def __rtruediv__(self, other):
        return apply("div", [as_float(other), as_float(self)], {})[0]

    def __pow__(self, other):
        return apply("pow", [self, other], {})[0]

    def __rpow__(self, other):
        return apply("pow", [other, self], {})[0]

    def __neg__(self):
        return apply("neg", [self], {})[0]

    def __eq__(self, other):
        return apply("equal", [self, other], {})[0]

    def __ne__(self, other):
        return apply("not_equal", [self, other], {})[0]

    def __lt__(self, other):
        return apply("less", [self, other], {})[0]

    def __le__(self, other):
        return apply("less_equal", [self, other], {})[0]

    def __gt__(self, other):
        return apply("greater", [self, other], {})[0]

    def __ge__(self, other):
        return apply("greater_equal", [self, other], {})[0]

    def __array__(self, dtype=None, copy=None):
        raise TypeError("a value inside a trace has no numbers yet; use the functions of cyconv.functional on it")

    def __bool__(self) -> bool:
        raise TypeError("the numbers of a traced value are not known, so the network cannot branch on them")

    def __repr__(self) -> str:
        return f"Tracer({self.value!r})"


def as_float(x):
    """A traced value in float32, as true division takes it; anything else as it is."""
    return apply("cast", [x], {"dtype": FLOAT32})[0] if isinstance(x, Tracer) and x.value.dtype != FLOAT32 else x


class Trace:
    """A graph being written, and the path of the layer that is being traced."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.scopes: list[str] = []
        self._constants: dict[tuple[int, str], Value] = {}
        self._kept: list[np.ndarray] = []  # so that the ids in _constants stay taken

    def add_input(self, shape: tuple[int, ...], name: str, dtype: str = FLOAT32) -> Tracer:
        value = Value(shape, dtype, name)
        self.graph.inputs.append(value)
        return Tracer(self, value)

    def constant(self, array, number_dtype: str = FLOAT32) -> Value:
        """The value of an array met while tracing; the same array object gives the same value. A number becomes ``number_dtype``."""
        key = (id(array), number_dtype)
        found = self._constants.get(key)
        if found is None:
            kept = np.asarray(array)
            if kept.ndim == 0 and kept.dtype.kind in "fiu" and (not isinstance(array, np.ndarray) or kept.dtype.kind == "f"):
                if kept.dtype.kind == "f" and number_dtype in INTEGERS:
                    raise TypeError(f"{array!r} is no integer, but stands beside an array of {number_dtype}; convert that to float32")
                kept = kept.astype(number_dtype)
            if str(kept.dtype) not in ANY:
                advice = "convert it with .astype(np.float32)"
                raise TypeError(f"a constant met while tracing must be {in_words(ANY)}, got {kept.dtype}; {advice}")
            kept = np.require(kept, requirements=("C", "A"))
            found = self.graph.add_constant(kept, f"constant{len(self.graph.constants)}")
            if kept is not array:
                self.graph.origins[found] = np.asarray(array)
            self._constants[key] = found
            self._kept.append(array)
        return found

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Ops recorded inside carry ``name`` as the last part of their path."""
        self.scopes.append(name)
        try:
            yield
        finally:
            self.scopes.pop()

    def name(self, name: str, tracer: Tracer) -> None:
        """Let ``tracer`` be captured as ``name``, below the path of the layer that is being traced."""
        self.graph.names[".".join([*(s for s in self.scopes if s), name])] = tracer.value

    def record(self, op: str, inputs: list, attrs: dict) -> list[Tracer]:
        beside = inputs[1:] if op == "where" else inputs  # the condition says nothing of the dtype of what is chosen
        traced = [x.value.dtype for x in beside if isinstance(x, Tracer)]
        values = [x.value if isinstance(x, Tracer) else self.constant(x, traced[0] if traced else FLOAT32) for x in inputs]
        shapes = OPS[op].infer([v.shape for v in values], attrs)
        dtypes = OPS[op].output_dtypes([v.dtype for v in values], attrs, len(shapes))
        path = ".".join(s for s in self.scopes if s)
        outputs = [Value(shape, dtype, path or op) for shape, dtype in zip(shapes, dtypes, strict=True)]
        self.graph.nodes.append(Node(op, values, outputs, dict(attrs), path))
        return [Tracer(self, v) for v in outputs]


_state = threading.local()


def current_trace() -> Trace | None:
    """The trace that this thread is writing, or None."""
    return getattr(_state, "trace", None)


@contextmanager
def tracing() -> Iterator[Trace]:
    """Write a new trace in this thread until the block ends."""
    outer, _state.trace = current_trace(), Trace()
    try:
        yield _state.trace
    finally:
        _state.trace = outer


def apply(op: str, inputs: list, attrs: dict) -> list[Tracer]:
    """Record ``op`` in the trace that the inputs belong to and return its outputs.

    ``inputs`` holds Tracers and NumPy arrays (which become constants); ValueError when the op refuses the shapes.
    """
    trace = next((x.trace for x in inputs if isinstance(x, Tracer)), None) or current_trace()
    if trace is None:
        raise RuntimeError(f"{op} was recorded outside a trace")
    return trace.record(op, inputs, attrs)
