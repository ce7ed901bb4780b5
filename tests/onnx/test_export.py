"""Networks written as ONNX files: ONNX Runtime gives the same answers, and reading them back gives the same bits."""

import numpy as np
import onnx
import pytest

import cyconv
from cyconv import functional as F
from cyconv import models, nn
from cyconv.graph.trace import apply
from cyconv.onnx import ModelError
from cyconv.onnx.writer import WRITERS
from cyconv.ops import OPS
from tests.onnx.helpers import random, run_onnxruntime, small_net

# One or two of each family, small ones; the image is small too, so that the whole takes seconds.
FAMILIES = {
    "alexnet": 64, "convnext_tiny": 32, "densenet121": 32, "efficientnet_b0": 32, "efficientnet_v2_s": 32, "googlenet": 224,
    "inception_v3": 75, "mnasnet0_5": 32, "mobilenet_v2": 32, "mobilenet_v3_small": 32, "regnet_x_400mf": 32, "regnet_y_400mf": 32,
    "resnet18": 32, "resnext50_32x4d": 32, "shufflenet_v2_x0_5": 32, "squeezenet1_1": 32, "vgg11_bn": 32,
}  # fmt: skip


def compare(net: nn.Module, path, shape, limit: float = 1e-5, bits: bool = True) -> None:
    """The file gives what ``net`` gives, for another batch size, in ONNX Runtime; read back it gives the same bits."""
    cyconv.export_onnx(net, path, shape)
    x = random(shape[0] + 1, *shape[1:], seed=1)
    y = net(x)
    data = path.read_bytes()
    expected = run_onnxruntime(data, {"input": x})
    outputs = y if isinstance(y, tuple) else (y,)
    for a, b in zip(outputs, expected, strict=True):
        largest = np.abs(b.astype(np.float64)).max()
        assert (a.dtype, a.shape) == (b.dtype, b.shape) and largest > 0
        assert np.abs(a.astype(np.float64) - b).max() <= limit * largest
    back = cyconv.load_onnx(path)
    again = back(x)
    for a, b in zip(outputs, again if isinstance(again, tuple) else (again,), strict=True):
        assert np.array_equal(a, b) or (not bits and np.abs(a - b).max() <= 1e-6 * np.abs(a).max())
    used = [key for key in net.state_dict() if "num_batches" not in key and "aux" not in key.lower()]
    assert set(used) <= set(back.state_dict())


FAST = {"densenet121", "mobilenet_v2", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1"}


@pytest.mark.parametrize("name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES])
def test_families(name, tmp_path):
    nn.init.manual_seed(0)
    compare(models.get_model(name), tmp_path / "net.onnx", (1, 3, FAMILIES[name], FAMILIES[name]))


def test_plans_are_the_same(tmp_path):
    """What is read back is fused, merged and concatenated as the network of layers is."""
    for name in ("googlenet", "resnet18", "efficientnet_b0"):
        net = models.get_model(name)
        cyconv.export_onnx(net, tmp_path / "net.onnx")
        plans = [cyconv.compile(n, (1, 3, 224, 224), num_threads=1) for n in (net, cyconv.load_onnx(tmp_path / "net.onnx"))]
        steps = [[(s["op"], s["shape"], s["layout"], s["algorithm"]) for s in plan.steps()] for plan in plans]
        assert steps[0] == steps[1]


LAYERS = {
    "Conv1d": (lambda: nn.Conv1d(3, 4, 3, padding=1, groups=1), (2, 3, 9)),
    "Conv2d same": (lambda: nn.Conv2d(4, 6, (3, 2), padding="same", dilation=2, groups=2), (2, 4, 9, 8)),
    "Conv2d circular": (lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular", bias=False), (2, 4, 9, 8)),
    "Linear 3-D": (lambda: nn.Linear(5, 4), (2, 3, 5)),
    "Linear 3-D, no bias": (lambda: nn.Linear(5, 4, bias=False), (2, 3, 5)),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 3, 8, 7)),
    "MaxPool2d indices": (lambda: nn.MaxPool2d(3, 2, return_indices=True), (2, 3, 8, 7)),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 8, 7)),
    "AvgPool2d divisor": (lambda: nn.AvgPool2d(2, divisor_override=3), (2, 3, 8, 7)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((3, 5)), (2, 3, 8, 7)),
    "AdaptiveAvgPool2d divides": (lambda: nn.AdaptiveAvgPool2d((4, 7)), (2, 3, 8, 7)),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((4, 1)), (2, 3, 8, 7)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3, eps=1e-3), (2, 3, 4, 4)),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3, 0.1), (2, 7, 4, 4)),
    "LayerNorm": (lambda: nn.LayerNorm((4, 5)), (2, 3, 4, 5)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 6), (2, 6, 4, 5)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(3, affine=True), (2, 3, 4, 5)),
    "PReLU": (lambda: nn.PReLU(3), (2, 3, 4, 5)),
    "PReLU one": (nn.PReLU, (2, 3)),
    "Softmax": (lambda: nn.Softmax(1), (2, 3, 4)),
    "LogSoftmax": (lambda: nn.LogSoftmax(-1), (2, 3, 4)),
    "GELU": (nn.GELU, (2, 30)),
    "GELU tanh": (lambda: nn.GELU("tanh"), (2, 30)),
    "Dropout": (nn.Dropout, (2, 30)),
    "Flatten": (nn.Flatten, (2, 3, 4, 5)),
} | {
    name: (getattr(nn, name), (2, 30))
    for name in ("ReLU", "ReLU6", "LeakyReLU", "ELU", "Sigmoid", "Tanh", "Hardswish", "Hardsigmoid", "SiLU")
}


