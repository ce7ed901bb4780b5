"""What tests of several families share."""

import numpy as np
import pytest

from cyconv.nn import init


@pytest.fixture
def zero_weights(monkeypatch):
    """Weights are zeros that are never touched: for tests that look at names and shapes, where VGG would take seconds to build."""
    monkeypatch.setattr(init, "uniform", lambda shape, low=0.0, high=1.0: init._read_only(np.zeros(shape, np.float32)))
