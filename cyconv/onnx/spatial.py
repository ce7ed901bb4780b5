"""Attributes of convolutions and pools in ONNX's terms, turned into those of the graph's ops, for 1, 2 and 3 spatial axes.

A signal [N, C, L] is computed as an image of height 1. Called by ops_conv.py and ops_pool.py.
"""

from __future__ import annotations

from typing import Any

from cyconv.onnx.errors import Unsupported
from cyconv.onnx.registry import Call, Value
from cyconv.shapes import effective_kernel, integer


def spatial_rank(x: Value) -> int:
    """How many spatial axes [N, C, ...] has."""
    rank = x.ndim - 2
    if rank not in (1, 2, 3):
        raise Unsupported(f"it takes inputs of 3, 4 or 5 dimensions, got {x.ndim}")
    return rank


class Window:
    """``kernel``, ``stride``, ``dilation`` (one number an axis) and ``pads`` ((before, after) an axis) of a node, of ``rank`` axes."""

    def __init__(self, call: Call, rank: int, kernel: Any, sizes: tuple[int, ...]):
        self.rank = rank
        self.kernel = _numbers(kernel, rank, "kernel_shape", 1)
        self.stride = _numbers(call.get("strides") or [1] * rank, rank, "strides", 1)
        self.dilation = _numbers(call.get("dilations") or [1] * rank, rank, "dilations", 1)
        self.pads = self._padding(call, sizes)

    def _padding(self, call: Call, sizes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        mode = call.get("auto_pad", "NOTSET")
        if mode in ("NOTSET", ""):
            pads = _numbers(call.get("pads") or [0] * (2 * self.rank), 2 * self.rank, "pads")
            if min(pads) < 0:
                raise Unsupported(f"negative padding, pads = {list(pads)}")
            return tuple(zip(pads[: self.rank], pads[self.rank :], strict=True))
        if mode == "VALID":
            return ((0, 0),) * self.rank
        if mode not in ("SAME_UPPER", "SAME_LOWER"):
            raise Unsupported(f"auto_pad = {mode!r}")
        same = []
        for size, kernel, stride, dilation in zip(sizes, self.kernel, self.stride, self.dilation, strict=True):
            total = max((-(-size // stride) - 1) * stride + effective_kernel(kernel, dilation) - size, 0)
            less, more = total // 2, total - total // 2
            same.append((less, more) if mode == "SAME_UPPER" else (more, less))
        return tuple(same)

    def attrs(self) -> dict:
        """``kernel``, ``stride``, ``dilation`` and ``padding`` as the graph's ops take them, with an axis of height 1 for a signal."""
        more = 2 - self.rank if self.rank < 2 else 0
        pads = ((0, 0),) * more + self.pads
        return {
            "kernel": (1,) * more + self.kernel,
            "stride": (1,) * more + self.stride,
            "dilation": (1,) * more + self.dilation,
            "padding": tuple(p for pair in pads for p in pair),
        }


def _numbers(values: Any, count: int, name: str, minimum: int | None = None) -> tuple[int, ...]:
    if len(values) != count:
        raise ValueError(f"{name} must hold {count} numbers, got {list(values)}")
    return tuple(integer(v, name, minimum) for v in values)


def lift(call: Call, x: Value) -> Value:
    """A signal [N, C, L] as an image [N, C, 1, L]; anything else as it is."""
    return call.emit("reshape", x, shape=(*x.shape[:2], 1, x.shape[2])) if x.ndim == 3 else x


def drop(call: Call, y: Value, rank: int) -> Value:
    """The reverse of :func:`lift`."""
    return call.emit("reshape", y, shape=(*y.shape[:2], y.shape[3])) if rank == 1 else y


def op_name(name: str, rank: int) -> str:
    """The graph op for so many axes: that of an image for a signal."""
    return f"{name}{max(rank, 2)}d"
