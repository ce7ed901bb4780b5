"""Summaries: counts against PyTorch and published totals, receptive fields against gradients, and what is said of the conventions."""

import numpy as np
import pytest
import torch

import cyconv.functional as F
from cyconv import models, nn
from cyconv.summarize import summary

# torchvision publishes parameters and multiply-adds (in units of 1e9, three decimals) of its networks.
TORCHVISION = {"alexnet": (61_100_840, 0.714), "googlenet_bn": (6_624_904, 1.498)}
OTHERS = [
    "alexnet_two_tower",
    "convnext_tiny",
    "densenet121",
    "digits",
    "googlenet",
    "inception_v3",
    "lenet",
    "mobilenet_v3_small",
    "resnet18",
]


def by_name(model, shape) -> dict[str, dict]:
    return {record["name"]: record for record in summary(model, shape).records}


def test_the_lecture_example():
    record = summary(nn.Conv2d(128, 64, 3, padding=1), (128, 56, 56)).records[0]
    assert record["weights"] == 73_728
    assert record["bias"] == 64
    assert record["parameters"] == 73_792
    assert record["macs"] == 73_728 * 56 * 56
    assert record["output_shape"] == (1, 64, 56, 56)


@pytest.mark.parametrize("name", [*TORCHVISION, *OTHERS])
def test_totals(name):
    net = models.get_model(name)
    result = summary(net, models.INPUT_SHAPES[name])
    assert result.parameters + result.unused_parameters == sum(p.size for p in net.parameters())
    assert result.parameters == result.weights + result.biases == sum(r["parameters"] or 0 for r in result.records)
    assert result.macs == sum(r["macs"] for r in result.records)
    if name in TORCHVISION:
        assert (result.parameters, round(result.macs / 1e9, 3)) == TORCHVISION[name]


def test_records_of_alexnet():
    rows = by_name(models.alexnet_two_tower(), (3, 224, 224))
    conv2 = rows["conv2"]
    assert conv2 == {
        "name": "conv2",
        "op": "conv2d",
        "output_shape": (1, 256, 27, 27),
        "kernel": (5, 5),
        "stride": (1, 1),
        "weights": 307_200,
        "bias": 256,
        "parameters": 307_456,
        "macs": 307_200 * 27 * 27,
        "receptive_field": (51, 51),
        "jump": (8, 8),
    }
    assert (rows["pool1"]["kernel"], rows["pool1"]["stride"], rows["pool1"]["weights"], rows["pool1"]["macs"]) == ((3, 3), (2, 2), None, 0)
    assert rows["pool5"]["receptive_field"] == (195, 195)
    assert rows["fc6"]["receptive_field"] == rows["fc8"]["receptive_field"] == (195 + 5 * 32, 195 + 5 * 32)


def test_batch_is_optional():
    net = models.lenet()
    one, eight = summary(net, (1, 32, 32)), summary(net, [8, 1, 32, 32])
    assert one.records == summary(net, (1, 1, 32, 32)).records
    assert eight.macs == 8 * one.macs
    assert eight.parameters == one.parameters
    assert eight.records[0]["output_shape"] == (8, 6, 28, 28)


def test_signals_and_features():
    signal = nn.Sequential(nn.Conv1d(4, 6, 5, stride=2, dilation=3), nn.ReLU())
    for shape in [(4, 100), (1, 4, 100)]:
        record = next(r for r in summary(signal, shape).records if r["op"] == "conv2d")
        assert (record["weights"], record["bias"], record["macs"]) == (120, 6, 120 * 44)
        assert record["receptive_field"] == (1, 13)
        assert record["jump"] == (1, 2)
    dense = nn.Sequential(nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2, bias=False))
    assert [r["macs"] for r in summary(dense, (12,)).records] == [60, 0, 10]
    assert summary(dense, (7, 12)).macs == 7 * 70
    assert summary(dense, (12,)).biases == 5


