"""Lowering: from a graph of ops over values to a list of tasks over tensors.

Walks the nodes in order. For each it asks for its inputs in the layout that its driver wants (`dense` or `blocked`; a
relayout is inserted where a value has only the other one), makes room for its outputs and appends tasks. What
depends on constants alone becomes a set-up task, run once when the plan is compiled. The handlers of the ops stand
in the files lower_*.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cyconv._kernels.cpu import lanes as isa_lanes
from cyconv._kernels.elements import Cast
from cyconv._kernels.movement import Relayout, StridedCopy
from cyconv.graph.ir import BOOL, FLOAT32, INT32, INT64, Graph, Node, Value
from cyconv.graph.layout import (
    NO_BORDER,
    Border,
    Buffer,
    Task,
    Tensor,
    Weights,
    canonical,
    depth,
    flat,
    image_dims,
    joined,
    numel,
    slices,
    tensor,
    tensor_floats,
    volume,
)
from cyconv.graph.phases import border_of, transposed
from cyconv.ops.dtypes import words

# Ops whose result is blocked when it can be; element-wise ops and concatenations follow their inputs.
BLOCKED_OPS = {"conv2d", "conv3d", "conv_transpose2d", "conv_transpose3d", "linear", "batch_norm", "local_response_norm", "prelu"}
BLOCKED_OPS |= {f"{kind}_pool{rank}d" for kind in ("max", "avg", "lp", "adaptive_avg", "adaptive_max") for rank in (2, 3)}
# Ops whose result is in C order whatever their inputs are.
DENSE_OPS = {"reshape", "cat", "slice", "permute", "pad", "matmul", "softmax"}
DENSE_OPS |= {"log_softmax", "where", "cast", "expand", "tile", "gather", "topk"}

# Numbers of the dtypes in microkernels.h. A bool is an int32 of 0 or 1 inside a plan, a byte in the caller's arrays.
DTYPES = {FLOAT32: 0, INT32: 1, INT64: 2, BOOL: 3}
BYTE = 4

HANDLERS: dict[str, Callable[[Lowering, Node], None]] = {}


def lowers(*ops: str):
    """Register a function as the handler of these ops."""

    def register(handler):
        for op in ops:
            HANDLERS[op] = handler
        return handler

    return register


@dataclass
class Setup:
    """A task that runs once, at compile time, and the constants' arrays that it reads."""

    task: Task
    arrays: list[np.ndarray] = field(default_factory=list)


