"""What an op is: how shapes follow, what it means in float64, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cyconv.ops.dtypes import FLOATS, DtypeRule

Shape = tuple[int, ...]


def no_macs(inputs: list[Shape], outputs: list[Shape], attrs: dict) -> int:
    """For ops whose multiply-adds are not counted (data movement, comparisons, element-wise)."""
    return 0


@dataclass(frozen=True)
class Op:
    """One op of the graph.

    ``infer(input_shapes, attrs)`` gives the output shapes, or raises ValueError naming the argument, what was
    expected and what came. ``reference(inputs, attrs)`` is the definition that kernels are tested against; what is float32 in a
    plan it takes and gives as float64, integers and bools as they are. ``macs(input_shapes, output_shapes, attrs)`` counts
    multiply-adds. ``dtypes`` is a rule of :mod:`cyconv.ops.dtypes`.
    """

    name: str
    infer: Callable[[list[Shape], dict], list[Shape]]
    reference: Callable[[list[np.ndarray], dict], list[np.ndarray]]
    macs: Callable[[list[Shape], list[Shape], dict], int] = no_macs
    dtypes: DtypeRule = FLOATS

    def output_dtypes(self, dtypes: list[str], attrs: dict, count: int) -> list[str]:
        """The dtypes of ``count`` outputs, or TypeError when the op does not take these inputs."""
        found = self.dtypes(self.name, dtypes, attrs)
        return [*found, *[found[-1]] * count][:count]


OPS: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Enter ``op`` in the table; a name is taken once."""
    if op.name in OPS:
        raise ValueError(f"op {op.name!r} is registered twice")
    OPS[op.name] = op
    return op