def test_batch_norm():
    affine, plain = nn.BatchNorm2d(6), nn.BatchNorm2d(6, affine=False)
    assert [summary(net, (6, 4, 4)).parameters for net in (affine, plain)] == [12, 0]


class Shared(nn.Module):
    """One convolution used twice, and a head that forward leaves out."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.head = nn.Linear(7, 5)

    def forward(self, x):
        return self.conv(self.conv(x))


def test_shared_and_unused_parameters():
    result = summary(Shared(), (3, 8, 8))
    assert [r["parameters"] for r in result.records] == [84, 0]
    assert [r["macs"] for r in result.records] == [81 * 64] * 2
    assert result.parameters == 84
    assert result.unused_parameters == 40
    assert "Besides, 40 parameters that inference never reads." in str(result)


class Parallel(nn.Module):
    """Two paths that see differently much."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(2, 2, (7, 3), padding=(3, 1))
        self.high = nn.Conv2d(2, 2, (1, 9), padding=(0, 4))
        self.after = nn.Conv2d(4, 1, 3)

    def forward(self, x):
        return self.after(F.cat([self.wide(x), self.high(x)], 1))


def test_receptive_field_of_parallel_paths():
    rows = by_name(Parallel(), (2, 20, 20))
    assert rows["wide"]["receptive_field"] == (7, 3)
    assert rows["high"]["receptive_field"] == (1, 9)
    assert rows["cat"]["receptive_field"] == (7, 9)
    assert rows["after"]["receptive_field"] == (9, 11)


def random_chain(rng) -> list[tuple[str, dict]]:
    """Layers with random windows, as name and arguments that both libraries understand."""
    chain = []
    for _ in range(rng.integers(1, 5)):
        kind = rng.choice(["Conv2d", "MaxPool2d", "AvgPool2d"])
        options = {"kernel_size": tuple(map(int, rng.integers(1, 4, 2))), "stride": tuple(map(int, rng.integers(1, 3, 2)))}
        if kind == "Conv2d":
            options |= {"in_channels": 1, "out_channels": 1, "bias": False}
        if kind != "AvgPool2d":
            options["dilation"] = tuple(map(int, rng.integers(1, 4, 2)))
        chain.append((str(kind), options))
    return chain


