"""The layer tables that benchmarks use are those of the traced networks."""

import pytest

from benchmarks.layers import CONVS, LINEARS, Conv, Linear
from cyconv.models import INPUT_SHAPES, get_model
from cyconv.ops import OPS
from cyconv.summarize import trace

NETWORKS = ["alexnet", "alexnet_two_tower", "digits", "googlenet", "lenet"]
NETWORKS += ["vgg16", "resnet18", "resnet50", "squeezenet1_1", "mobilenet_v2"]
PARTS = {
    "branch1.conv": "1x1",
    "branch2.0.conv": "3x3_reduce",
    "branch2.1.conv": "3x3",
    "branch3.0.conv": "5x5_reduce",
    "branch3.1.conv": "5x5",
    "branch4.1.conv": "pool_proj",
}
# torchvision numbers the layers of its AlexNet; the tables name them as the lecture does.
ALEXNET = dict(
    zip(
        ["features.0", "features.3", "features.6", "features.8", "features.10", "classifier.1", "classifier.4", "classifier.6"],
        ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"],
        strict=True,
    )
)


def table_name(network: str, path: str) -> str:
    """The name in the tables of the layer at ``path``."""
    if path.startswith("inception"):
        module, _, part = path.removeprefix("inception").partition(".")
        return f"{network}/{module}/{PARTS[part]}"
    names = ALEXNET if network == "alexnet" else {}
    return f"{network}/{names.get(path, path.removesuffix('.conv'))}"


def traced(network: str) -> dict:
    """Convolutions and linear layers of a traced network, in running order, and their multiply-adds as the op counts them."""
    found = {}
    for node in trace(get_model(network), INPUT_SHAPES[network]).nodes:
        if node.op == "conv2d":
            (n, ci, h, w), (co, _, kh, kw), a = node.inputs[0].shape, node.inputs[1].shape, node.attrs
            top, bottom, left, right = a["padding"]
            assert (top, left) == (bottom, right)
            layer = Conv(n, ci, co, h, w, kh, kw, *a["stride"], top, left, *a["dilation"], a["groups"])
        elif node.op == "linear":
            layer = Linear(node.inputs[0].shape[0], *node.inputs[1].shape)
        else:
            continue
        macs = OPS[node.op].macs([v.shape for v in node.inputs], [node.outputs[0].shape], node.attrs)
        found[table_name(network, node.name)] = layer, macs, node.outputs[0].shape
    return found


@pytest.mark.parametrize("network", NETWORKS)
def test_tables_are_the_traced_networks(network):
    found = traced(network)
    tables = {name: layer for name, layer in (CONVS | LINEARS).items() if name.startswith(f"{network}/")}
    assert list(tables) == list(found)
    for name, (layer, macs, output) in found.items():
        assert tables[name] == layer, name
        assert tables[name].macs == macs, name
        if isinstance(layer, Conv):
            assert (1, layer.co, layer.oh, layer.ow) == output, name


def test_nothing_else_is_in_the_tables():
    assert {name.split("/")[0] for name in CONVS | LINEARS} == set(NETWORKS)
    assert len(CONVS) == 2 + 3 + 5 + 5 + 57 + 13 + 20 + 53 + 26 + 52
