"""Linear against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

from cyconv import nn

from .helpers import check_exact


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3), (0,)])
def test_linear(bias, batch):
    check_exact("Linear", 7, 5, bias, shape=(*batch, 7))


def test_initial_values():
    layer = nn.Linear(400, 50)
    for array in (layer.weight, layer.bias):
        assert 0.9 / 20 < np.abs(array).max() <= 1 / 20


def test_refusals():
    with pytest.raises(TypeError, match="out_features"):
        nn.Linear(3, 2.5)
    with pytest.raises(ValueError, match=r"input.*weight"):
        nn.Linear(3, 2)(np.zeros((1, 4), np.float32))
