"""Convolution in the order of its definition."""

from typing import Any

from cyconv._kernels.step import Step

class PlainConv(Step):
    def __init__(
        self, x: Any, w: Any, bias: Any, y: Any, window: Any, finite: tuple[Any, int], activation: tuple[int, float, float, float]
    ) -> None: ...
