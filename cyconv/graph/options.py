"""The options of a compilation that are not about shapes or threads: what a user may ask of the choice of algorithms.

Layer: graph; made by compile_function, read by graph/choices, kept by the plan for the plans that it compiles itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from cyconv.graph.algorithm import check_winograd

WEIGHT_FORMATS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Options:
    """Validated at once: ValueError or TypeError names the option, what was expected and what came.

    Attributes
    ----------
    winograd : str
        "auto", "off", or the kind that every suitable convolution uses, such as "F(2,3)".
    weights : str
        "float32", or "bfloat16": how the weights of Linear layers are stored.
    """

    winograd: str = "auto"
    weights: str = "float32"

    def __post_init__(self) -> None:
        check_winograd(self.winograd)
        if self.weights not in WEIGHT_FORMATS:
            raise ValueError(f"weights must be one of {', '.join(map(repr, WEIGHT_FORMATS))}, got {self.weights!r}")
