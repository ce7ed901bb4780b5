"""The list of models."""

import subprocess
import sys

import pytest

from cyconv import models, nn
from cyconv.models.registry import register
from cyconv.summarize import summary
from tests.models.torch_models import TORCHVISION_KEYS
from tests.models.torchvision_facts import FACTS

# One network of each class.
CLASSES = {
    "alexnet": models.AlexNet,
    "alexnet_two_tower": models.AlexNetTwoTower,
    "convnext_tiny": models.ConvNeXt,
    "densenet121": models.DenseNet,
    "digits": models.Digits,
    "efficientnet_b0": models.EfficientNet,
    "googlenet": models.GoogLeNet,
    "googlenet_bn": models.GoogLeNetBN,
    "inception_v3": models.Inception3,
    "lenet": models.LeNet,
    "mnasnet0_5": models.MNASNet,
    "mobilenet_v2": models.MobileNetV2,
    "mobilenet_v3_small": models.MobileNetV3,
    "regnet_x_400mf": models.RegNet,
    "resnet18": models.ResNet,
    "shufflenet_v2_x0_5": models.ShuffleNetV2,
    "squeezenet1_1": models.SqueezeNet,
    "vgg11": models.VGG,
}


def test_list():
    names = sorted({*CLASSES, *FACTS, *(name for name in TORCHVISION_KEYS if " " not in name)})
    assert models.list_models() == sorted(models.INPUT_SHAPES) == names
    assert all(callable(getattr(models, name)) and name in models.__all__ for name in names)


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="network 'lenet' is registered twice"):
        register()(models.lenet)


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
    with pytest.raises(ValueError, match="expected one of alexnet, alexnet_two_tower, convnext_base"):
        models.get_model(name)


def test_constructors_survive_imports_of_their_modules():
    """`cyconv.models.lenet` is the constructor, even after the module of that name has been imported by name."""
    code = "import cyconv.models.lenet, cyconv.models.digits, cyconv.models as m; assert callable(m.lenet) and callable(m.digits)"
    subprocess.run([sys.executable, "-c", code], check=True)
