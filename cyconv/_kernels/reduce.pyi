# Operands are cyconv.graph.layout.Operand, which lies above this layer.
from typing import Any

from cyconv._kernels.step import Step

Sizes = tuple[int, int, int]

class AxisStep(Step): ...

class Reduce(AxisStep):
    def __init__(self, x: Any, y: Any, sizes: Sizes, function: int, dtype: int) -> None: ...

class ArgMax(AxisStep):
    def __init__(self, x: Any, y: Any, sizes: Sizes, dtype: int, last: bool = False) -> None: ...

class TopK(AxisStep):
    def __init__(self, x: Any, y: Any, index: Any, sizes: Sizes, dtype: int, k: int, largest: bool = True) -> None: ...
