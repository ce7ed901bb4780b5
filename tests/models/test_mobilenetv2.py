"""MobileNetV2 against PyTorch and against torchvision's keys and published multiply-adds."""

import pytest

from cyconv.models import mobilenet_v2
from cyconv.summarize import summary, trace
from tests.models import torch_families, torch_models


def test_keys_and_macs():
    torch_models.assert_is_torchvisions(mobilenet_v2(), "mobilenet_v2", 0.301)


@pytest.mark.parametrize("width_mult", [0.35, 1.4])
def test_keys_of_other_widths(width_mult):
    """At 0.35 rounding lifts widths by more than half, and the last layer keeps its own; at 1.4 that one grows too."""
    digest = torch_models.keys_digest(mobilenet_v2(width_mult=width_mult).state_dict())
    assert digest == torch_models.TORCHVISION_KEYS[f"mobilenet_v2 with width_mult={width_mult}"]


@pytest.mark.parametrize("input_shape", [(2, 3, 64, 81), (3, 3, 5, 9)], ids=str)
def test_agrees_with_torch(input_shape):
    torch_models.assert_agrees(mobilenet_v2(), torch_families.mobilenet_v2(), input_shape, seed=12)


def test_narrow_network_agrees_with_torch():
    model = torch_families.mobilenet_v2((16, 8, 8, 16, 24, 32, 56, 112, 1280), num_classes=20)
    torch_models.assert_agrees(mobilenet_v2(20, width_mult=0.35), model, (2, 3, 80, 64), seed=13)


def test_blocks_that_add_their_input():
    names = [node.name for node in trace(mobilenet_v2(), (3, 224, 224)).nodes if node.op == "add"]
    assert names == [f"features.{i}" for i in (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)]


def test_options():
    net = mobilenet_v2(num_classes=7, dropout=0.25)
    assert summary(net, (3, 32, 32)).records[-1]["output_shape"] == (1, 7)
    assert net.classifier[0].p == 0.25


@pytest.mark.parametrize("width_mult", [0, -1.0, float("nan"), float("inf")])
def test_bad_width(width_mult):
    with pytest.raises(ValueError, match="width_mult: expected a positive number, got"):
        mobilenet_v2(width_mult=width_mult)
