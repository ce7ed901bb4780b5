from collections.abc import Sequence
from typing import Literal

from cyconv._kernels.step import Step
from cyconv._kernels.step import Operand

class Pool(Step):
    def __init__(
        self,
        x: Operand,
        y: Operand,
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
        x: Operand,
        y: Operand,
        indices: Operand,
        row_start: Sequence[int],
        n_rows: Sequence[int],
        column: Sequence[int],
        n_cols: Sequence[int],
        row_step: int,
        col_step: int,
    ) -> None: ...