def seen_by(model: torch.nn.Module, size: int, cell: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row and column of the input whose change changes one output cell."""
    x = torch.zeros(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    model(x)[0, 0, cell[0], cell[1]].backward()
    rows, columns = np.nonzero(x.grad[0, 0].numpy())
    return (int(rows.min()), int(rows.max())), (int(columns.min()), int(columns.max()))


@pytest.mark.parametrize("seed", range(25))
def test_receptive_field_is_where_gradients_reach(seed):
    chain, size = random_chain(np.random.default_rng(seed)), 96
    layers = []
    for kind, options in chain:
        if kind == "Conv2d":
            layers.append(torch.nn.Conv2d(**options).double())
            torch.nn.init.ones_(layers[-1].weight)
        else:  # a maximum passes its gradient to one cell only; a sum has the same window
            pool = {"kernel_size": options["kernel_size"], "stride": options["stride"]}
            dilation = options.get("dilation", (1, 1))
            conv = torch.nn.Conv2d(1, 1, **pool, dilation=dilation, bias=False).double()
            torch.nn.init.ones_(conv.weight)
            layers.append(conv)
    model = torch.nn.Sequential(*layers)
    last = summary(nn.Sequential(*(getattr(nn, kind)(**options) for kind, options in chain)), (1, size, size)).records[-1]
    (top, bottom), (left, right) = seen_by(model, size, (1, 1))
    assert last["receptive_field"] == (bottom - top + 1, right - left + 1)
    (next_top, _), (next_left, _) = seen_by(model, size, (2, 2))
    assert last["jump"] == (next_top - top, next_left - left)


def test_adaptive_pooling():
    rows = summary(nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d((4, 1))), (1, 12, 9)).records
    assert (rows[1]["kernel"], rows[1]["stride"]) == ((3, 7), (2.5, 7))
    assert rows[1]["receptive_field"] == (3 + 2, 3 + 6)
    assert rows[1]["jump"] == (2.5, 7)


def test_it_says_how_it_counts():
    result = summary(models.lenet(), (1, 32, 32))
    for text in (str(result), result.to_markdown()):
        assert "Multiply-adds: one for each product" in text
        assert "Additions of biases, pooling, normalisation, activations and softmax are not counted." in text
        assert "Weights and biases are counted apart" in text
        assert "Total: 61,706 parameters (61,470 weights, 236 biases), 416,520 multiply-adds for an input of 1×1×32×32." in text
    lines = str(result).splitlines()
    assert " ".join(lines[0].split()) == "layer op output kernel stride weights bias multiply-adds receptive field jump"
    assert " ".join(lines[2].split()) == "conv1 conv2d 1×6×28×28 5×5 1×1 150 6 117,600 5×5 1×1"


def test_training_mode_is_left_as_it_was():
    net = models.googlenet(num_classes=3)
    net.train()
    net.inception3a.eval()
    before = [module.training for module in net.modules()]
    summary(net, (3, 224, 224))
    assert [module.training for module in net.modules()] == before
    assert net.training
    assert not net.inception3a.training


def test_compiled_plans_are_kept():
    net = models.lenet()
    net(np.zeros((1, 1, 32, 32), np.float32))
    plan = net._plans.plan(net, ((1, 1, 32, 32),), pytest.fail)
    summary(net, (1, 32, 32))
    assert net._plans.plan(net, ((1, 1, 32, 32),), pytest.fail) is plan


def test_volumes_and_transposed_convolutions():
    """Receptive fields along slices, rows and columns; a transposed convolution with stride 2 halves the jump."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv3d(2, 8, 3, (1, 2, 2), 1)
            self.pool = nn.MaxPool3d(2)
            self.up = nn.ConvTranspose3d(8, 4, 4, 2, 1)
            self.fc = nn.Linear(4 * 8 * 8 * 8, 5)

        def forward(self, x):
            return self.fc(F.flatten(self.up(self.pool(self.conv(x))), 1))

    result = summary(Net(), (2, 8, 16, 16))
    rows = {r["name"]: r for r in result.records}
    assert [rows[name]["receptive_field"] for name in ("conv", "pool", "up")] == [(3, 3, 3), (4, 5, 5), (6, 9, 9)]
    assert [rows[name]["jump"] for name in ("conv", "pool", "up")] == [(1, 2, 2), (2, 4, 4), (1, 2, 2)]
    assert rows["fc"]["receptive_field"] == (13, 23, 23)
    assert rows["up"]["kernel"] == (4, 4, 4) and rows["up"]["weights"] == 8 * 4 * 64 and rows["up"]["bias"] == 4
    assert rows["up"]["macs"] == 8 * 4 * 4 * 4 * 4 * 64 and rows["conv"]["macs"] == 8 * 8 * 8 * 8 * 2 * 27


def test_nothing_to_count():
    result = summary(nn.Identity(), (3, 4, 4))
    assert (result.records, result.parameters, result.macs) == ([], 0, 0)


@pytest.mark.parametrize(
    ("shape", "error", "words"),
    [
        ((4, 224, 224), ValueError, "does not take 4×224×224: .* 3 channels, but got 4"),
        ((3, 20, 20), ValueError, "does not take 3×20×20"),
        ((3, -1, 20), ValueError, "input_shape"),
        ((3, 224.0, 224), TypeError, "input_shape"),
        (224, TypeError, "input_shape"),
    ],
)
def test_shapes_that_are_refused(shape, error, words):
    with pytest.raises(error, match=words):
        summary(models.alexnet(10), shape)


def test_models_that_are_none():
    with pytest.raises(TypeError, match=r"model must be a cyconv\.nn\.Module, got function"):
        summary(models.alexnet, (3, 224, 224))
