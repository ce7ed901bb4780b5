"""The base class of steps: operands are read field by field, and what was allocated is freed when a description is wrong."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from cyconv._kernels.movement import PadVector, Relayout
from cyconv._kernels.step import Step
from tests.drivers.places import place


def test_every_driver_is_a_step():
    from cyconv._kernels import conv, elementwise, fold, movement, normalize, pool, winograd

    classes = [v for m in (conv, elementwise, fold, movement, normalize, pool, winograd) for v in vars(m).values() if isinstance(v, type)]
    assert len(classes) > 12 and all(issubclass(c, Step) for c in classes)


@pytest.mark.parametrize("field", ["base", "lanes", "offset", "n_stride", "c_stride", "h_stride", "dims", "border"])
def test_an_operand_that_lacks_something(field):
    good = place(2, (1, 2, 3, 4), 1)
    bad = SimpleNamespace(**{k: v for k, v in good.__dict__.items() if k != field})
    for _ in range(1000):  # nothing is left behind, nothing is freed twice
        with pytest.raises(AttributeError, match=field):
            PadVector(bad, good, 1, 1)


def test_an_operand_of_wrong_form():
    good = place(2, (1, 2, 3, 4), 1)
    with pytest.raises(ValueError, match="unpack"):
        Relayout(replace(good, dims=(1, 2, 3)), good)
    with pytest.raises(TypeError):
        Relayout(replace(good, offset="0"), good)
    with pytest.raises(OverflowError):
        Relayout(replace(good, offset=2**70), good)
