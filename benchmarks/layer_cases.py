"""One layer of benchmarks/layers.py as a plan of its own, NCHW in and out: data, float64 answer, case.

Uses the public interface only, so that it measures any version. Called by bench_layers.py.
"""

from __future__ import annotations

import numpy as np

import cyconv
from benchmarks.cases import Arrays, Case, Kind, numbers
from benchmarks.layers import CONVS, LINEARS, Conv
from benchmarks.reference import Work
from benchmarks.setting import threads
from cyconv import nn

# Of Winograd's algorithm; cyconv.winograd states bounds of at most 6e-6, and a single wrong pixel of the largest layer gives 1e-3.
MAX_ERROR = 1e-5


def convolve(x: np.ndarray, weight: np.ndarray, conv: Conv) -> np.ndarray:
    """The convolution in float64, by patches and matrix products."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (conv.ph, conv.ph), (conv.pw, conv.pw)))
    reach = ((conv.kh - 1) * conv.dh + 1, (conv.kw - 1) * conv.dw + 1)
    patches = np.lib.stride_tricks.sliding_window_view(padded, reach, (2, 3))
    patches = patches[:, :, :: conv.sh, :: conv.sw, :: conv.dh, :: conv.dw]
    grouped = patches.reshape(conv.n, conv.g, conv.ci // conv.g, *patches.shape[2:])
    w = weight.astype(np.float64).reshape(conv.g, conv.co // conv.g, conv.ci // conv.g, conv.kh, conv.kw)
    parts = [np.tensordot(w[g], grouped[:, g], ((1, 2, 3), (1, 4, 5))) for g in range(conv.g)]  # [co_g, n, oh, ow]
    return np.concatenate(parts).swapaxes(0, 1)


def conv_data(name: str) -> Arrays:
    """Input, weight, bias and output of a convolution."""
    conv = CONVS[name]
    x = numbers(name, "input", (conv.n, conv.ci, conv.h, conv.w))
    weight = numbers(name, "weight", (conv.co, conv.ci // conv.g, conv.kh, conv.kw))
    bias = numbers(name, "bias", conv.co)
    expected = convolve(x, weight, conv) + bias.reshape(-1, 1, 1)
    return {"input": x, "weight": weight, "bias": bias, "expected": expected, "error": np.array(MAX_ERROR)}


def linear_data(name: str) -> Arrays:
    """Input, weight, bias and output of a linear layer."""
    layer = LINEARS[name]
    x, weight = numbers(name, "input", (layer.n, layer.k)), numbers(name, "weight", (layer.m, layer.k))
    bias = numbers(name, "bias", layer.m)
    expected = x.astype(np.float64) @ weight.T.astype(np.float64) + bias
    return {"input": x, "weight": weight, "bias": bias, "expected": expected, "error": np.array(MAX_ERROR)}


def conv_case(name: str, data: Arrays) -> Case:
    """The convolution as a layer."""
    c = CONVS[name]
    geometry = {"stride": (c.sh, c.sw), "padding": (c.ph, c.pw), "dilation": (c.dh, c.dw), "groups": c.g}
    return module_case(nn.Conv2d(c.ci, c.co, (c.kh, c.kw), **geometry), data, Work(macs=c.macs))


def linear_case(name: str, data: Arrays) -> Case:
    """The linear layer; at batch 1 it is as fast as its weights are read."""
    layer = LINEARS[name]
    return module_case(nn.Linear(layer.k, layer.m), data, Work(bytes=4 * layer.m * layer.k))


def module_case(module: nn.Module, data: Arrays, work: Work) -> Case:
    """A module with the data's weights, compiled for the data's input."""
    module.load_state_dict({"weight": data["weight"], "bias": data["bias"]})
    x = data["input"]
    plan = cyconv.compile(module, x.shape, num_threads=threads())
    out = plan(x)

    def run(times: int) -> None:
        for _ in range(times):
            plan(x, out=out)

    return Case(run, lambda: out, work)


def kind_of(name: str) -> Kind:
    """How the layer of this name is made."""
    return Kind(linear_data, linear_case) if name in LINEARS else Kind(conv_data, conv_case)
