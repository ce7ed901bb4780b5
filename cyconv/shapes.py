"""Convolution arithmetic: output sizes, paddings and limits, in Python integers only.

The lowest layer of the Python side: it imports nothing of cyconv. The ops (:mod:`cyconv.ops`) check shapes with it,
:mod:`cyconv.functional` normalises arguments with it. Python integers cannot overflow, so every size is exact here and
is checked against ``MAX_DIM`` and ``MAX_BYTES`` before anything is allocated or handed to compiled code.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

MAX_DIM = 2**31  # sizes stay below this, so that they fit in 32-bit signed integers
MAX_BYTES = 2**46  # per array: far above any memory, far below where 64-bit offsets could overflow

Padding = tuple[int, ...]  # (before, after) of each axis in turn: (top, bottom, left, right), (front, back, top, bottom, left, right)


def integer(value, name: str, minimum: int | None = None) -> int:
    """Return ``value`` as a Python int.

    Parameters
    ----------
    value : int or NumPy integer
    name : str
        The argument's name, for the message.
    minimum : int, optional
        The least value allowed.

    Raises
    ------
    TypeError
        When ``value`` is not an integer (bools and floats are refused).
    ValueError
        When it is below ``minimum`` or its magnitude is not below ``MAX_DIM``.
    """
    number = _index(value)
    if number is None:
        raise TypeError(f"{name} must be an int, got {value!r} ({type(value).__name__})")
    if minimum is not None and number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    if abs(number) >= MAX_DIM:
        raise ValueError(f"{name} must be below 2**31, got {number}")
    return number


def sizes(value, rank: int, name: str, minimum: int | None = None) -> tuple[int, ...]:
    """Return an int or a sequence of ints as one int for each of ``rank`` directions, outermost first.

    Parameters
    ----------
    value : int or sequence of ints
        One int stands for all directions.
    rank : int
        1, 2 or 3.
    name : str
        The argument's name, for the message.
    minimum : int, optional
        The least value allowed.

    Raises
    ------
    TypeError
        When ``value`` is neither an int nor a sequence of ints (bools and floats are refused).
    ValueError
        When a sequence has not ``rank`` entries, or an entry is out of range.
    """
    if _index(value) is not None:
        return (integer(value, name, minimum),) * rank
    entries = _entries(value)
    wanted = {1: "one int", 2: "an int or a pair of ints", 3: "an int or three ints"}[rank]
    if entries is None or any(_index(v) is None for v in entries):
        raise TypeError(f"{name} must be {wanted}, got {value!r} ({type(value).__name__})")
    if len(entries) != rank:
        raise ValueError(f"{name} must be {wanted}, got {len(entries)} entries: {value!r}")
    return tuple(integer(v, name, minimum) for v in entries)


def pair(value, name: str, minimum: int | None = None) -> tuple[int, int]:
    """:func:`sizes` of an image: ``(vertical, horizontal)``."""
    vertical, horizontal = sizes(value, 2, name, minimum)
    return vertical, horizontal


def check_shape(shape: Sequence[int], name: str, itemsize: int = 4) -> tuple[int, ...]:
    """Return ``shape`` as a tuple of int after checking that such an array may exist.

    Parameters
    ----------
    shape : sequence of int
    name : str
        What has this shape, for the message.
    itemsize : int
        Bytes of one element.

    Raises
    ------
    TypeError
        When an entry is not an int.
    ValueError
        When an entry is outside [0, 2**31) or the array would have more than ``MAX_BYTES`` bytes.
    """
    dims = _entries(shape)
    if dims is None:
        raise TypeError(f"{name}: a shape must be a sequence of ints, got {shape!r}")
    checked = tuple(integer(d, f"{name}: dimension {i}", 0) for i, d in enumerate(dims))
    total = itemsize
    for d in checked:
        total *= d
    if total > MAX_BYTES:
        raise ValueError(f"{name} of shape {list(checked)} would take {total} bytes; the limit for one array is 2**46")
    return checked


def effective_kernel(kernel: int, dilation: int) -> int:
    """Cells that a dilated kernel spans: ``dilation * (kernel - 1) + 1``."""
    return dilation * (kernel - 1) + 1


def conv_output_size(size: int, kernel: int, stride: int = 1, pad_before: int = 0, pad_after: int = 0, dilation: int = 1) -> int:
    """Output positions of a convolution along one axis: ``(size + pads - dilation*(kernel-1) - 1) // stride + 1``.

    Parameters
    ----------
    size, kernel, stride, pad_before, pad_after, dilation : int
        All of one axis.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        When an argument is out of range or the kernel is larger than the padded input.
    """
    padded, span = _window(size, kernel, stride, pad_before, pad_after, dilation)
    if span > padded:
        raise ValueError(
            f"Calculated padded input size: {padded}. Kernel size: {span} (kernel {kernel}, dilation {dilation}). "
            "Kernel size can't be greater than actual input size"
        )
    return (padded - span) // stride + 1


def pool_output_size(
    size: int, kernel: int, stride: int, pad_before: int = 0, pad_after: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """Output positions of a pooling window along one axis, by PyTorch's rule.

    With ``ceil_mode`` a last window may hang over the end, but only if it starts inside the input or the padding before it.

    Parameters
    ----------
    size, kernel, stride, pad_before, pad_after, dilation : int
        All of one axis.
    ceil_mode : bool
        Round the number of steps up instead of down.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        When an argument is out of range or no window fits.
    """
    padded, span = _window(size, kernel, stride, pad_before, pad_after, dilation)
    steps = padded - span + (stride - 1 if ceil_mode else 0)
    out = steps // stride + 1
    if ceil_mode and (out - 1) * stride >= size + pad_before:
        out -= 1
    if out < 1:
        raise ValueError(
            f"Given input size: {size} (padded {padded}) and kernel {kernel} (dilation {dilation}). "
            f"Calculated output size: {out}. Output size is too small"
        )
    return out


def conv_transpose_output_size(
    size: int, kernel: int, stride: int = 1, pad_before: int = 0, pad_after: int = 0, dilation: int = 1, output_padding: int = 0
) -> int:
    """Output positions of a transposed convolution along one axis.

    ``(size - 1)*stride - pads + dilation*(kernel - 1) + output_padding + 1``.

    Parameters
    ----------
    size, kernel, stride, pad_before, pad_after, dilation, output_padding : int
        All of one axis.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        When an argument is out of range or nothing is left.
    """
    size = integer(size, "input size", 1)
    _, span = _window(size, kernel, stride, pad_before, pad_after, dilation)
    out = (size - 1) * stride - pad_before - pad_after + span + integer(output_padding, "output_padding", 0)
    if out < 1:
        raise ValueError(
            f"Given input size: {size}, kernel {kernel} (dilation {dilation}), stride {stride}, padding {pad_before} and {pad_after}. "
            f"Calculated output size: {out}. Output size is too small"
        )
    return integer(out, "output size")


def conv_padding(padding, kernel: Sequence[int], stride: Sequence[int] = (), dilation: Sequence[int] = ()) -> Padding:
    """Return a convolution's ``padding`` argument as (before, after) of each axis in turn.

    Parameters
    ----------
    padding : int, one int for each axis, one (int, int) for each axis, "same" or "valid"
        One int for all sides, one for both sides of each axis, or (before, after) of each axis. "same" keeps the size at
        stride 1: ``dilation*(kernel-1)`` cells in all, an odd one goes after, as in PyTorch.
    kernel : sequence of int
        One entry for each axis.
    stride, dilation : sequence of int
        Needed for "same"; ones when left out.

    Returns
    -------
    tuple of int
        ``(top, bottom, left, right)`` for two axes, ``(front, back, top, bottom, left, right)`` for three.

    Raises
    ------
    TypeError
        When ``padding`` is none of these forms.
    ValueError
        When it is negative, an unknown word, or "same" with a stride other than 1.
    """
    rank = len(kernel)
    if isinstance(padding, str):
        return _padding_by_name(padding, kernel, stride or (1,) * rank, dilation or (1,) * rank)
    sides = _entries(padding)
    if sides is not None and len(sides) == rank and all(_entries(s) is not None for s in sides):
        return tuple(cells for side in sides for cells in pair(side, "padding", 0))
    return tuple(cells for cells in sizes(padding, rank, "padding", 0) for _ in range(2))


def pool_padding(padding, kernel: Sequence[int]) -> Padding:
    """Return a pooling's ``padding`` argument as (before, after) of each axis in turn.

    Parameters
    ----------
    padding : int, one int for each axis, or one (int, int) for each axis
        As for :func:`conv_padding`, without the words.
    kernel : sequence of int
        The undilated window, one entry for each axis.

    Raises
    ------
    TypeError
        When ``padding`` is none of these forms.
    ValueError
        When it is negative or above half the kernel (PyTorch's rule).
    """
    if isinstance(padding, str):
        sizes(padding, len(kernel), "padding")
    sides = conv_padding(padding, kernel)
    if any(cells > kernel[i // 2] // 2 for i, cells in enumerate(sides)):
        raise ValueError(
            "pad should be smaller than or equal to half of kernel size, "
            f"but got padding {sides} (before and after of each axis) and kernel {tuple(kernel)}"
        )
    return sides


def adaptive_windows(size: int, output: int) -> list[tuple[int, int]]:
    """The windows of adaptive pooling along one axis.

    Parameters
    ----------
    size : int
        Input cells, at least 1.
    output : int
        Number of windows, at least 0.

    Returns
    -------
    list of (int, int)
        ``(start, end)`` with ``start = floor(i*size/output)`` and ``end = ceil((i+1)*size/output)``, as in PyTorch.

    Raises
    ------
    ValueError
        When an argument is out of range.
    """
    size = integer(size, "input size", 1)
    output = integer(output, "output_size", 0)
    return [(i * size // output, -(-(i + 1) * size // output)) for i in range(output)]


def normalise_dim(dim, ndim: int, name: str = "dim") -> int:
    """Return ``dim`` counted from the front.

    Parameters
    ----------
    dim : int
        In [-ndim, ndim); a scalar (``ndim`` 0) counts as one dimension, as in PyTorch.
    ndim : int
    name : str
        The argument's name, for the message.

    Raises
    ------
    TypeError
        When ``dim`` is not an int.
    ValueError
        When it is out of range.
    """
    number = integer(dim, name)
    count = max(ndim, 1)
    if not -count <= number < count:
        raise ValueError(f"{name}: Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {number})")
    return number % count


def _index(value) -> int | None:
    """``value`` as int when it is an integer, else None; bools and arrays do not count as integers."""
    if isinstance(value, bool) or getattr(value, "shape", ()) != ():
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _entries(value) -> tuple | None:
    """The entries of a sequence (or one-dimensional array), None for anything else."""
    if isinstance(value, (str, bytes, dict, set, frozenset)):
        return None
    try:
        len(value)
        return tuple(value)
    except TypeError:
        return None


def _window(size: int, kernel: int, stride: int, pad_before: int, pad_after: int, dilation: int) -> tuple[int, int]:
    """The padded input and the kernel's span along one axis, after checking every argument."""
    size = integer(size, "input size", 0)
    kernel = integer(kernel, "kernel size", 1)
    integer(stride, "stride", 1)
    before = integer(pad_before, "padding", 0)
    after = integer(pad_after, "padding", 0)
    dilation = integer(dilation, "dilation", 1)
    padded = integer(size + before + after, "padded input size")
    span = integer(effective_kernel(kernel, dilation), "effective kernel size (dilation * (kernel - 1) + 1)")
    return padded, span


def _padding_by_name(word: str, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Padding:
    """The padding that "same" or "valid" stands for."""
    rank = len(kernel)
    if word == "valid":
        return (0,) * (2 * rank)
    if word != "same":
        raise ValueError(f"Invalid padding string: {word!r}; padding must be an int, one or two for each axis, 'same' or 'valid'")
    if any(s != 1 for s in sizes(stride, rank, "stride", 1)):
        raise ValueError(f"padding='same' is not supported for strided convolutions, got stride {stride}")
    both = zip(sizes(kernel, rank, "kernel size", 1), sizes(dilation, rank, "dilation", 1), strict=True)
    totals = [effective_kernel(k, d) - 1 for k, d in both]
    return tuple(cells for total in totals for cells in (total // 2, total - total // 2))
