"""Splitting of an input and of weights into three bfloat16 parts."""

from collections.abc import Sequence
from typing import Any

from cyconv._kernels.step import Step

class Split(Step):
    def __init__(self, x: Any, v: Any, stretch: Any, window: Any) -> None: ...

class PackParts(Step):
    def __init__(self, w: Any, y: Any, placed: Sequence[tuple[int, int]], finite: Any = None) -> None: ...
