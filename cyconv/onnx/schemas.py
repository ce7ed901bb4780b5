"""What the onnx package says of an operator: since which opset it has its present form, and the defaults of its attributes.

Layer of the house: onnx; used where models are read and written.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx

UNKNOWN = 0  # the version of an operator that onnx does not know


@cache
def node_version(op: str, opset: int, domain: str) -> int:
    """The opset in which the operator got the form that it has in ``opset``; UNKNOWN when there is none."""
    try:
        return onnx.defs.get_schema(op, opset, domain).since_version
    except onnx.defs.SchemaError:
        return UNKNOWN


@cache
def is_withdrawn(op: str, opset: int) -> bool:
    """Whether onnx calls the operator deprecated in ``opset``."""
    try:
        return onnx.defs.get_schema(op, opset, "").deprecated
    except onnx.defs.SchemaError:
        return False


@cache
def _defaults(op: str, version: int, domain: str) -> dict:
    if version == UNKNOWN:
        return {}
    found = {}
    for name, attribute in onnx.defs.get_schema(op, version, domain).attributes.items():
        if attribute.default_value.type != onnx.AttributeProto.UNDEFINED:
            value = onnx.helper.get_attribute_value(attribute.default_value)
            value = value.decode() if isinstance(value, bytes) else value
            found[name] = float(str(np.float32(value))) if isinstance(value, float) else value  # 1e-5, not 9.99999974e-06
    return found


def with_defaults(attrs: dict, op: str, version: int, domain: str) -> dict:
    """``attrs`` and what the operator's own defaults add to them."""
    return {**_defaults(op, version, domain), **attrs}
