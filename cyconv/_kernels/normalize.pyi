# Operands are cyconv.graph.layout.Operand, which lies above this layer.
from typing import Any

from cyconv._kernels.step import Step

def lrn_scratch_floats(channels: int, lanes: int, size: int) -> int: ...

class Lrn(Step):
    def __init__(self, x: Any, y: Any, scratch: Any, size: int, alpha: float, beta: float, k: float, max_threads: int) -> None: ...

class Softmax(Step):
    def __init__(self, x: Any, y: Any, outer: int, n: int, inner: int, logarithm: bool) -> None: ...
