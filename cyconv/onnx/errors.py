"""What goes wrong with a model: the error that users see, and the one that operators raise about a single node.

Layer of the house: onnx; used by every file of the room.
"""

from __future__ import annotations


class ModelError(ValueError):
    """A model that cannot be read, run or written; the message says where it fails and why, for all nodes that do."""


class Unsupported(Exception):
    """An operator cannot do what its node asks for; the message completes "node … is not supported: "."""
