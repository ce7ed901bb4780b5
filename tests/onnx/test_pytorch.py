"""Models as PyTorch's exporter writes them, with open batch and image sizes: the same answers as ONNX Runtime, for several shapes.

Its exporter spells things out in its own way: shapes through Shape, Gather, Concat and Slice, activations as several nodes, constants as
nodes.
"""

import io
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import cyconv
from benchmarks.families.torch_networks import random_state
from tests.onnx.helpers import random, run_onnxruntime


def block(ci, co):
    layers = [nn.Conv2d(ci, co, 3, padding=1), nn.BatchNorm2d(co), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers, nn.Conv2d(co, co, 3, padding=1), nn.InstanceNorm2d(co, affine=True), nn.SiLU())


class UNet(nn.Module):
    """Segmentation: down and up again, by transposed convolution and by resizing to the size of an earlier map."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.middle = block(3, 8), block(8, 16), block(16, 24)
        self.up, self.up1, self.up2 = nn.ConvTranspose2d(24, 16, 2, 2), block(32, 16), block(24, 8)
        self.last = nn.Conv2d(8, 5, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        y = self.up1(torch.cat([self.up(self.middle(F.max_pool2d(b, 2))), b], 1))
        y = F.interpolate(y, size=a.shape[2:], mode="bilinear", align_corners=False)
        return self.last(self.up2(torch.cat([y, a], 1))).softmax(1)


class Detector(nn.Module):
    """Boxes: a pyramid of pools, and a head whose cells are shifted by a grid of the map's size."""

    def __init__(self):
        super().__init__()
        self.conv, self.head, self.pool = nn.Conv2d(3, 16, 6, 4, 2), nn.Conv2d(32, 21, 1), nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        a, b = F.silu(self.conv(x)).chunk(2, 1)
        y = self.head(torch.cat([a, b, self.pool(a), self.pool(self.pool(a))], 1))
        n, _, h, w = y.shape
        y = y.view(n, 3, 7, h, w).permute(0, 1, 3, 4, 2).contiguous()
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        grid = torch.stack([columns, rows], 2).float()[None, None]
        places = (y[..., :2].sigmoid() * 2 - 0.5 + grid) * 4
        return torch.cat([places, (y[..., 2:4].sigmoid() * 2) ** 2, y[..., 4:].sigmoid()], 4).view(n, -1, 7)


class Signal(nn.Module):
    """One dimension, with squeeze and excitation."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.up = nn.Conv1d(4, 8, 5, 2, 2), nn.BatchNorm1d(8), nn.ConvTranspose1d(8, 4, 4, 2, 1)

    def forward(self, x):
        y = F.gelu(self.norm(self.conv(x)))
        y = y * torch.sigmoid(y.mean(2, keepdim=True))
        return F.elu(self.up(F.avg_pool1d(y, 3, 2, 1)))


class Volume(nn.Module):
    """Three dimensions."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.up = nn.Conv3d(2, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ConvTranspose3d(8, 4, 2, 2)

    def forward(self, x):
        y = self.up(self.norm(F.max_pool3d(F.relu(self.conv(x)), 2)))
        return F.avg_pool3d(F.interpolate(y, scale_factor=2, mode="nearest"), 2).flatten(2).mean(2)


class Attention(nn.Module):
    """Patches that look at each other."""

    def __init__(self):
        super().__init__()
        self.patches, self.norm, self.qkv = nn.Conv2d(3, 32, 8, 8), nn.LayerNorm(32), nn.Linear(32, 96)
        self.first, self.last = nn.Parameter(torch.zeros(1, 1, 32)), nn.Linear(32, 10)

    def forward(self, x):
        t = self.patches(x).flatten(2).transpose(1, 2)
        t = torch.cat([self.first.expand(t.shape[0], -1, -1), t], 1)
        n, length, d = t.shape
        q, k, v = self.qkv(self.norm(t)).reshape(n, length, 3, 4, 8).permute(2, 0, 3, 1, 4)
        mixed = ((q @ k.transpose(-2, -1)) * 8**-0.5).softmax(-1) @ v
        return self.last((t + mixed.transpose(1, 2).reshape(n, length, d))[:, 0])


class Rest(nn.Module):
    """What the others lack, with several outputs."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 8, 3, padding=1), nn.PReLU(8)

    def forward(self, x):
        y = F.pixel_shuffle(F.pad(self.act(self.conv(x)), (1, 2, 3, 0), mode="reflect"), 2)
        y = torch.where(y > 0, y, torch.exp(y) - 1).clamp(-1, 2)
        z = F.hardswish(y) + F.mish(y) + F.softplus(y) + F.hardtanh(y)
        return *y.topk(2, dim=1), F.adaptive_avg_pool2d(y, 1), F.interpolate(F.normalize(z), scale_factor=2.0, mode="bicubic"), y.argmax(1)


# An input, and a larger one; the sizes that differ are open.
CASES = {
    "segmentation": (UNet, (1, 3, 32, 48), (2, 3, 48, 40)),
    "detection": (Detector, (1, 3, 64, 64), (2, 3, 80, 96)),
    "signal": (Signal, (1, 4, 40), (3, 4, 55)),
    "volume": (Volume, (1, 2, 8, 8, 8), (2, 2, 12, 10, 8)),
    "attention": (Attention, (1, 3, 64, 64), (3, 3, 64, 64)),
    "rest": (Rest, (1, 3, 16, 20), (2, 3, 16, 20)),
}


def exported(net: nn.Module, shape, open_axes) -> bytes:
    """The model that PyTorch makes of ``net`` with random weights."""
    state = random_state(net, 1)
    for name, tensor in net.eval().state_dict().items():
        tensor.copy_(torch.from_numpy(state[name]))
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {axis: f"size{axis}" for axis in open_axes}
        torch.onnx.export(net, (torch.zeros(shape),), file, dynamo=False, input_names=["x"], dynamic_axes={"x": names}, opset_version=17)
    return file.getvalue()


@pytest.mark.parametrize("name", CASES)
def test_same_answers_as_onnx_runtime(name):
    make, *shapes = CASES[name]
    open_axes = [axis for axis, sizes in enumerate(zip(*shapes, strict=True)) if len(set(sizes)) > 1]
    data = exported(make(), shapes[0], open_axes)
    net = cyconv.load_onnx(data)
    for shape in shapes:
        x = random(*shape, seed=2)
        got = net(x)
        for a, b in zip(got if isinstance(got, tuple) else (got,), run_onnxruntime(data, {"x": x}), strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert b.std() > 0
            assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()
