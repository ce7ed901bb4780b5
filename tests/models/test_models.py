"""The list of models."""

import subprocess
import sys

import pytest

from cyconv import models, nn
from cyconv.summarize import summary

# One network of each class.
CLASSES = {
    "alexnet": models.AlexNet,
    "alexnet_two_tower": models.AlexNetTwoTower,
    "digits": models.Digits,
    "googlenet": models.GoogLeNet,
    "googlenet_bn": models.GoogLeNetBN,
    "lenet": models.LeNet,
    "mobilenet_v2": models.MobileNetV2,
    "resnet18": models.ResNet,
    "squeezenet1_1": models.SqueezeNet,
    "vgg11": models.VGG,
}
RESNETS = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"]
RESNETS += ["wide_resnet50_2", "wide_resnet101_2"]
VGGS = [f"vgg{layers}{batch_norm}" for layers in (11, 13, 16, 19) for batch_norm in ("", "_bn")]


def test_list():
    names = sorted({*CLASSES, *RESNETS, *VGGS, "squeezenet1_0"})
    assert models.list_models() == names
    assert list(models.INPUT_SHAPES) == names
    assert all(callable(getattr(models, name)) and name in models.__all__ for name in names)


@pytest.mark.parametrize(("name", "cls"), CLASSES.items())
def test_get_model(zero_weights, name, cls):
    net = models.get_model(name)
    assert type(net) is cls
    assert isinstance(net, nn.Module)
    assert not net.training
    assert type(getattr(models, name)()) is cls
    classes = summary(net, models.INPUT_SHAPES[name]).records[-1]["output_shape"]
    assert classes == (1, 10 if name in ("digits", "lenet") else 1000)


def test_options_pass_through():
    assert models.get_model("lenet", num_classes=3).fc5.weight.shape[0] == 3


@pytest.mark.parametrize("name", ["resnet51", "", "AlexNet", None])
def test_unknown(name):
    with pytest.raises(ValueError, match="expected one of alexnet, alexnet_two_tower, digits"):
        models.get_model(name)


def test_constructors_survive_imports_of_their_modules():
    """`cyconv.models.lenet` is the constructor, even after the module of that name has been imported by name."""
    code = "import cyconv.models.lenet, cyconv.models.digits, cyconv.models as m; assert callable(m.lenet) and callable(m.digits)"
    subprocess.run([sys.executable, "-c", code], check=True)
