"""What ``x[...]`` means on a traced value: the attributes of a slice and the shape behind it.

Layer: graph, below trace, whose Tracer calls it. As in NumPy, but for indices that are arrays.
"""

from __future__ import annotations

import operator


def index_parts(shape: tuple[int, ...], key) -> tuple[dict, tuple[int, ...]]:
    """The attributes of the op ``slice`` that cuts out ``x[key]``, and the shape of the result.

    Parameters
    ----------
    shape : tuple of int
        Of x.
    key : int, slice, None, Ellipsis, or a tuple of them
        What stands between the brackets.

    Raises
    ------
    TypeError
        When an index is something else.
    IndexError
        When there are more indices than dimensions, more than one Ellipsis, or an int is out of range.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    if sum(k is Ellipsis for k in keys) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    given = sum(k is not None and k is not Ellipsis for k in keys)
    if given > len(shape):
        raise IndexError(f"too many indices: a value of {len(shape)} dimensions was indexed with {given}")
    rest = [slice(None)] * (len(shape) - given)
    place = next((i for i, k in enumerate(keys) if k is Ellipsis), len(keys))
    keys[place : place + 1] = rest
    ranges: list[tuple[int, int, int]] = []
    result: list[int] = []
    for k in keys:
        if k is None:
            result.append(1)
            continue
        size = shape[len(ranges)]
        if isinstance(k, slice):
            start, stop, step = k.indices(size)
            ranges.append((start, max(start, stop) if step > 0 else min(start, stop), step))
            result.append(len(range(*ranges[-1])))
        else:
            i = _position(k, size, len(ranges))
            ranges.append((i, i + 1, 1))
    starts, stops, steps = zip(*ranges, strict=True) if ranges else ((), (), ())
    return {"starts": starts, "stops": stops, "steps": steps}, tuple(result)


def _position(k, size: int, dim: int) -> int:
    """An int index as a place from 0 on."""
    if isinstance(k, bool) or not hasattr(k, "__index__"):
        raise TypeError(f"a value inside a trace takes ints, slices, None and Ellipsis as indices, got {k!r} ({type(k).__name__})")
    i = operator.index(k)
    if not -size <= i < size:
        raise IndexError(f"index {i} is out of bounds for dimension {dim} with size {size}")
    return i % size
