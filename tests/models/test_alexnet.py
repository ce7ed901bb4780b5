"""Both AlexNets against PyTorch; the two towers are computed apart there, and the paper's formula normalises."""

import numpy as np
import pytest

from cyconv.models import alexnet, alexnet_two_tower
from cyconv.summarize import summary
from tests.models import torch_models


@pytest.mark.parametrize("input_shape", [(2, 3, 224, 224), (2, 3, 99, 131)], ids=str)
def test_alexnet_agrees_with_torch(input_shape):
    """At the usual size, and at one where the adaptive pooling has windows of unequal size."""
    torch_models.assert_agrees(alexnet(), torch_models.alexnet(), input_shape, seed=3)


@pytest.mark.parametrize(("size", "padding"), [(224, 2), (227, 0)])
def test_two_tower_agrees_with_torch(size, padding):
    net = alexnet_two_tower(padding=padding)
    torch_models.assert_agrees(net, torch_models.alexnet_two_tower(padding=padding), (2, 3, size, size), seed=4)


def test_torchvision_keys():
    assert torch_models.keys_digest(alexnet().state_dict()) == torch_models.TORCHVISION_KEYS["alexnet"]


def test_normalisation_is_felt():
    """The weights of the agreement test make LRN matter: without it the answer is another."""
    net, x = alexnet_two_tower(num_classes=10), np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    net.load_state_dict(torch_models.random_state(torch_models.alexnet_two_tower(num_classes=10), 4))
    with_lrn = net(x)
    net.norm1.k = 1.9
    assert np.abs(net(x) - with_lrn).max() > 1e-3 * np.abs(with_lrn).max()


@pytest.mark.parametrize(("size", "padding"), [(224, 2), (227, 0)])
def test_both_input_sizes_give_the_papers_maps(size, padding):
    shapes = {r["name"]: r["output_shape"][1:] for r in summary(alexnet_two_tower(padding=padding), (3, size, size)).records}
    expected = {"conv1": (96, 55, 55), "pool1": (96, 27, 27), "pool2": (256, 13, 13), "conv5": (256, 13, 13), "pool5": (256, 6, 6)}
    assert {name: shapes[name] for name in expected} == expected


def test_smallest_image():
    assert summary(alexnet(5), (3, 63, 63)).records[-1]["output_shape"] == (1, 5)
    with pytest.raises(ValueError, match="input_shape"):
        summary(alexnet(5), (3, 62, 62))
