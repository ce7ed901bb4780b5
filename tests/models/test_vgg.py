"""VGG against PyTorch and against torchvision's keys and published multiply-adds."""

import pytest

from cyconv import nn
from cyconv.models import get_model, vgg11
from cyconv.summarize import summary
from tests.models import torch_families, torch_models

GMACS = {"vgg11": 7.609, "vgg13": 11.308, "vgg16": 15.47, "vgg19": 19.632}  # as torchvision publishes them


@pytest.mark.parametrize("batch_norm", ["", "_bn"])
@pytest.mark.parametrize("name", GMACS)
def test_keys_and_macs(zero_weights, name, batch_norm):
    net = get_model(name + batch_norm)
    torch_models.assert_is_torchvisions(net, name + batch_norm, GMACS[name])


@pytest.mark.parametrize(
    ("layers", "batch_norm", "input_shape"), [(11, True, (2, 3, 64, 75)), (16, False, (2, 3, 32, 40)), (19, True, (2, 3, 48, 32))], ids=str
)
def test_agrees_with_torch(zero_weights, layers, batch_norm, input_shape):
    """With narrow linear layers, whose weights are most of the network's."""
    net = get_model(f"vgg{layers}" + ("_bn" if batch_norm else ""))
    for i, (inputs, outputs) in {0: (25088, 30), 3: (30, 30), 6: (30, 20)}.items():
        net.classifier[i] = nn.Linear(inputs, outputs)
    torch_models.assert_agrees(net, torch_families.vgg(layers, batch_norm, 20, hidden=30), input_shape, seed=8)


def test_options(zero_weights):
    net = vgg11(num_classes=7, dropout=0.25)
    assert summary(net, (3, 32, 32)).records[-1]["output_shape"] == (1, 7)
    assert (net.classifier[2].p, net.classifier[5].p) == (0.25, 0.25)


def test_smallest_image(zero_weights):
    with pytest.raises(ValueError, match="input_shape"):
        summary(vgg11(), (3, 31, 32))
