"""The static memory plan: values whose lives do not overlap share memory, and what each step has to wait for.

Largest first, each buffer goes to the lowest gap that is free for as long as it lives (greedy by size, as in
"Efficient Memory Management for Deep Neural Net Inference", Pisarchyk and Lee, 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

from cyconv.graph.layout import Buffer, Task, round_up

ALIGN = 16  # floats: every buffer begins on a cache line
SLACK = 1  # steps for which memory rests before it is used again, so that a thread without work may begin the next step


@dataclass(frozen=True)
class Life:
    """A buffer and the first and last step that touch it."""

    buffer: Buffer
    first: int
    last: int

    def overlaps(self, other: Life) -> bool:
        return self.first <= other.last + SLACK and other.first <= self.last + SLACK


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


def place_of(buffer: Buffer) -> Buffer | int:
    """What stands for a buffer's memory: itself, or the number of the caller's array."""
    return buffer.index if buffer.space == "array" else buffer


def order(tasks: list[Task], all_lives: list[Life]) -> list[int]:
    """How many of the steps before each one must be done when it begins.

    A step waits for those that write what it reads, and for those that used its memory before. Steps that write parts of one buffer,
    as those of a concatenation do, write different parts and need not wait for each other; one that reads what it writes waits for all
    that touched it.
    """
    before = {life.buffer: max((o.last + 1 for o in all_lives if o.last < life.first and shares(o, life)), default=0) for life in all_lives}
    written: dict[Buffer | int, int] = {}
    touched: dict[Buffer | int, int] = {}
    after = []
    for k, task in enumerate(tasks):
        reads, writes = ([place_of(b) for b in buffers if b.space != "constant"] for buffers in (task.reads, task.writes))
        waits = [written.get(b, 0) for b in reads] + [touched[b] for b in reads if b in writes and b in touched]
        waits += [before[b] for b in [*task.reads, *task.writes] if b.space == "arena"]
        after.append(max(waits, default=0))
        written.update(dict.fromkeys(writes, k + 1))
        touched.update(dict.fromkeys([*reads, *writes], k + 1))
    return after


def shares(a: Life, b: Life) -> bool:
    """Whether two placed buffers have a float in common."""
    return a.buffer.offset < b.buffer.offset + b.buffer.floats and b.buffer.offset < a.buffer.offset + a.buffer.floats
