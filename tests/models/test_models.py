"""The list of models."""

import subprocess
import sys

import pytest

from cyconv import models, nn
from cyconv.summarize import summary

NAMES = ["alexnet", "alexnet_two_tower", "digits", "googlenet", "googlenet_bn", "lenet"]
CLASSES = [models.AlexNet, models.AlexNetTwoTower, models.Digits, models.GoogLeNet, models.GoogLeNetBN, models.LeNet]


def test_list():
    assert models.list_models() == NAMES
    assert list(models.INPUT_SHAPES) == NAMES


@pytest.mark.parametrize(("name", "cls"), list(zip(NAMES, CLASSES, strict=True)))
def test_get_model(name, cls):
    net = models.get_model(name)
    assert type(net) is cls
    assert isinstance(net, nn.Module)
    assert not net.training
    assert type(getattr(models, name)()) is cls
    classes = summary(net, models.INPUT_SHAPES[name]).records[-1]["output_shape"]
    assert classes == (1, 10 if name in ("digits", "lenet") else 1000)


def test_options_pass_through():
    assert models.get_model("lenet", num_classes=3).fc5.weight.shape[0] == 3


@pytest.mark.parametrize("name", ["resnet50", "", "AlexNet", None])
def test_unknown(name):
    with pytest.raises(ValueError, match="expected one of alexnet, alexnet_two_tower, digits"):
        models.get_model(name)


def test_constructors_survive_imports_of_their_modules():
    """`cyconv.models.lenet` is the constructor, even after the module of that name has been imported by name."""
    code = "import cyconv.models.lenet, cyconv.models.digits, cyconv.models as m; assert callable(m.lenet) and callable(m.digits)"
    subprocess.run([sys.executable, "-c", code], check=True)
