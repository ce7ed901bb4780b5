from typing import Literal

from cyconv._kernels.step import Step
from cyconv._kernels.step import Operand

class RowStep(Step): ...

class Unary(RowStep):
    def __init__(self, x: Operand, y: Operand, function: int, p0: float = 0.0) -> None: ...

class Binary(RowStep):
    def __init__(self, a: Operand, b: Operand, y: Operand, function: int, mode: Literal["each", "channel", "one"]) -> None: ...

class ScaleShift(RowStep):
    def __init__(self, x: Operand, scale: Operand, shift: Operand, y: Operand) -> None: ...

class Prelu(RowStep):
    def __init__(self, x: Operand, slope: Operand, y: Operand) -> None: ...
