"""Convolution on tile registers: splitting of the input, products of its parts, packing of weights."""

from collections.abc import Sequence
from typing import Any

from cyconv._kernels.step import Step

class Split(Step):
    def __init__(self, x: Any, v: Any, stretch: Any, window: Any) -> None: ...

class TileProduct(Step):
    def __init__(self, spec: Any) -> None: ...

class PackParts(Step):
    def __init__(self, w: Any, y: Any, placed: Sequence[tuple[int, int]]) -> None: ...
