"""The digits network: its size, its agreement with PyTorch, and how well the weights that ship with it read."""

from pathlib import Path

import numpy as np
import pytest

from cyconv import models
from cyconv.models import digits
from cyconv.models.digits import held_out, trained_result
from tests.models import torch_models

WEIGHTS = Path(models.__file__).with_name("digits.npz")


def test_agrees_with_torch():
    torch_models.assert_agrees(digits(), torch_models.digits(), (5, 1, 8, 8), seed=2)


def test_it_is_small():
    assert sum(parameter.nbytes for parameter in digits().parameters()) < 300_000


def test_untrained_networks_differ():
    assert not np.array_equal(digits().fc.weight, digits().fc.weight)


def test_weights_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setitem(digits.__globals__, "__file__", str(tmp_path / "digits.py"))
    with pytest.raises(FileNotFoundError, match=r"digits\.npz"):
        digits(pretrained=True)


def test_shipped_weights_are_small():
    assert WEIGHTS.stat().st_size < 300_000


def test_held_out_is_a_fifth_of_each_digit():
    from sklearn.datasets import load_digits

    labels = load_digits().target
    held = held_out(labels)
    assert np.array_equal(np.bincount(labels[held]), np.bincount(labels) // 5)
    assert np.array_equal(held, held_out(list(labels)))
    assert list(np.flatnonzero(held_out(np.array([3, 7, 3, 3, 3, 7, 3, 3])))) == [6]


def test_pretrained_reads_as_well_as_training_said():
    from sklearn.datasets import load_digits

    data = load_digits()
    held = held_out(data.target)
    images = (data.images[held][:, None] / 16).astype(np.float32)
    answers = digits(pretrained=True)(images).argmax(1)
    right, count = trained_result()
    assert (int((answers == data.target[held]).sum()), int(held.sum())) == (right, count)
    assert right / count > 0.985
