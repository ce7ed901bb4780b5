"""Convolution on tile registers: products of bfloat16 parts."""

from typing import Any

from cyconv._kernels.step import Step

class TileProduct(Step):
    def __init__(self, spec: Any) -> None: ...
