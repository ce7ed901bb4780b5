"""Both GoogLeNets against PyTorch, torchvision's key names, and the options."""

import numpy as np
import pytest
import torch

from cyconv.models import googlenet, googlenet_bn
from cyconv.models.googlenet import InceptionAux
from cyconv.summarize import trace
from tests.models import torch_models


def ops(net) -> list[str]:
    return [node.op for node in trace(net, (3, 224, 224)).nodes]


@pytest.mark.parametrize("lrn", [True, False])
def test_googlenet_agrees_with_torch(lrn):
    torch_models.assert_agrees(googlenet(lrn=lrn), torch_models.GoogLeNet(False, lrn=lrn), (2, 3, 224, 224), seed=5)


@pytest.mark.parametrize(
    ("input_shape", "options"),
    [
        ((2, 3, 224, 224), {"aux_logits": True, "transform_input": True}),
        ((3, 3, 97, 131), {"aux_logits": False}),
        ((2, 3, 15, 40), {"aux_logits": False}),
    ],
    ids=str,
)
def test_googlenet_bn_agrees_with_torch(input_shape, options):
    torch_models.assert_agrees(googlenet_bn(**options), torch_models.GoogLeNet(True, **options), input_shape, seed=6)


def test_auxiliary_head_agrees_with_torch():
    torch_models.assert_agrees(InceptionAux(512, 100, 0.7), torch_models.aux(512, 100), (2, 512, 14, 14), seed=7)


def test_torchvision_keys():
    digest, known = torch_models.keys_digest, torch_models.TORCHVISION_KEYS
    assert digest(googlenet_bn().state_dict()) == known["googlenet_bn"]
    assert digest(googlenet_bn(aux_logits=False).state_dict()) == known["googlenet_bn without aux"]


def test_a_checkpoint_loads():
    """torch.save → the conversion that the documentation gives → load_state_dict, with the auxiliary heads and their counters."""
    state = torch_models.GoogLeNet(True, aux_logits=True).state_dict()
    net = googlenet_bn()
    net.load_state_dict({name: value.numpy() for name, value in state.items()})
    assert np.array_equal(net.inception5b.branch4[1].conv.weight, state["inception5b.branch4.1.conv.weight"].numpy())
    assert torch.equal(torch.tensor(net.aux2.conv.bn.num_batches_tracked), state["aux2.conv.bn.num_batches_tracked"])


def test_auxiliary_heads_are_never_run():
    assert ops(googlenet_bn()) == ops(googlenet_bn(aux_logits=False))


def test_options_of_googlenet():
    plain = [op for op in ops(googlenet()) if op != "local_response_norm"]
    assert ops(googlenet()).count("local_response_norm") == 2
    assert ops(googlenet(lrn=False)) == plain
    assert ops(googlenet(softmax=True)) == [*ops(googlenet()), "softmax"]
    assert googlenet(dropout=0.1).dropout.p == 0.1


def test_norms_stand_where_the_paper_has_them():
    names = [node.name for node in trace(googlenet(), (3, 224, 224)).nodes]
    before = {name: names[names.index(name) - 1] for name in ("norm1", "norm2")}
    assert before == {"norm1": "maxpool1", "norm2": "conv3.relu"}


def test_softmax_gives_probabilities():
    net = googlenet(num_classes=12, softmax=True)
    y = net(np.random.default_rng(0).standard_normal((2, 3, 224, 224), np.float32))
    assert y.shape == (2, 12)
    assert np.allclose(y.sum(1), 1, atol=12 * np.finfo(np.float32).eps)


def test_transform_input_is_an_option():
    assert ops(googlenet_bn(transform_input=True)) == ["mul", "add", *ops(googlenet_bn())]
