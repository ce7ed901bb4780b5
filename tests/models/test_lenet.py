"""LeNet against PyTorch."""

from cyconv.models import lenet
from tests.models import torch_models


def test_agrees_with_torch():
    torch_models.assert_agrees(lenet(), torch_models.lenet(), (3, 1, 32, 32), seed=1)


def test_num_classes():
    assert lenet(7).fc5.weight.shape == (7, 84)
