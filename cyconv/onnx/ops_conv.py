"""Conv and ConvTranspose. Handlers of the importer; the table is in registry.py."""

from __future__ import annotations

from cyconv.onnx.errors import Unsupported
from cyconv.onnx.registry import Call, Value, operator
from cyconv.onnx.spatial import Window, drop, lift, op_name, spatial_rank
from cyconv.shapes import effective_kernel


@operator("Conv", 1, 11, 22)
def conv(call: Call) -> Value:
    """Cross-correlation of x[N, C, ...] with weight[O, C/group, ...]."""
    x, weight, bias = call.input(0), call.input(1), call.input(2)
    rank = spatial_rank(x)
    window = Window(call, rank, call.get("kernel_shape") or weight.shape[2:], x.shape[2:])
    if weight.ndim != x.ndim or tuple(weight.shape[2:]) != window.kernel:
        raise ValueError(f"kernel_shape {list(window.kernel)} does not fit the weight of shape {list(weight.shape)}")
    attrs = window.attrs()
    del attrs["kernel"]
    y = call.emit(op_name("conv", rank), lift(call, x), lift(call, weight), bias, groups=call["group"], **attrs)
    return drop(call, y, rank)


@operator("ConvTranspose", 1, 11, 22)
def conv_transpose(call: Call) -> Value:
    """Transposed convolution of x[N, C, ...] with weight[C, O/group, ...]."""
    x, weight, bias = call.input(0), call.input(1), call.input(2)
    rank = spatial_rank(x)
    window = Window(call, rank, call.get("kernel_shape") or weight.shape[2:], x.shape[2:])
    extra = tuple(call.get("output_padding") or [0] * rank)
    pads = window.pads
    wanted = call.get("output_shape")
    if wanted or call.get("auto_pad", "NOTSET").startswith("SAME"):
        upper = call.get("auto_pad") == "SAME_UPPER"
        pads, extra = _pads_for(window, x.shape[2:], list(wanted)[-rank:] if wanted else None, extra, upper)
    more = 2 - rank if rank < 2 else 0
    attrs = window.attrs()
    del attrs["kernel"]
    attrs["padding"] = tuple(p for pair in ((0, 0),) * more + pads for p in pair)
    attrs["output_padding"] = (0,) * more + extra
    y = call.emit(op_name("conv_transpose", rank), lift(call, x), lift(call, weight), bias, groups=call["group"], **attrs)
    return drop(call, y, rank)


def _pads_for(window: Window, sizes, wanted: list[int] | None, extra: tuple[int, ...], upper: bool):
    """The padding, and what is added at the end, so that the output has the sizes ``wanted``: stride times the input's by default."""
    pads, added = [], []
    for a, size in enumerate(sizes):
        stride = window.stride[a]
        full = (size - 1) * stride + effective_kernel(window.kernel[a], window.dilation[a]) + extra[a]
        total = full - (wanted[a] if wanted else size * stride)
        if total < 0:
            if -total >= max(stride, window.dilation[a]):
                raise Unsupported(f"output_shape {wanted} leaves more than a stride without values")
            pads.append((0, 0))
            added.append(extra[a] - total)
            continue
        less, rest = total // 2, total - total // 2
        pads.append((less, rest) if upper else (rest, less))
        added.append(extra[a])
    return tuple(pads), tuple(added)