class Lowering:
    """The state of one lowering; its result is ``tasks``, ``setup`` and the buffers they name."""

    def __init__(self, graph: Graph, max_threads: int):
        self.graph = graph
        self.lanes = isa_lanes()
        self.max_threads = max_threads
        self.tasks: list[Task] = []
        self.setup: list[Setup] = []
        self._producers = graph.producers()
        self._names: dict[Value, Value] = {}
        self._absorbed: set[int] = set()
        self._dense: dict[Value, Tensor] = {}
        self._blocked: dict[Value, Tensor] = {}
        self._outputs = {self.root(v): i for i, v in reversed(list(enumerate(graph.outputs)))}
        self._home: dict[Value, tuple[Value, int]] = {}
        self._find_homes()
        self._border = self._find_borders()
        for i, v in enumerate(graph.inputs):
            given = self._dense_tensor(v, Buffer("array", self._floats(v), i, name=v.name))
            if v.dtype == BOOL:
                self._cast_bool(given, BYTE, self.new_dense(v), DTYPES[BOOL], v)
            else:
                self._dense[self.root(v)] = given

    def run(self) -> None:
        """Lower every node, then bring the graph's outputs into the caller's arrays."""
        for node in self.graph.nodes:
            if id(node) not in self._absorbed:
                HANDLERS[node.op](self, node)
        # The last group of each product prefetches the first weights of the next.
        following: Weights | None = None
        for task in reversed(self.tasks):
            if task.weights is not None:
                task.following += [following] if following is not None else []
                following = task.weights
        for i, v in enumerate(self.graph.outputs):
            t = self.dense(v)
            place = len(self.graph.inputs) + i
            if (t.buffer.space, t.buffer.index) == ("array", place):
                continue
            wanted = self._dense_tensor(v, Buffer("array", self._floats(v), place))
            if v.dtype == BOOL:
                self._cast_bool(t, DTYPES[BOOL], wanted, BYTE, v)
            else:
                self.copy(flat(t, self._floats(v)), flat(wanted, self._floats(v)), v.name)

    def _cast_bool(self, x: Tensor, dtype: int, y: Tensor, to: int, v: Value) -> None:
        """Between a caller's array of bytes and a bool inside the plan."""
        task = Task("cast", v.name, lambda: Cast(x.operand(), y.operand(), numel(v.shape), dtype, to), [x.buffer], [y.buffer])
        task.shape, task.layout, task.algorithm, task.out_bytes = v.shape, "nchw", "bool", numel(v.shape)
        self.emit(task)

    def absorb(self, node: Node) -> None:
        """``node``, which comes later, is computed by the step of the node being lowered."""
        self._absorbed.add(id(node))

    # Values that share memory

    def root(self, v: Value) -> Value:
        """The value whose tensors ``v`` uses: a reshape that keeps (n, c, d, h, w) is only another name."""
        while True:
            v = self._names.get(v, v)
            node = self._producers.get(v)
            if node is None or node.op != "reshape" or volume(v.shape) is None or volume(node.inputs[0].shape) != volume(v.shape):
                return v
            v = node.inputs[0]

    def rename(self, v: Value, of: Value) -> None:
        """``v``, which no node makes, has the floats of ``of`` in the same order."""
        self._names[v] = of

    def will_be_blocked(self, v: Value) -> bool:
        """Whether the op that makes ``v`` writes it in blocks."""
        node = self._producers.get(self.root(v))
        if node is None or canonical(v.shape) is None or v.dtype != FLOAT32:
            return False
        if node.op in BLOCKED_OPS:
            return (node.op != "linear" or len(v.shape) == 2) and not node.attrs.get("return_indices")
        if node.op == "cat":
            return self._cat_is_blocked(node)
        if node.op == "layer_norm":
            return node.attrs["dims"] == (1,) and (len(v.shape) > 2 or self.will_be_blocked(node.inputs[0]))
        if node.op.startswith("reduce_"):
            return self.reduces_blocks(node)
        if node.op == "interpolate":
            return self.resizes_blocks(node)
        return node.op not in DENSE_OPS and any(self.will_be_blocked(x) for x in node.inputs)

    def reduces_blocks(self, node: Node) -> bool:
        """Whether it reduces whole planes of images in blocks, as a pool does."""
        x = node.inputs[0]
        planes = len(x.shape) == 4 and sorted(node.attrs["dims"]) == [2, 3] and 0 not in x.shape[1:]
        return planes and node.op != "reduce_min" and self.will_be_blocked(x)

    def resizes_blocks(self, node: Node) -> bool:
        """Whether it changes rows and columns only, of images in blocks."""
        x = node.inputs[0]
        return len(x.shape) == 4 and set(node.attrs["dims"]) <= {2, 3} and self.will_be_blocked(x)

    def _cat_is_blocked(self, node: Node) -> bool:
        """Along the channels, at block boundaries, and of values that are blocked anyhow."""
        if node.attrs["dim"] != 1 or canonical(node.outputs[0].shape) is None:
            return False
        aligned = all(x.shape[1] % self.lanes == 0 for x in node.inputs[:-1])
        return aligned and any(self.will_be_blocked(x) for x in node.inputs)

    def _find_homes(self) -> None:
        """Let the inputs of a blocked concatenation be written where they will stand in its result."""
        for node in self.graph.nodes:
            if node.op != "cat" or not self._cat_is_blocked(node):
                continue
            first = 0
            for v in node.inputs:
                r = self.root(v)
                if r not in self._home and r not in self.graph.constants:
                    self._home[r] = (self.root(node.outputs[0]), first)
                first += v.shape[1]

    def _top(self, v: Value) -> tuple[Value, int]:
        """The value whose buffer holds ``v``, and the channel at which ``v`` begins there."""
        v, first = self.root(v), 0
        while v in self._home:
            v, offset = self._home[v]
            first += offset
        return v, first

    def _find_borders(self) -> dict[Value, Border]:
        """For each buffer's value, the widest padding of any direct convolution that reads it."""
        border: dict[Value, Border] = {}
        for node in self.graph.nodes:
            if node.op in ("conv2d", "conv3d") and not node.attrs.get("winograd"):
                sides = node.attrs["padding"][-4:]
            elif node.op in ("conv_transpose2d", "conv_transpose3d"):
                size, out, kernel = (v.shape[2:] for v in (node.inputs[0], node.outputs[0], node.inputs[1]))
                sides = border_of(size, transposed(size, out, kernel, node.attrs))
            else:
                continue
            top, _ = self._top(node.inputs[0])
            border[top] = tuple(map(max, border.get(top, NO_BORDER), sides))
        return border

    # Tensors of values

    def _floats(self, v: Value) -> int:
        return numel(v.shape) * words(v.dtype)

    def _dense_tensor(self, v: Value, buffer: Buffer) -> Tensor:
        dims = canonical(v.shape) if depth(v.shape) == 1 else None
        return tensor(buffer, dims or (1, 1, 1, self._floats(v)), 1)

    def is_constant(self, v: Value) -> bool:
        return self.root(v) in self.graph.constants

    def constant_array(self, v: Value) -> np.ndarray:
        """The numbers of a constant, in the shape of ``v``."""
        return self.graph.constants[self.root(v)].reshape(v.shape)

    def has_blocked(self, v: Value) -> bool:
        return self.root(v) in self._blocked

    def only_dense(self, v: Value) -> bool:
        """Whether ``v`` is there in C order and in no other."""
        return self.root(v) in self._dense and not self.has_blocked(v)

    def is_last(self, v: Value) -> bool:
        """Whether ``v`` is an output of the graph that no node reads."""
        return self.root(v) in self._outputs and not any(v in node.inputs for node in self.graph.nodes)

    def dense(self, v: Value) -> Tensor:
        """``v`` in C order."""
        r = self.root(v)
        found = self._dense.get(r)
        if found is None:
            if r in self.graph.constants:
                found = self._dense_tensor(v, Buffer("constant", self._floats(v), name=v.name))
                raw = self.raw(v, 0)
                array = self.constant_array(v)
                stored = array.astype(np.int32) if v.dtype == BOOL else array
                self.copy(flat(raw, self._floats(v)), flat(found, self._floats(v)), v.name, [stored])
            else:
                found = self.new_dense(v)
                self.relayout(self._blocked[r], slices(found, v.shape), v)
            self._dense[r] = found
        return found

    def blocked(self, v: Value) -> Tensor:
        """``v`` in blocks of channels, with its border."""
        r = self.root(v)
        if r not in self._blocked:
            source = slices(self.dense(v), v.shape)
            if r in self.graph.constants:
                dims, border = image_dims(v.shape), self._border.get(r, NO_BORDER)
                buffer = Buffer("constant", tensor_floats(dims, self.lanes, border), name=v.name)
                self._blocked[r] = tensor(buffer, dims, self.lanes, border)
                self.relayout(source, self._blocked[r], v)
            else:
                self.relayout(source, self.new_blocked(v), v)
        return self._blocked[r]

    def new_dense(self, v: Value) -> Tensor:
        """Room for ``v`` in C order: in the caller's array when it is an output."""
        r = self.root(v)
        if r in self._outputs and v.dtype != BOOL:
            place = len(self.graph.inputs) + self._outputs[r]
            buffer = Buffer("array", self._floats(v), place, name=v.name)
        else:
            buffer = Buffer("arena", self._floats(v), name=v.name)
        self._dense[r] = self._dense_tensor(v, buffer)
        return self._dense[r]

    def alias_dense(self, v: Value, of: Tensor) -> None:
        """``v`` is the same floats in the same order as ``of``."""
        self._dense[self.root(v)] = self._dense_tensor(v, of.buffer)

    def new_blocked(self, v: Value) -> Tensor:
        """Room for ``v`` in blocks: within the concatenation it is part of, if any."""
        top, first = self._top(v)
        whole = self._blocked.get(top)
        if whole is None:
            dims, border = image_dims(top.shape), self._border.get(top, NO_BORDER)
            whole = tensor(Buffer("arena", tensor_floats(dims, self.lanes, border), name=top.name), dims, self.lanes, border)
            self._blocked[top] = whole
        if top is not self.root(v):
            self._blocked[self.root(v)] = whole.channels(first, v.shape[1])
        return self._blocked[self.root(v)]

    def at_home(self, v: Value, cat: Value, first: int) -> bool:
        """Whether ``v`` was written where it stands in the concatenation ``cat``, from channel ``first`` on."""
        return self._home.get(self.root(v)) == (self.root(cat), first)

    def raw(self, v: Value, index: int) -> Tensor:
        """A constant's own array, as the ``index``-th array of a set-up task."""
        return self._dense_tensor(v, Buffer("array", self._floats(v), index, name=v.name))

    def scratch(self, floats: int, name: str) -> Tensor:
        """Arena memory that only one task uses."""
        return tensor(Buffer("arena", floats, name=name), (1, 1, 1, floats), 1)

    # Tasks

    def emit(self, task: Task, arrays: list[np.ndarray] | None = None) -> None:
        """Append a task; with ``arrays``, or when it writes a constant, it is set-up work."""
        if arrays is not None or all(b.space == "constant" for b in task.writes):
            self.setup.append(Setup(task, arrays or []))
        else:
            self.tasks.append(task)

    def emit_node(self, node: Node, make, reads: list[Tensor], writes: list[Tensor], algorithm: str = "") -> Task:
        """Append the task that computes ``node``, described for people."""
        out = node.outputs[0]
        task = Task(node.op, node.name or out.name, make, [t.buffer for t in reads], [t.buffer for t in writes])
        task.shape, task.layout, task.algorithm = out.shape, writes[0].layout, algorithm or node.op
        task.out_bytes = 4 * sum(tensor_floats(t.dims, t.lanes, t.border) for t in writes)
        self.emit(task)
        return task

    def relayout(self, x: Tensor, y: Tensor, v: Value, channel: list[int] | None = None) -> None:
        """y = x in y's layout."""
        task = Task("relayout", v.name, lambda: Relayout(x.operand(), y.operand(), channel), [x.buffer], [y.buffer])
        task.shape, task.layout, task.algorithm = v.shape, y.layout, f"{x.layout} → {y.layout}"
        task.out_bytes = 4 * tensor_floats(y.dims, y.lanes, y.border)
        self.emit(task)

    def copy(self, x: Tensor, y: Tensor, name: str, arrays: list[np.ndarray] | None = None) -> None:
        """y = x, both flat."""
        self.strided_copy(x, y, (x.dims[3],), (1,), (1,), name, arrays)

    def strided_copy(self, x, y, dims, x_strides, y_strides, name: str, arrays=None) -> None:
        """y = x over ``dims``, with strides in floats for each side."""
        shape = tuple(dims)
        dims, x_strides, y_strides = joined(shape, tuple(x_strides), tuple(y_strides))
        make = lambda: StridedCopy(x.operand(), y.operand(), dims, x_strides, y_strides)  # noqa: E731
        task = Task("copy", name, make, [x.buffer], [y.buffer])
        task.shape, task.layout, task.algorithm, task.out_bytes = shape, "nchw", "copy", 4 * numel(shape)
        self.emit(task, arrays)
