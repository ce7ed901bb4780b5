"""Whole networks with seeded weights at batch 1: data, checked answer, case. Called by bench_networks.py and bench_overhead.py."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np

import cyconv
from benchmarks.cases import Arrays, Case, Kind, WrongAnswer, numbers
from benchmarks.layers import CONVS, LINEARS
from benchmarks.reference import Work, kept
from benchmarks.setting import threads
from cyconv import models

# Each layer adds at most 1e-5 (layer_cases.py); GoogLeNet's longest path has 22 layers, ResNet-50's 54. Measured: 1e-6.
MAX_ERROR = 1e-4


def network(name: str) -> cyconv.nn.Module:
    """The network, with the same weights in every process."""
    cyconv.nn.init.manual_seed(0)
    return models.get_model(name).eval()


def shape_of(name: str) -> tuple[int, ...]:
    """The input at batch 1."""
    return (1, *models.INPUT_SHAPES[name])


def work_of(name: str) -> Work:
    """Multiply-adds of the convolutions, and bytes of the linear layers' weights."""
    convs = sum(conv.macs for layer, conv in CONVS.items() if layer.startswith(f"{name}/"))
    return Work(convs, sum(4 * layer.m * layer.k for path, layer in LINEARS.items() if path.startswith(f"{name}/")))


def answer(net: cyconv.nn.Module, x: np.ndarray) -> np.ndarray:
    """What a network makes of an image. Evaluation in float64 must confirm it once; then it is kept for these weights and this image."""
    digest = hashlib.sha256(x)
    for key, array in net.state_dict().items():
        digest.update(key.encode())
        digest.update(np.ascontiguousarray(array))
    path = kept() / f"answer-{digest.hexdigest()[:16]}.npy"
    if not path.exists():
        plan = cyconv.compile(net, x.shape, num_threads=threads())
        error = plan.accuracy(x).records[-1]["l2"]
        if not error <= MAX_ERROR:
            raise WrongAnswer(f"relative error {error:.1e} of a network, at most {MAX_ERROR:.1e} is expected")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            np.save(Path(folder, path.name), plan(x))
            Path(folder, path.name).replace(path)
    return np.load(path)


def network_data(name: str) -> Arrays:
    """An image and its answer."""
    x = numbers(name, "input", shape_of(name))
    return {"input": x, "expected": answer(network(name), x), "error": np.array(MAX_ERROR)}


def network_case(name: str, data: Arrays) -> Case:
    """The compiled network."""
    x = data["input"]
    plan = cyconv.compile(network(name), x.shape, num_threads=threads())
    out = plan(x)

    def run(times: int) -> None:
        for _ in range(times):
            plan(x, out=out)

    return Case(run, lambda: out, work_of(name))


def kind_of(name: str) -> Kind:
    """How every network is made."""
    return Kind(network_data, network_case)
