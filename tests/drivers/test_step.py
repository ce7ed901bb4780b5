"""The base class of steps: operands are read field by field, and what was allocated is freed when a description is wrong."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cyconv._kernels.movement import PadVector, Relayout
from cyconv._kernels.step import Step, take_items
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


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8, 9, 20])
@pytest.mark.parametrize("n_items", [0, 1, 2, 7, 8, 100])
def test_every_item_is_taken_once(n_threads, n_items):
    """In whatever order the threads ask, and each is told when there is none left."""
    rng = np.random.default_rng(n_threads)
    for weights in (np.ones(n_threads), rng.random(n_threads) ** 8):
        asking = rng.choice(n_threads, 5 * n_items + 5, p=weights / weights.sum()).tolist()
        taken = take_items([*asking, *range(n_threads)], n_threads, n_items)
        found = [item for item in taken if item is not None]
        assert sorted(found) == list(range(n_items))
        assert all(item is None for item in taken[len(asking) :])


def test_threads_keep_to_their_own_range_first():
    """Neighbours from the front; then what others have left, from the back."""
    assert take_items([0, 1, 0, 1, 0, 1], 2, 6) == [0, 3, 1, 4, 2, 5]
    assert take_items([0, 0, 0, 0, 0, 1, 1, 0], 2, 6) == [0, 1, 2, 5, 4, 3, None, None]
    assert take_items([2, 2, 2, 2], 3, 6) == [4, 5, 1, 0]
