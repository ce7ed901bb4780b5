"""Where the output of a convolution reads its input: phases, in integers only.

The outputs of an ordinary convolution all read alike: output p reads cells p·stride + offset. Those of a transposed convolution with
stride s fall into s phases along each axis: outputs s·j + r of a phase read cells j + offset, with the part of the kernel that meets
them. So each phase is a convolution of stride 1 whose outputs lie s apart. Images are volumes of one slice. lower_conv.py and
lower_conv_transpose.py turn phases into taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

Cells = tuple[tuple[int, int], ...]  # (place in the kernel, offset in the input) of what is read along one axis
Border = tuple[int, int, int, int]


@dataclass(frozen=True)
class OutputSlice:
    """Slice ``out`` of the output reads input slice ``first`` + the offsets of depth cells begin … end − 1, which lie inside."""

    out: int
    first: int
    begin: int
    end: int


@dataclass(frozen=True)
class Phase:
    """Outputs that read alike: ``rows`` by ``columns`` from pixel (``top``, ``left``) on, of the given slices."""

    slices: tuple[OutputSlice, ...]
    depth_cells: Cells
    row_cells: Cells
    column_cells: Cells
    rows: int
    columns: int
    top: int = 0
    left: int = 0


def output_slices(places: Sequence[int], firsts: Sequence[int], cells: Cells, size: int) -> tuple[OutputSlice, ...]:
    """For each output slice the depth cells that lie inside ``size`` input slices; their offsets only grow or only fall."""
    found = []
    for out, first in zip(places, firsts, strict=True):
        inside = [i for i, (_, offset) in enumerate(cells) if 0 <= first + offset < size]
        found.append(OutputSlice(out, first, inside[0] if inside else 0, inside[-1] + 1 if inside else 0))
    return tuple(found)


def in_three(values: Sequence[int], fill: int) -> tuple[int, int, int]:
    """One number for each of the axes (depth, rows, columns); ``fill`` for those that an image, or a matrix, has not."""
    depth, rows, columns = (*(fill,) * (3 - len(values)), *values)
    return depth, rows, columns


def convolution(size: Sequence[int], out: Sequence[int], kernel: Sequence[int], attrs: dict) -> Phase:
    """The one phase of an ordinary convolution from ``size`` to ``out``."""
    kernel, dilation = in_three(kernel, 1), in_three(attrs["dilation"], 1)
    before = in_three(attrs["padding"][::2], 0)
    depth, rows, columns = in_three(out, 1)
    cells = [tuple((k, k * dilation[a] - (before[a] if a else 0)) for k in range(kernel[a])) for a in range(3)]
    firsts = [z * in_three(attrs["stride"], 1)[0] - before[0] for z in range(depth)]
    return Phase(output_slices(range(depth), firsts, cells[0], in_three(size, 1)[0]), cells[0], cells[1], cells[2], rows, columns)


def phase_cells(phase: int, kernel: int, stride: int, dilation: int, before: int) -> Cells:
    """Along one axis, what the outputs stride·j + ``phase`` read: kernel cell k meets input j + (phase + before − k·dilation)/stride."""
    meets = [(k, phase + before - k * dilation) for k in range(kernel)]
    return tuple((k, distance // stride) for k, distance in meets if distance % stride == 0)


def transposed(size: Sequence[int], out: Sequence[int], kernel: Sequence[int], attrs: dict) -> list[Phase]:
    """The phases of a transposed convolution from ``size`` to ``out``, those that have outputs, that of the first output first."""
    kernel, stride, dilation = in_three(kernel, 1), in_three(attrs["stride"], 1), in_three(attrs["dilation"], 1)
    before, out = in_three(attrs["padding"][::2], 0), in_three(out, 1)
    phases = []
    for place in product(*(range(min(stride[a], out[a])) for a in range(3))):
        cells = [phase_cells(place[a], kernel[a], stride[a], dilation[a], before[a]) for a in range(3)]
        counts = [-(-(out[a] - place[a]) // stride[a]) for a in range(3)]
        places = range(place[0], out[0], stride[0])
        slices = output_slices(places, range(counts[0]), cells[0], in_three(size, 1)[0])
        phases.append(Phase(slices, cells[0], cells[1], cells[2], counts[1], counts[2], place[1], place[2]))
    return phases


def border_of(size: Sequence[int], phases: Sequence[Phase]) -> Border:
    """The rows and columns of zeros around the input that the phases of a transposed convolution read: top, bottom, left, right."""
    sides = []
    for a, count in ((0, "rows"), (1, "columns")):
        extent = in_three(size, 1)[1 + a]
        ends = [(min(o for _, o in cells), getattr(p, count) - 1 + max(o for _, o in cells)) for p in phases if (cells := cells_of(p, a))]
        sides += [max([0, *(-first for first, _ in ends)]), max([0, *(last - extent + 1 for _, last in ends)])]
    top, bottom, left, right = sides
    return top, bottom, left, right


def cells_of(phase: Phase, axis: int) -> Cells:
    """Row cells for axis 0, column cells for axis 1; none where the phase reads nothing."""
    reads = phase.depth_cells and phase.row_cells and phase.column_cells
    return (phase.row_cells, phase.column_cells)[axis] if reads else ()
