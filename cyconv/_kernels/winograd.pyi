"""Winograd convolution: input transform, products and output transform, packing of weights."""

from collections.abc import Sequence
from typing import Any

from cyconv._kernels.step import Step

class WinogradInput(Step):
    def __init__(self, x: Any, v: Any, stretch: Any) -> None: ...

class WinogradProduct(Step):
    def __init__(self, spec: Any) -> None: ...

class PackWinograd(Step):
    def __init__(self, w: Any, u: Any, places: Sequence[tuple[int, int, int]], g: Sequence[Sequence[float]], stride: int) -> None: ...
