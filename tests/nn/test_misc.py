"""Dropout, Flatten and Identity against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cyconv import nn

from ..functional.helpers import both_refuse, normal
from .helpers import check_alike, check_exact


def test_dropout_is_the_identity_in_eval_mode():
    check_exact("Dropout", 0.3, shape=(2, 3))
    check_exact("Dropout", 0.3, True, shape=(2, 3))
    assert not nn.Dropout().training
    with pytest.raises(ValueError, match=r"inference; call eval\(\) first"):
        nn.Dropout().train()(normal(2, 3))
    both_refuse(lambda: nn.Dropout(1.5), lambda: torch.nn.Dropout(1.5), "dropout probability has to be between 0 and 1, but got 1.5")


@pytest.mark.parametrize("dims", [(), (2,), (0, 1), (-2, -1)])
def test_flatten(dims):
    check_exact("Flatten", *dims, shape=(2, 3, 4, 5))


def test_identity():
    check_alike(nn.Identity(3, kind="x"), torch.nn.Identity(3, kind="x"))
    x = normal(2, 3)
    y = nn.Identity()(x)
    np.testing.assert_array_equal(y, x, strict=True)
    assert not np.shares_memory(x, y)
