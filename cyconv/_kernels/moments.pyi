# Operands are cyconv.graph.layout.Operand, which lies above this layer.
from typing import Any

from cyconv._kernels.step import Step

class LayerNorm(Step):
    def __init__(self, x: Any, y: Any, weight: Any, bias: Any, n: int, eps: float) -> None: ...

class GroupNorm(Step):
    def __init__(self, x: Any, y: Any, weight: Any, bias: Any, groups: int, eps: float) -> None: ...
