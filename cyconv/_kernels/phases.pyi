# Operands are cyconv.graph.layout.Operand, which lies above this layer.
from typing import Any

from cyconv._kernels.step import Step

class Phases(Step):
    def __init__(self, x: Any, y: Any, stride: int, top: int, left: int) -> None: ...
