"""What is promised of Winograd's algorithm: the error bound of each kind, and that its tests hold on every instruction set."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cyconv
from cyconv import functional as F
from cyconv._kernels import cpu
from cyconv.graph.compile import compile_function
from cyconv.ops import OPS
from cyconv.winograd import ALL

KINDS = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
LAYERS = {  # n, ci, co, size: of GoogLeNet, AlexNet and ResNet, some with fewer output channels
    "googlenet/conv3": (1, 64, 16, 56),
    "googlenet/3b": (1, 128, 20, 28),
    "alexnet/conv5": (1, 256, 24, 13),
    "resnet/stage 4": (1, 512, 32, 7),
    "few channels": (1, 5, 19, 30),
}


def gaussian(rng, shape):
    return rng.standard_normal(shape)


DATA = {  # of the input; weights are gaussian
    "gaussian": gaussian,
    "after a ReLU": lambda rng, shape: np.maximum(gaussian(rng, shape), 0),
    "pixels": lambda rng, shape: rng.random(shape),
    "heavy tails": lambda rng, shape: gaussian(rng, shape) * np.exp(gaussian(rng, shape)),
    "channels of all sizes": lambda rng, shape: gaussian(rng, shape) * np.exp(2 * gaussian(rng, (1, shape[1], 1, 1))),
    "smooth": lambda rng, shape: np.broadcast_to(gaussian(rng, (*shape[:2], 1, 1)) + 0.1 * np.arange(shape[3]), shape),
}


@KINDS
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("layer", LAYERS)
def test_error_bound(kind, layer, data):
    n, ci, co, size = LAYERS[layer]
    rng = np.random.default_rng([kind.index, ci, list(DATA).index(data)])
    x = DATA[data](rng, (n, ci, size, size)).astype(np.float32)
    weight = (gaussian(rng, (co, ci, kind.r, kind.r)) * np.sqrt(2 / (ci * kind.r**2))).astype(np.float32)
    pad = kind.r // 2
    attrs = {"stride": (1, 1), "padding": (pad,) * 4, "dilation": (1, 1), "groups": 1}
    exact = OPS["conv2d"].reference([x.astype(np.float64), weight.astype(np.float64)], attrs)[0]
    y = compile_function(lambda t: F.conv2d(t, weight, padding=pad), [x.shape], ["x"], winograd=kind.name)(x)
    error = np.linalg.norm(y - exact) / np.linalg.norm(exact)
    assert 0 < error <= kind.error_bound


@pytest.mark.parametrize("isa", [isa for isa in cpu.runnable_isas() if isa != cyconv.isa()])
def test_on_other_instruction_sets(isa):
    """The same bits, exact integers and error bounds, in a process of each instruction set."""
    if os.environ.get("CYCONV_ISA"):
        pytest.skip("this process is one of them")
    files = [f"tests/{name}.py" for name in ("drivers/test_winograd", "graph/test_lower_winograd", "test_promises_winograd")]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not error_bound or gaussian", *files]
    root = Path(__file__).resolve().parents[1]
    run = subprocess.run(command, cwd=root, env={**os.environ, "CYCONV_ISA": isa}, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stdout[-3000:]
