"""Every family against torchvision's own definitions, with random weights, and against its keys, parameters and multiply-adds.

Networks that differ only in depth or width from one that is compared here are compared among the slow tests. The numbers of a deep network
with random weights can be so sensitive to rounding that torch in float32 is off as well; a smaller gain of BatchNorm avoids that.
"""

import numpy as np
import pytest
import torch

from benchmarks.families.torch_networks import OURS_ALONE, THEIR_NAMES, shared_names, torchvision_models, torchvision_network
from cyconv import models
from cyconv.models import get_model, inception_v3, mobilenet_v3_large
from cyconv.summarize import summary, trace
from tests.models import torch_models
from tests.models.torchvision_facts import FACTS, OPTIONS

SMALL = {"densenet121", "efficientnet_b0", "inception_v3", "mnasnet0_5", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf"}
SMALL |= {"shufflenet_v2_x0_5", "mobilenet_v3_large", "efficientnet_v2_s", "shufflenet_v2_x1_0"}
TOO_LARGE = {"regnet_y_128gf"}  # 2.6 GB of weights, and torch needs them in float64 as well
SEPARATE = [name for name in torch_models.TORCHVISION_KEYS if " " not in name]  # families with tests of their own
ALL = [*FACTS, *SEPARATE]
GAINS = {"mobilenet_v3_large": 0.93, "efficientnet_v2_s": 0.8, "efficientnet_v2_m": 0.7, "efficientnet_v2_l": 0.7}
GAINS |= {"efficientnet_b3": 0.9, "efficientnet_b4": 0.96, "efficientnet_b5": 0.95, "efficientnet_b6": 0.9, "efficientnet_b7": 0.9}
GAINS |= dict.fromkeys(("regnet_y_1_6gf", "regnet_y_3_2gf", "regnet_y_16gf", "regnet_y_32gf"), 0.8)
SEEDS = {"resnext101_32x8d": 4}  # where the images of 3 give outputs that are too alike
SIZES = {"inception_v3": 75}  # the smallest image that each takes, where 64 is not enough


def slow_unless(names, small):
    return [name if name in small else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", FACTS)
def test_keys_parameters_and_macs(zero_weights, name):
    digest, gmacs, parameters = FACTS[name]
    net = get_model(name)
    assert torch_models.keys_digest(net.state_dict()) == digest
    costs = summary(net, models.INPUT_SHAPES[name])
    assert sum(parameter.size for parameter in net.parameters()) == parameters
    assert costs.unused_parameters == (sum(p.size for p in net.AuxLogits.parameters()) if name == "inception_v3" else 0)
    assert round(costs.macs / 1e9, 3) == gmacs
    assert costs.records[-1]["output_shape"] == (1, 1000)


def test_keys_of_options(zero_weights):
    assert torch_models.keys_digest(inception_v3(aux_logits=False).state_dict()) == OPTIONS["inception_v3 without aux"]
    keys = torch_models.keys_digest(mobilenet_v3_large(width_mult=0.75).state_dict())
    assert keys == OPTIONS["mobilenet_v3_large with width_mult=0.75"]


@pytest.fixture
def theirs(monkeypatch):
    """torchvision.models, whose networks are built without filling them with random numbers."""
    found = torchvision_models()
    if found is None:
        pytest.skip("torchvision is not installed")
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_", "trunc_normal_", "ones_", "zeros_", "constant_"):
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)
    return found


@pytest.mark.parametrize("name", slow_unless([name for name in ALL if name not in TOO_LARGE], SMALL))
def test_agrees_with_torchvision(zero_weights, theirs, name):
    size = SIZES.get(name, 64)
    model = torchvision_network(name, init_weights=False)
    torch_models.assert_agrees(get_model(name), model, (2, 3, size, size + 7), seed=SEEDS.get(name, 3), gain=GAINS.get(name, 1.0))


@pytest.mark.parametrize(("name", "options"), [("inception_v3", {"transform_input": True}), ("mobilenet_v3_small", {"width_mult": 0.5})])
def test_options_agree_with_torchvision(zero_weights, theirs, name, options):
    ours = get_model(name, num_classes=10, **options)
    model = torchvision_network(name, num_classes=10, init_weights=False, **options)
    torch_models.assert_agrees(ours, model, (2, 3, SIZES.get(name, 64), 80), seed=4)


def test_a_state_dict_of_torchvision_loads(theirs):
    """As it is, with its counters and its version."""
    model = theirs.mnasnet0_5()
    state = model.state_dict()
    for key, tensor in state.items():  # the fixture leaves memory as it was, which may be NaN
        tensor.fill_(len(key))
    net = get_model("mnasnet0_5")
    net.load_state_dict(state)
    assert np.all(net.layers[0].weight == len("layers.0.weight"))
    assert all(np.array_equal(value, state[key].numpy()) for key, value in net.state_dict().items())


def test_all_of_torchvisions_convolutional_networks_are_here(theirs):
    transformers = ("maxvit", "swin", "vit")
    names = {name for name in theirs.list_models(module=theirs) if not name.startswith(transformers)}
    assert len(names) >= 68
    assert names == {THEIR_NAMES.get(name, name) for name in shared_names()}
    assert OURS_ALONE | set(shared_names()) == set(models.list_models())


def test_auxiliary_head_of_inception_is_never_run(zero_weights):
    ops = [[node.op for node in trace(inception_v3(aux_logits=aux), (3, 299, 299)).nodes] for aux in (True, False)]
    assert ops[0] == ops[1]


@pytest.mark.parametrize("alpha", [0, -1.0, float("nan")])
def test_bad_width(alpha):
    with pytest.raises(ValueError, match="alpha should be greater than 0"):
        models.MNASNet(alpha)
