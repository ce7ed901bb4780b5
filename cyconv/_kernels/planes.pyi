"""1x1 convolution of planar images."""

from typing import Any

from cyconv._kernels.step import Step

class Planes(Step):
    def __init__(self, x: Any, w: Any, bias: Any, y: Any, runs: tuple[int, int], activation: tuple[int, float, float, float]) -> None: ...
