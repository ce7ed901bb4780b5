"""ResNet, ResNeXt and Wide ResNet against PyTorch and against torchvision's keys and published multiply-adds."""

import pytest

from cyconv.models import get_model, resnet18
from cyconv.summarize import summary, trace
from tests.models import torch_families, torch_models

GMACS = {
    "resnet18": 1.814,
    "resnet34": 3.664,
    "resnet50": 4.089,
    "resnet101": 7.801,
    "resnet152": 11.514,
    "resnext50_32x4d": 4.23,
    "resnext101_32x8d": 16.414,
    "resnext101_64x4d": 15.46,
    "wide_resnet50_2": 11.398,
    "wide_resnet101_2": 22.753,
}


@pytest.mark.parametrize("name", GMACS)
def test_keys_and_macs(zero_weights, name):
    torch_models.assert_is_torchvisions(get_model(name), name, GMACS[name])


@pytest.mark.parametrize(
    ("name", "counts", "options"),
    [
        ("resnet18", (2, 2, 2, 2), {"bottleneck": False}),
        ("resnet34", (3, 4, 6, 3), {"bottleneck": False}),
        ("resnet50", (3, 4, 6, 3), {"bottleneck": True}),
        ("resnext50_32x4d", (3, 4, 6, 3), {"bottleneck": True, "groups": 32, "base_width": 4}),
    ],
)
def test_agrees_with_torch(zero_weights, name, counts, options):
    torch_models.assert_agrees(get_model(name), torch_families.resnet(counts, **options), (2, 3, 64, 81), seed=9)


def test_tiny_images():
    """Maps of one cell, where most of each 3×3 kernel lies on the padding."""
    torch_models.assert_agrees(resnet18(num_classes=9), torch_families.resnet((2, 2, 2, 2), False, num_classes=9), (3, 3, 9, 5), seed=10)


def test_every_block_adds_its_input(zero_weights):
    names = [node.name for node in trace(resnet18(), (3, 224, 224)).nodes if node.op == "add"]
    assert names == [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]


def test_num_classes(zero_weights):
    assert summary(resnet18(num_classes=7), (3, 224, 224)).records[-1]["output_shape"] == (1, 7)
