# Operands are cyconv.graph.layout.Operand, which lies above this layer.
from collections.abc import Sequence
from typing import Any

from cyconv._kernels.step import Step

class Relayout(Step):
    def __init__(self, x: Any, y: Any, channel: Sequence[int] | None = None) -> None: ...

class Pack(Step):
    def __init__(
        self,
        w: Any,
        y: Any,
        placed: Sequence[tuple[int, int, int]],
        taps: Sequence[tuple[int, int, int, int]],
        bfloat16: bool = False,
        shifts: Sequence[int] | None = None,
    ) -> None: ...

class StridedCopy(Step):
    def __init__(self, x: Any, y: Any, dims: Sequence[int], x_strides: Sequence[int], y_strides: Sequence[int]) -> None: ...

class Take(Step):
    def __init__(self, x: Any, y: Any, outer: int, n_in: int, inner: int, index: Sequence[int], fill: Sequence[int] = (0,)) -> None: ...

class Gather(Step):
    def __init__(self, x: Any, index: Any, y: Any, sizes: tuple[int, int, int], n_out: int, wide: bool) -> None: ...

class PadVector(Step):
    def __init__(self, x: Any, y: Any, n: int, padded: int) -> None: ...
