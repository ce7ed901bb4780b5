# Operands are cyconv.graph.layout.Operand, which lies above this layer.
from collections.abc import Sequence
from typing import Any, Literal

from cyconv._kernels.step import Step

class Pool(Step):
    def __init__(
        self,
        x: Any,
        y: Any,
        kind: Literal["max", "avg"],
        row_start: Sequence[int],
        n_rows: Sequence[int],
        column: Sequence[int],
        n_cols: Sequence[int],
        row_step: int,
        col_step: int,
        divisor: Sequence[float] | None = None,
    ) -> None: ...

class MaxPoolIndices(Step):
    def __init__(
        self,
        x: Any,
        y: Any,
        indices: Any,
        row_start: Sequence[int],
        n_rows: Sequence[int],
        column: Sequence[int],
        n_cols: Sequence[int],
        row_step: int,
        col_step: int,
    ) -> None: ...
