# Operands are cyconv.graph.layout.Operand, which lies above this layer.
from collections.abc import Sequence
from typing import Any

from cyconv._kernels.step import Step

Strides = Sequence[Sequence[int]]

class ElementStep(Step): ...

class Arithmetic(ElementStep):
    def __init__(self, a: Any, b: Any, y: Any, dims: Sequence[int], strides: Strides, function: int, dtype: int) -> None: ...

class IntegerUnary(ElementStep):
    def __init__(self, x: Any, y: Any, n: int, function: int, dtype: int) -> None: ...

class Compare(ElementStep):
    def __init__(self, a: Any, b: Any, y: Any, dims: Sequence[int], strides: Strides, function: int, dtype: int) -> None: ...

class Where(ElementStep):
    def __init__(self, condition: Any, a: Any, b: Any, y: Any, dims: Sequence[int], strides: Strides, dtype: int) -> None: ...

class Cast(ElementStep):
    def __init__(self, x: Any, y: Any, n: int, dtype: int, to: int) -> None: ...
