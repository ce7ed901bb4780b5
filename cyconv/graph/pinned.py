"""Choices of a plan as a document: what JSON files hold, checked field by field when one is read.

    {"version": 1, "isa": "avx512", "layers": {"features.3: conv2d 64x27x27 to 192x27x27, kernel 5x5, …":
        {"algorithm": "F(2,5)", "weights": "float32"}, …}}

Layer: graph; called by options and plan. ``isa`` says where the document was written, and is not read. Which layers there are, and
what suits them, is checked by graph/choices, which knows the network.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cyconv._kernels.cpu import isa
from cyconv.graph.algorithm import BY_NAME

VERSION = 1
ALGORITHMS = ("direct", *BY_NAME)
WEIGHT_FORMATS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Choice:
    """``algorithm`` is one of ALGORITHMS, ``weights`` one of WEIGHT_FORMATS."""

    algorithm: str = "direct"
    weights: str = "float32"

    def __str__(self) -> str:
        return self.algorithm if self.weights == "float32" else f"{self.algorithm}, {self.weights} weights"


def document_of(choices: Mapping[str, Choice]) -> dict[str, Any]:
    """The document that ``choices_of`` reads."""
    return {"version": VERSION, "isa": isa(), "layers": {key: asdict(choice) for key, choice in choices.items()}}


def choices_of(document: Mapping) -> dict[str, Choice]:
    """The choices in a document.

    Raises
    ------
    TypeError, ValueError
        When it has another form or version, or names an unknown algorithm or format of weights.
    """
    if not isinstance(document, Mapping):
        raise TypeError(f"choices: expected a path or a dict with 'version' and 'layers', got {type(document).__name__}")
    version = document.get("version")
    if isinstance(version, bool) or version != VERSION:
        raise ValueError(f"choices: version must be {VERSION}, got {version!r}")
    expect_keys(document, "choices", {"version", "isa", "layers"})
    layers = document.get("layers")
    if not isinstance(layers, Mapping):
        raise ValueError(f"choices: 'layers' must map layers to choices, got {type(layers).__name__}")
    return {key: choice_of(key, entry) for key, entry in layers.items()}


def choice_of(key: Any, entry: Any) -> Choice:
    """One layer's choice."""
    if not isinstance(key, str):
        raise ValueError(f"choices: layers are named by strings, got {key!r}")
    if not isinstance(entry, Mapping):
        raise ValueError(f"choices: {key!r} must have a dict with 'algorithm' and 'weights', got {entry!r}")
    expect_keys(entry, f"choices: {key!r}", {"algorithm", "weights"})
    algorithm, weights = entry.get("algorithm"), entry.get("weights", "float32")
    for field, value, known in (("algorithm", algorithm, ALGORITHMS), ("weights", weights, WEIGHT_FORMATS)):
        if value not in known:
            raise ValueError(f"choices: {key!r}: {field} must be one of {', '.join(map(repr, known))}, got {value!r}")
    return Choice(str(algorithm), str(weights))


def expect_keys(entry: Mapping, where: str, known: set[str]) -> None:
    """Raise ValueError when a mapping holds what nobody would read."""
    unknown = [key for key in entry if key not in known]
    if unknown:
        raise ValueError(f"{where}: unknown entry {unknown[0]!r}; known are {', '.join(sorted(known))}")


def read_document(source: Any) -> dict[str, Any]:
    """The document at a path, or a copy of the one given; checked by ``choices_of``. OSError when a file cannot be read."""
    if isinstance(source, (str, os.PathLike)):
        try:
            source = json.loads(Path(source).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"choices: {os.fspath(source)} is no JSON file: {error}") from None
        if not isinstance(source, Mapping):
            raise ValueError(f"choices: the file must hold an object with 'version' and 'layers', got {type(source).__name__}")
    return document_of(choices_of(source))


def write_document(document: Mapping, path: str | os.PathLike) -> None:
    """Write a document, whole or not at all."""
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    part = Path(f"{os.fspath(path)}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
