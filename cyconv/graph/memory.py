"""The static memory plan: values whose lives do not overlap share memory.

Largest first, each buffer goes to the lowest gap that is free for as long as it lives (greedy by size, as in
"Efficient Memory Management for Deep Neural Net Inference", Pisarchyk and Lee, 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

from cyconv.graph.layout import Buffer, Task, round_up

ALIGN = 16  # floats: every buffer begins on a cache line


@dataclass(frozen=True)
class Life:
    """A buffer and the first and last step that touch it."""

    buffer: Buffer
    first: int
    last: int

    def overlaps(self, other: Life) -> bool:
        return self.first <= other.last and other.first <= self.last


def lives(tasks: list[Task]) -> list[Life]:
    """The life of every arena buffer that the tasks touch."""
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for k, task in enumerate(tasks):
        for buffer in [*task.writes, *task.reads]:
            if buffer.space == "arena":
                first.setdefault(buffer, k)
                last[buffer] = k
    return [Life(buffer, first[buffer], last[buffer]) for buffer in first]


def place(all_lives: list[Life]) -> int:
    """Give each buffer an offset so that no two that live at the same time overlap; the floats needed in all."""
    total = 0
    placed: list[Life] = []
    for life in sorted(all_lives, key=lambda one: (-one.buffer.floats, one.first)):
        size = round_up(max(life.buffer.floats, 1), ALIGN)
        offset = 0
        for other in sorted((p for p in placed if p.overlaps(life)), key=lambda p: p.buffer.offset):
            if other.buffer.offset - offset >= size:
                break
            offset = max(offset, other.buffer.offset + round_up(max(other.buffer.floats, 1), ALIGN))
        life.buffer.offset = offset
        total = max(total, offset + size)
        placed.append(life)
    return total


def place_in_a_row(buffers: list[Buffer]) -> int:
    """For memory that is never reused (constants): one behind the other; the floats needed in all."""
    total = 0
    for buffer in buffers:
        buffer.offset = total
        total += round_up(max(buffer.floats, 1), ALIGN)
    return total
