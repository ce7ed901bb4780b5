"""A model as the importer keeps it: nodes, names and arrays, without the library that read them.

Layer of the house: onnx; made by reading.py, walked through by evaluate.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class ModelNode:
    """One node: operator ``op`` of ``domain`` ("" is ONNX itself) as of opset ``version``, with all attributes, defaults included."""

    name: str
    op: str
    domain: str
    version: int
    attrs: dict
    inputs: list[str]  # "" where an optional input is left out
    outputs: list[str]

    def __str__(self) -> str:
        return f"{self.name or self.label!r} ({self.domain or 'ai.onnx'} {self.op} of version {self.version})"

    @property
    def label(self) -> str:
        """The value by which the node is known in a plan: its first output that has a name."""
        return next((name for name in self.outputs if name), self.op)


@dataclass
class ModelInput:
    """One input: ``dims`` holds an int, a name or None for each dimension, and is None when not even their number is known."""

    name: str
    dtype: str
    dims: tuple[int | str | None, ...] | None


@dataclass
class Model:
    """A model: ``arrays`` are its initialisers by name, ``inputs`` do not include them."""

    inputs: list[ModelInput]
    outputs: list[str]
    nodes: list[ModelNode]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
