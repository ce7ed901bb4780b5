"""The ops of the graph: what each one means, how its shapes follow and what it costs. One file per family.

This layer imports only :mod:`cyconv.shapes` and NumPy. Importing the family files fills the table :data:`OPS`, which the
tracer (shape inference), the passes, the summary (multiply-adds) and the tests (float64 references) read.
"""

from cyconv.ops import activation, arithmetic, conv, conv_transpose, matmul, movement, norm, pointwise, pool, reduce, resize, softmax
from cyconv.ops.base import OPS, Op, register

__all__ = [
    "OPS",
    "Op",
    "activation",
    "arithmetic",
    "conv",
    "conv_transpose",
    "matmul",
    "movement",
    "norm",
    "pointwise",
    "pool",
    "reduce",
    "register",
    "resize",
    "softmax",
]
