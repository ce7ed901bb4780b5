"""The networks that are compared, with seeded weights and images."""

from __future__ import annotations

import numpy as np

import cyconv
from cyconv import models
from cyconv.graph import Graph
from cyconv.graph.compile import trace_function

# Name in the table → constructor in cyconv.models and its arguments.
NETWORKS: dict[str, tuple[str, dict]] = {
    "googlenet": ("googlenet", {}),
    "googlenet_no_lrn": ("googlenet", {"lrn": False}),
    "googlenet_bn": ("googlenet_bn", {}),
    "alexnet_two_tower": ("alexnet_two_tower", {}),
    "alexnet": ("alexnet", {}),
    "vgg16": ("vgg16", {}),
    "resnet18": ("resnet18", {}),
    "resnet50": ("resnet50", {}),
    "squeezenet1_1": ("squeezenet1_1", {}),
    "mobilenet_v2": ("mobilenet_v2", {}),
}


def traced_network(name: str, batch: int) -> Graph:
    """The network as a graph; its weights are the same in every process."""
    constructor, arguments = NETWORKS[name]
    cyconv.nn.init.manual_seed(0)
    network = models.get_model(constructor, **arguments).eval()
    return trace_function(network, [(batch, *models.INPUT_SHAPES[constructor])], ["input"])[0]


def images(graph: Graph) -> np.ndarray:
    """Random input of the graph's shape, the same in every process."""
    return np.random.default_rng(0).standard_normal(graph.inputs[0].shape).astype(np.float32)
