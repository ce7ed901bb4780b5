# Operands are cyconv.graph.layout.Operand, which lies above this layer.
from typing import Any

from cyconv._kernels.step import Step

class FoldNorm(Step):
    # mean, var, gamma, beta, scale, shift, channels, padded, eps; the lowering passes the first four as one sequence
    def __init__(self, *arguments: Any) -> None: ...
