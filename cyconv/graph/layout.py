"""Where arrays lie: buffers, tensors in them, and the operands that drivers read.

A value of the graph may have up to two tensors: a dense one (C order, as NumPy has it) and a blocked one
(``nchw16c`` and the like: channels in blocks of as many as a vector has lanes, with a border of zeros that spares
convolutions every test for the image's edge). Values of rank 2 to 5 can be blocked: (N, C), (N, C, L), (N, C, H, W), and volumes
(N, C, D, H, W) as the N·D images that are their slices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from cyconv._kernels.prefetch import second_level_floats

if TYPE_CHECKING:
    from cyconv._kernels.step import Step

Border = tuple[int, int, int, int]  # top, bottom, left, right
NO_BORDER: Border = (0, 0, 0, 0)


def round_up(n: int, step: int) -> int:
    """The smallest multiple of ``step`` that is not below ``n``."""
    return -(-n // step) * step


def volume(shape: tuple[int, ...]) -> tuple[int, int, int, int, int] | None:
    """(n, c, d, h, w) of a value that can be blocked, None for other ranks. Equal ones of two values mean equal layouts."""
    if not 2 <= len(shape) <= 5:
        return None
    d, h, w = (1,) * (5 - len(shape)) + shape[2:]
    return shape[0], shape[1], d, h, w


def depth(shape: tuple[int, ...]) -> int:
    """Slices of a volume; 1 for values of other ranks."""
    return shape[2] if len(shape) == 5 else 1


def canonical(shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """(n, c, h, w) of a value that can be blocked, where n counts the slices of volumes; None for other ranks."""
    whole = volume(shape)
    if whole is None:
        return None
    n, c, d, h, w = whole
    return n * d, c, h, w


@dataclass(eq=False)
class Buffer:
    """A piece of memory: ``space`` is "arena", "constant" or "array" (given by the caller, at place ``index`` of the call).

    ``floats`` counts units of four bytes, whatever they hold: a float32, an int32 or a bool, or half of an int64.
    """

    space: str
    floats: int
    index: int = 0
    offset: int = 0  # in floats within its space; set by the memory plan
    name: str = ""

    @property
    def base(self) -> int:
        """Which of the pointers of a run: 0 the arena, 1 the constants, then the caller's arrays."""
        return {"arena": 0, "constant": 1, "array": 2 + self.index}[self.space]


@dataclass(frozen=True)
class Operand:
    """A tensor as drivers read it; the equation stands in ``_kernels/step.pxd``."""

    base: int
    lanes: int
    offset: int
    n_stride: int
    c_stride: int
    h_stride: int
    dims: tuple[int, int, int, int]
    border: Border
    depth: int = 1


@dataclass(frozen=True)
class Tensor:
    """A value's place: ``lanes`` 1 is dense or planar; ``offset`` counts floats from the start of the buffer to element (0, 0, 0, 0).

    ``depth`` is that of dense volumes whose slices count as images, see :func:`slices`.
    """

    buffer: Buffer
    lanes: int
    dims: tuple[int, int, int, int]
    n_stride: int
    c_stride: int
    h_stride: int
    offset: int = 0
    border: Border = NO_BORDER
    depth: int = 1

    def operand(self) -> Operand:
        """Resolved against the memory plan."""
        where = self.buffer.offset + self.offset
        return Operand(self.buffer.base, self.lanes, where, self.n_stride, self.c_stride, self.h_stride, self.dims, self.border, self.depth)

    def channels(self, first: int, count: int) -> Tensor:
        """The slice of channels first … first + count − 1; ``first`` is a multiple of ``lanes``."""
        n, _, h, w = self.dims
        offset = self.offset + first // self.lanes * self.c_stride
        return Tensor(self.buffer, self.lanes, (n, count, h, w), self.n_stride, self.c_stride, self.h_stride, offset, self.border)

    @property
    def layout(self) -> str:
        """The axis string."""
        return f"nchw{self.lanes}c" if self.lanes > 1 else "nchw"


def image_dims(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(n, c, h, w) of a shape that is known to be blockable."""
    dims = canonical(shape)
    if dims is None:
        raise ValueError(f"an array of shape {shape} has no blocked layout")
    return dims


def tensor(buffer: Buffer, dims: tuple[int, int, int, int], lanes: int, border: Border = NO_BORDER) -> Tensor:
    """A tensor that fills a buffer of its own, its border included."""
    _, c, h, w = dims
    top, bottom, left, right = border
    h_stride = (left + w + right) * lanes
    c_stride = (top + h + bottom) * h_stride
    n_stride = round_up(c, lanes) // lanes * c_stride
    return Tensor(buffer, lanes, dims, n_stride, c_stride, h_stride, top * h_stride + left * lanes, border)


def tensor_floats(dims: tuple[int, int, int, int], lanes: int, border: Border = NO_BORDER) -> int:
    """Floats that such a tensor takes."""
    n, c, h, w = dims
    top, bottom, left, right = border
    return n * round_up(c, lanes) * (top + h + bottom) * (left + w + right)


def slices(t: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A dense tensor of this shape as images: volumes (n, c, d, h, w) as n·d slices, anything else as it is."""
    if t.lanes > 1 or depth(shape) == 1:
        return t
    n, c, d, h, w = shape
    return Tensor(t.buffer, 1, (n * d, c, h, w), c * d * h * w, d * h * w, w, t.offset, depth=max(d, 1))


def flat(t: Tensor, floats: int) -> Tensor:
    """The same memory as one row of ``floats`` floats."""
    return Tensor(t.buffer, 1, (1, 1, 1, floats), floats, floats, floats, t.offset)


@dataclass(frozen=True)
class Weights:
    """Packed weights of a product, and how many floats of them a thread needs first; ``shared`` when each thread begins with a group of its
    own."""

    packed: Tensor
    first: int
    shared: bool = True


def following_weights(following: list[Weights], own: Tensor) -> tuple[Operand, tuple[int, int]]:
    """What the last items of a product prefetch: where, and (first, total) floats, as in drivers/prefetch.pyx."""
    if not following:
        return own.operand(), (0, 0)
    w = following[0]
    return w.packed.operand(), (min(w.first, second_level_floats() // 4), w.packed.buffer.floats if w.shared else 0)


@dataclass(eq=False)
class Task:
    """A step before its operands are placed: ``make()`` builds the driver's step once the memory plan stands."""

    op: str
    name: str
    make: Callable[[], Step]
    reads: list[Buffer]
    writes: list[Buffer]
    shape: tuple[int, ...] = ()
    layout: str = ""
    algorithm: str = ""
    macs: int = 0
    out_bytes: int = 0
    weights: Weights | None = None  # of a product
    following: list[Weights] = field(default_factory=list)  # of a product: the weights of the next one, filled last


def joined(dims: tuple[int, ...], *strides: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The same walk over as few axes as possible, at least one: without axes of size 1, neighbours joined where all strides allow."""
    axes: list[list[int]] = []  # (size, strides…), outermost first
    for axis in zip(dims, *strides, strict=True):
        if axis[0] == 1:
            continue
        if axes and all(outer == inner * axis[0] for outer, inner in zip(axes[-1][1:], axis[1:], strict=True)):
            axes[-1] = [axes[-1][0] * axis[0], *axis[1:]]
        else:
            axes.append(list(axis))
    return tuple(zip(*axes, strict=True)) if axes else ((1,), *(((1,),) * len(strides)))


def numel(shape: tuple[int, ...]) -> int:
    """Elements of an array of this shape."""
    return prod(shape)
