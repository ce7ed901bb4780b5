"""The table of ops."""

from __future__ import annotations

import pytest

from cyconv.ops import OPS, Op, register


def test_the_table_is_keyed_by_name():
    assert len(OPS) >= 28
    assert all(name == op.name for name, op in OPS.items())


def test_a_name_is_taken_once():
    relu = OPS["relu"]
    with pytest.raises(ValueError, match="op 'relu' is registered twice"):
        register(Op("relu", relu.infer, relu.reference))
    assert OPS["relu"] is relu


def test_only_products_of_weights_are_counted_as_multiply_adds():
    assert {name for name, op in OPS.items() if op.macs([(1, 1, 1, 1)] * 2, [(1, 1, 1, 1)], {}) > 0} == {
        "conv2d",
        "conv3d",
        "conv_transpose2d",
        "conv_transpose3d",
        "linear",
        "matmul",
    }