ROUNDED = {"AvgPool2d divisor", "AdaptiveAvgPool2d"}  # ONNX has only a factor for the one and products with matrices for the other


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, tmp_path):
    make, shape = LAYERS[name]
    nn.init.manual_seed(1)
    compare(make(), tmp_path / "net.onnx", shape, bits=name not in ROUNDED)


class Apply(nn.Module):
    """One function of one input."""

    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x):
        return self.fn(x)


def op(name: str, **attrs):
    return lambda x: tuple(apply(name, [x], attrs)) if name == "topk" else apply(name, [x], attrs)[0]


INDEX = np.int64([[2, 0], [1, 1]])
FUNCTIONS = {
    "pad": lambda x: F.pad(x, (1, 2, -1, 0), value=1.5),
    "reflect": lambda x: F.pad(x, (1, 2, 1, 0), mode="reflect"),
    "slice": lambda x: x[:, 1:, ::2, -2],
    "permute": lambda x: F.permute(x, (0, 2, 3, 1)),
    "channel_shuffle": lambda x: F.channel_shuffle(F.cat([x, x], 1), 2),
    "arithmetic": lambda x: (x - 1.5) / (x * x + 1) + 2 - x**2,
    "comparisons": lambda x: (x > 0, x >= 0, x < 0, x <= 0, x == x, x != x * 2),
    "where": lambda x: apply("where", [x > 0, x, x * 2], {})[0],
    "cast": op("cast", dtype="int64"),
    "clip": op("clip", min=-0.5, max=np.inf),
    "mean": op("reduce_mean", dims=(1, 2), keepdim=False),
    "sum": op("reduce_sum", dims=(3,), keepdim=True),
    "max": op("reduce_max", dims=(0,), keepdim=False),
    "argmax": op("argmax", dim=2, keepdim=True),
    "topk": op("topk", k=2, dim=3, largest=True, sorted=True),
    "gather": lambda x: apply("gather", [x, INDEX], {"dim": 1})[0],
    "expand": lambda x: apply("expand", [F.reshape(x, (*x.shape[:3], 1, x.shape[3]))], {"shape": (*x.shape[:3], 2, x.shape[3])})[0],
    "tile": op("tile", repeats=(1, 2, 1, 3)),
    "interpolate": op("interpolate", dims=(2, 3), size=(7, 9), scales=None, mode="linear", coordinates="half_pixel", rounding="floor"),
    "softplus": op("softplus", beta=2.0, threshold=20.0),
    "an input as output": lambda x: (x, F.relu(x), x),
    "a constant as output": lambda x: (F.relu(x), x * 0 + np.float32(3)),
} | {name: op(name) for name in ("exp", "abs", "neg", "sign", "floor", "ceil", "erf", "selu", "mish")}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, tmp_path):
    compare(Apply(FUNCTIONS[name]), tmp_path / "net.onnx", (2, 3, 4, 5))


def test_windows_of_even_size(tmp_path):
    net = nn.LocalResponseNorm(2, 0.5)
    cyconv.export_onnx(net, tmp_path / "net.onnx", (2, 7, 4))
    x = random(2, 7, 4)
    assert np.array_equal(cyconv.load_onnx(tmp_path / "net.onnx")(x), net(x))  # ONNX Runtime refuses even sizes


def test_there_is_a_writer_for_every_op():
    assert set(OPS) <= set(WRITERS)


def test_a_loaded_model_is_written_with_its_names(tmp_path):
    net = cyconv.load_onnx(small_net(9, 7))
    cyconv.export_onnx(net, tmp_path / "again.onnx")
    graph = onnx.load(tmp_path / "again.onnx").graph
    assert [v.name for v in graph.input] == ["x"] and [v.name for v in graph.output] == ["y"]
    assert {"conv", "bn", "features/relu.0", "pool", "flat"} <= {name for node in graph.node for name in node.output}
    x = random(3, 3, 9, 7)
    assert np.array_equal(cyconv.load_onnx(tmp_path / "again.onnx")(x), net(x))
    with pytest.raises(ValueError, match="leaves sizes open"):
        cyconv.export_onnx(cyconv.load_onnx(small_net()), tmp_path / "again.onnx")


def test_the_batch_is_fixed_where_the_network_depends_on_it(tmp_path):
    def mixed(x):
        return F.reshape(x, (x.shape[0] * 3, 20)) * np.arange(x.shape[0] * 3, dtype=np.float32).reshape(-1, 1)

    for fn, expected in ((mixed, 2), (F.relu, "batch")):
        cyconv.export_onnx(Apply(fn), tmp_path / "net.onnx", (2, 3, 4, 5))
        dim = onnx.load(tmp_path / "net.onnx").graph.input[0].type.tensor_type.shape.dim[0]
        assert expected == (dim.dim_param or dim.dim_value)


def test_what_cannot_be_written(tmp_path):
    net = Apply(lambda x: F.adaptive_max_pool2d(x, 3))
    with pytest.raises(ModelError, match=r"1 op\(s\) .*\n.*adaptive pooling from \[4, 5\] to \[3, 3\]"):
        cyconv.export_onnx(net, tmp_path / "net.onnx", (2, 3, 4, 5))
    with pytest.raises(ModelError, match="No such file"):
        cyconv.export_onnx(Apply(F.relu), tmp_path / "missing" / "net.onnx", (2, 3))
    with pytest.raises(TypeError, match="Module"):
        cyconv.export_onnx(F.relu, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
