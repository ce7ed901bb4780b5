# Operands are cyconv.graph.layout.Operand, which lies above this layer.
from typing import Any, Literal

from cyconv._kernels.step import Step

class RowStep(Step): ...

class Unary(RowStep):
    def __init__(self, x: Any, y: Any, function: int, p0: float = 0.0, p1: float = 0.0) -> None: ...

class Binary(RowStep):
    def __init__(self, a: Any, b: Any, y: Any, function: int, mode: Literal["each", "channel", "one"]) -> None: ...

class ScaleShift(RowStep):
    def __init__(self, x: Any, scale: Any, shift: Any, y: Any) -> None: ...

class Prelu(RowStep):
    def __init__(self, x: Any, slope: Any, y: Any) -> None: ...
