"""SqueezeNet against PyTorch and against torchvision's keys and published multiply-adds."""

import pytest

from cyconv.models import get_model, squeezenet1_1
from cyconv.summarize import summary
from tests.models import torch_families, torch_models


@pytest.mark.parametrize(("name", "gmacs"), [("squeezenet1_0", 0.819), ("squeezenet1_1", 0.349)])
def test_keys_and_macs(name, gmacs):
    torch_models.assert_is_torchvisions(get_model(name), name, gmacs)


@pytest.mark.parametrize("input_shape", [(2, 3, 96, 83), (3, 3, 21, 30)], ids=str)
@pytest.mark.parametrize("version", ["1_0", "1_1"])
def test_agrees_with_torch(version, input_shape):
    torch_models.assert_agrees(get_model(f"squeezenet{version}"), torch_families.squeezenet(version), input_shape, seed=11)


@pytest.mark.parametrize(("name", "size"), [("squeezenet1_0", 21), ("squeezenet1_1", 17)])
def test_smallest_image(name, size):
    assert summary(get_model(name, num_classes=7), (3, size, size)).records[-1]["output_shape"] == (1, 7)
    with pytest.raises(ValueError, match="input_shape"):
        summary(get_model(name), (3, size, size - 1))


def test_dropout():
    assert squeezenet1_1(dropout=0.25).classifier[0].p == 0.25
