# Operands are cyconv.graph.layout.Operand, which lies above this layer.
from collections.abc import Sequence
from typing import Any, Literal

from numpy import float32
from numpy.typing import NDArray

from cyconv._kernels.step import Step

# Where each window begins inside the input, how many of its positions lie inside, the dilation, the input's size.
Axis = tuple[Sequence[int], Sequence[int], int, int]

class Pool(Step):
    def __init__(
        self,
        x: Any,
        y: Any,
        kind: Literal["max", "avg", "lp"],
        axes: Sequence[Axis],
        divisor: NDArray[float32] | None = None,
        power: float = 1.0,
        absolute: bool = False,
    ) -> None: ...

class MaxPoolIndices(Step):
    def __init__(self, x: Any, y: Any, indices: Any, axes: Sequence[Axis], index_strides: Sequence[int]) -> None: ...
