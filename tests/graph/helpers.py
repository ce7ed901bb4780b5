"""What the tests of the graph share: tracing, an evaluator in float64, integer data and random networks."""

import numpy as np

from cyconv import functional as F
from cyconv.graph.accuracy import widen
from cyconv.graph.compile import compile_function, trace_function
from cyconv.graph.ir import Graph, Node
from cyconv.graph.plan import Plan
from cyconv.graph.trace import Tracer, apply
from cyconv.ops import OPS

PRODUCT_EXTRAS = ("has_bias", "residual", "activation", "branches")


def integers(shape, seed=0, low=-4, high=4) -> np.ndarray:
    """float32 integers from ``low`` to ``high``, both included."""
    return np.random.default_rng([seed, *shape]).integers(low, high + 1, shape).astype(np.float32)


def record(fn, *shapes) -> Graph:
    """The graph of ``fn`` as it was traced."""
    return trace_function(fn, list(shapes), [f"x{i}" for i in range(len(shapes))])[0]


def direct(fn, *shapes, threads=2) -> Plan:
    """A plan whose convolutions are exact on integers."""
    return compile_function(fn, list(shapes), [f"x{i}" for i in range(len(shapes))], threads, "off")


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


def evaluate(graph: Graph, *arrays: np.ndarray) -> list[np.ndarray]:
    """The outputs of a graph by the float64 references; knows what passes add to products."""
    known = {v: widen(a) for v, a in zip(graph.inputs, arrays, strict=True)}
    known |= {v: widen(a) for v, a in graph.constants.items()}
    for node in graph.nodes:
        results = run_node(node, [known[v] for v in node.inputs])
        for v, result in zip(node.outputs, results, strict=True):
            assert result.shape == v.shape, node
            known[v] = result
    return [known[v] for v in graph.outputs]


def run_node(node: Node, inputs: list[np.ndarray]) -> list[np.ndarray]:
    if node.op not in ("conv2d", "linear"):
        return OPS[node.op].reference(inputs, node.attrs)
    attrs = {k: v for k, v in node.attrs.items() if k not in PRODUCT_EXTRAS}
    x, rest = inputs[0], inputs[1:]
    residual = rest.pop() if node.attrs.get("residual") else 0.0
    branches = node.attrs.get("branches", 1)
    per_branch = len(rest) // branches
    results = []
    for i in range(branches):
        y = OPS[node.op].reference([x, *rest[i * per_branch : (i + 1) * per_branch]], attrs)[0] + residual
        results.append(activate(y, *node.attrs.get("activation", ("none", 0.0, 0.0, 0.0))))
    return results


def activate(y, kind, low, high, slope):
    if kind == "clamp":
        return np.clip(y, low, high)
    return np.where(y > 0, y, y * slope) if kind == "leaky_relu" else y


def random_network(seed: int):
    """(fn, input shape): a random graph of every kind of op whose results are exact, with values that stay small."""
    rng = np.random.default_rng(seed)
    n, c, h = int(rng.integers(1, 4)), int(rng.choice([1, 3, 7, 16, 20, 32, 48])), int(rng.integers(3, 9))
    recipe = rng.integers(0, 2**31, int(rng.integers(4, 14)))

    def fn(x):
        live = [x]
        for number in recipe:
            step = np.random.default_rng(number)
            live.append(random_step(live, step))
            if len(live) > 5:
                live.pop(int(step.integers(5)))
        return live[-1] if seed % 2 else tuple(live[-2:])

    return fn, (n, c, h, h)


def random_step(live: list[Tracer], rng: np.random.Generator) -> Tracer:
    x = live[rng.integers(len(live))]
    alike = [v for v in live if v.shape == x.shape]
    beside = [v for v in live if v.shape[0] == x.shape[0] and v.shape[2:] == x.shape[2:] and v.shape[1] + x.shape[1] <= 128]
    kind = rng.choice(["conv", "1x1", "residual", "grouped", "pool", "relu6", "add", "cat", "slice", "pad", "linear", "reshape"])
    if kind == "residual":
        return F.relu6(F.conv2d(x, weights(rng, x.shape[1], x.shape[1], 3), padding=1) + alike[rng.integers(len(alike))])
    if kind == "grouped":
        return F.relu6(F.conv2d(x, weights(rng, x.shape[1], 1, 3), padding=1, groups=x.shape[1]))
    if kind == "pool" and min(x.shape[2:]) > 1:
        pool = F.max_pool2d if rng.integers(2) else F.adaptive_max_pool2d
        return pool(x, 2)
    if kind == "add":
        return F.relu6(x + alike[rng.integers(len(alike))])
    if kind == "cat" and beside:
        return F.cat([x, beside[rng.integers(len(beside))], x] if x.shape[1] < 40 and rng.integers(2) else [beside[0], x], 1)
    if kind == "slice" and x.shape[1] > 1:
        full = {"starts": (0, 1, 0, 0), "stops": x.shape, "steps": (1, int(rng.integers(1, 3)), 1, 1)}
        return apply("slice", [x], full)[0]
    if kind == "pad" and x.shape[2] < 10:
        return F.pad(x, (1, 0, 0, 1), value=2.0)
    if kind == "linear":
        k = x.shape[1] * x.shape[2] * x.shape[3]
        y = F.relu6(F.linear(F.flatten(x, 1), integers((5 * 4, k), int(rng.integers(99)), -1, 1)))
        return apply("reshape", [y], {"shape": (x.shape[0], 5, 2, 2)})[0]
    if kind == "reshape" and x.shape[1] % 2 == 0:
        return apply("reshape", [x], {"shape": (x.shape[0], x.shape[1] // 2, x.shape[2] * 2, x.shape[3])})[0]
    size = 1 if kind == "1x1" or min(x.shape[2:]) < 3 else 3
    out = int(rng.choice([1, 5, 16, 17, 32, 40]))
    y = F.conv2d(x, weights(rng, out, x.shape[1], size), weights(rng, out, 1, 1).ravel(), padding=size // 2)
    return F.relu6(y) if rng.integers(2) or y.shape[1] > 5 else F.leaky_relu(F.relu6(y) + -3.0, 0.5)


def weights(rng: np.random.Generator, out: int, ci: int, size: int) -> np.ndarray:
    return rng.integers(-1, 2, (out, ci, size, size)).astype(np.float32)
