"""The options of a compilation that are not about shapes or threads: what a user may ask of the choice of algorithms.

Layer: graph; made by compile_function, read by graph/choices, kept by the plan for the plans that it compiles itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from numbers import Integral, Real
from typing import Any

from cyconv.graph.algorithm import check_winograd
from cyconv.graph.pinned import WEIGHT_FORMATS, read_document

# Room for what is fastest in every network of cyconv.models but wide_resnet101_2, where it would be 0.95 GiB.
WEIGHT_BUDGET = 512 << 20


@dataclass(frozen=True)
class Options:
    """Validated at once: ValueError or TypeError names the option, what was expected and what came.

    Attributes
    ----------
    winograd : str
        "auto", "off", or the kind that every suitable convolution uses, such as "F(2,3)".
    weights : str
        "float32", or "bfloat16": how the weights of Linear layers are stored.
    tolerance : float or None
        The largest relative error that a layer's algorithm may have, as graph/tolerance measures it.
    choices : dict, path or None
        Choices to be used as they are, in the form of graph/pinned; kept as a dict.
    weight_budget : int
        Bytes that weights transformed for Winograd may take in all, where "auto" chooses.
    """

    winograd: str = "auto"
    weights: str = "float32"
    tolerance: float | None = None
    choices: Any = None
    weight_budget: int = WEIGHT_BUDGET

    def __post_init__(self) -> None:
        check_winograd(self.winograd)
        if self.weights not in WEIGHT_FORMATS:
            raise ValueError(f"weights must be one of {', '.join(map(repr, WEIGHT_FORMATS))}, got {self.weights!r}")
        if self.tolerance is not None:
            check_tolerance(self.tolerance)
        if self.choices is not None:
            object.__setattr__(self, "choices", read_document(self.choices))
        check_budget(self.weight_budget)


def check_tolerance(tolerance) -> None:
    """TypeError or ValueError unless it is a positive number."""
    if isinstance(tolerance, bool) or not isinstance(tolerance, Real):
        raise TypeError(f"tolerance must be a number or None, got {tolerance!r} ({type(tolerance).__name__})")
    if isnan(tolerance) or tolerance <= 0:
        raise ValueError(f"tolerance must be greater than 0, got {tolerance!r}")


def check_budget(budget) -> None:
    """TypeError or ValueError unless it is a number of bytes."""
    if isinstance(budget, bool) or not isinstance(budget, Integral):
        raise TypeError(f"weight_budget must be an int, got {budget!r} ({type(budget).__name__})")
    if budget < 0:
        raise ValueError(f"weight_budget must be at least 0 bytes, got {budget}")
