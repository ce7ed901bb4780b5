"""What is promised of weights in bfloat16: the two error bounds, and that their tests hold on every instruction set."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cyconv
from cyconv import functional as F
from cyconv._kernels import cpu
from cyconv.bfloat16 import ERROR_BOUND, UNIT
from cyconv.graph.compile import compile_function
from tests.test_promises_winograd import DATA

LAYERS = [(4096, 100), (9216, 16), (513, 77), (16, 300), (1, 999)]  # inputs and outputs


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_error_bounds(layer, data):
    """Of each output always, of the layer as a whole on random weights."""
    k, m = layer
    rng = np.random.default_rng([k, m, list(DATA).index(data)])
    x = DATA[data](rng, (4, k, 1, 1)).reshape(4, k).astype(np.float32)
    weight = (rng.standard_normal((m, k)) / np.sqrt(k)).astype(np.float32)
    y = compile_function(lambda t: F.linear(t, weight), [x.shape], ["x"], weights="bfloat16")(x)
    exact, magnitude = x.astype(np.float64) @ weight.T.astype(np.float64), np.abs(x).astype(np.float64) @ np.abs(weight.T)
    error = np.abs(y - exact)
    assert np.all(error <= (UNIT + (1 + UNIT) * k * 2.0**-24) * magnitude)
    assert ERROR_BOUND / 3 < np.linalg.norm(error) / np.linalg.norm(exact) <= ERROR_BOUND


@pytest.mark.parametrize("weight", [1 + 2.0**-8, 1 + 3 * 2.0**-8, -255.5])
def test_the_bound_is_reached(weight):
    """The weights that are rounded most: by half of the last place, towards an even one."""
    weights = np.full((2, 30), weight, np.float32)
    y = compile_function(lambda t: F.linear(t, weights), [(1, 30)], ["x"], weights="bfloat16")(np.ones((1, 30), np.float32))
    error = np.abs(y - 30 * weight) / (30 * abs(weight))
    assert UNIT / 2.1 < error.max() <= UNIT


@pytest.mark.parametrize("isa", [isa for isa in cpu.runnable_isas() if isa != cyconv.isa()])
def test_on_other_instruction_sets(isa):
    if os.environ.get("CYCONV_ISA"):
        pytest.skip("this process is one of them")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not error_bounds or gaussian"]
    command += ["tests/graph/test_bfloat16_weights.py", "tests/drivers/test_movement.py", "tests/test_promises_bfloat16.py"]
    root = Path(__file__).resolve().parents[1]
    run = subprocess.run(command, cwd=root, env={**os.environ, "CYCONV_ISA": isa}, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stdout[-3000:]
