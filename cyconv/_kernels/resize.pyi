# Operands are cyconv.graph.layout.Operand, which lies above this layer.
from collections.abc import Sequence
from typing import Any

from cyconv._kernels.step import Step

Table = tuple[Sequence[int], Sequence[int], Sequence[float]]

class ResizeAxis(Step):
    def __init__(self, x: Any, y: Any, sizes: tuple[int, int, int], table: Table) -> None: ...

class ResizeImage(Step):
    def __init__(self, x: Any, y: Any, rows: Table, columns: Table) -> None: ...
