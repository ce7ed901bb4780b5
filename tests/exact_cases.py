"""Generated cases on small integers, where float32 arithmetic is exact in any order; run by test_exact.py.

As a script it runs the cases under the instruction set that CYCONV_ISA names and prints a report in JSON:
    python -m tests.exact_cases SEED THREADS
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import cyconv
from cyconv import functional as F
from cyconv.graph.compile import compile_function
from cyconv.graph.trace import apply
from cyconv.ops import OPS
from cyconv.ops.pool import window_cells
from cyconv.shapes import conv_output_size, pool_output_size
from tests.parallel import small_plans_use_threads

COUNTS = {"conv2d": 1200, "max_pool2d": 250, "avg_pool2d": 250, "adaptive_max_pool2d": 100, "adaptive_avg_pool2d": 100, "linear": 250}
COUNTS |= {"lp_pool2d": 50, "max_pool3d": 120, "avg_pool3d": 120, "lp_pool3d": 50, "adaptive_max_pool3d": 40, "adaptive_avg_pool3d": 40}
COUNTS |= {"conv3d": 150, "conv_transpose2d": 150, "conv_transpose3d": 100, "matmul": 150}
MAX_MACS = 400_000  # of one case; 16384 products of values within ±8 and a bias stay far below 2**24


@dataclass
class Case:
    """One call, and what the op's reference needs to know of it; `str` of it reproduces the failure."""

    op: str
    shapes: list[tuple[int, ...]]
    options: dict | None  # of the function; None records the op itself
    attrs: dict  # of the op
    seed: int

    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(self.seed)
        return [rng.integers(-8, 9, shape).astype(np.float32) for shape in self.shapes]

    def expected(self) -> list[np.ndarray]:
        results = OPS[self.op].reference([a.astype(np.float64) for a in self.arrays()], self.attrs)
        return [r.astype(np.float32) if r.dtype.kind == "f" else r for r in results]

    def got(self) -> list[np.ndarray]:
        arrays = self.arrays()
        if self.options is None:
            names = [f"x{i}" for i in range(len(arrays))]
            record = lambda *inputs: tuple(apply(self.op, list(inputs), self.attrs))  # noqa: E731
            y = compile_function(record, self.shapes, names, cyconv.get_num_threads())(*arrays)
        else:
            y = getattr(F, self.op)(*arrays, **self.options)
        return list(y) if isinstance(y, tuple) else [y]


def channels(rng: np.random.Generator) -> tuple[int, int, int]:
    """(input channels, output channels, groups) of every kind of convolution."""
    a, b = (int(v) for v in rng.integers(1, 71, 2))
    kinds = [(a, b, 1)] * 4
    kinds += [(a, a, a), (a % 24 + 1, (a % 24 + 1) * (b % 3 + 2), a % 24 + 1)]  # depthwise, with a multiplier
    kinds += [(15, 15, 3), (48, 48, 2), (24, 72, 3), (a % 9 * 2 + 2, b % 30 * 2 + 2, 2), (64, 4, 4), (32, 64, 2)]
    return kinds[rng.integers(len(kinds))]


def image(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width: often small, sometimes a single pixel or a long row."""
    h, w = (int(v) for v in rng.integers(1, 13, 2))
    return [(h, w), (1, 1), (h, w * 5), (1, w), (h + 8, w + 8), (h % 3 + 1, 60)][rng.integers(6)]


def batch(rng: np.random.Generator) -> int:
    return int(rng.choice([0, 1, 2, 3], p=[0.03, 0.5, 0.3, 0.17]))


def conv_case(rng: np.random.Generator, seed: int) -> Case | None:
    ci, co, groups = channels(rng)
    (h, w), n = image(rng), batch(rng)
    kernel = tuple(int(v) for v in (rng.integers(1, 4, 2) if rng.random() < 0.7 else rng.integers(1, 8, 2)))
    stride, dilation = (tuple(int(v) for v in rng.choice([1, 2, 3], 2, p=[0.6, 0.25, 0.15])) for _ in range(2))
    top, bottom, left, right = (int(v) for v in (rng.integers(0, 4, 4) if rng.random() < 0.7 else np.zeros(4)))
    try:
        oh = conv_output_size(h, kernel[0], stride[0], top, bottom, dilation[0])
        ow = conv_output_size(w, kernel[1], stride[1], left, right, dilation[1])
    except ValueError:
        return None
    if n * co * oh * ow * ci // groups * kernel[0] * kernel[1] > MAX_MACS:
        return None
    shapes = [(n, ci, h, w), (co, ci // groups, *kernel)] + ([(co,)] if rng.random() < 0.6 else [])
    attrs = {"stride": stride, "padding": (top, bottom, left, right), "dilation": dilation, "groups": groups}
    return Case("conv2d", shapes, {**attrs, "padding": ((top, bottom), (left, right))}, attrs, seed)


def volume_conv_case(op: str) -> Callable[[np.random.Generator, int], Case | None]:
    """Convolutions of volumes, and transposed ones: any stride, dilation, padding and groups."""
    rank = int(op[-2])

    def make(rng: np.random.Generator, seed: int) -> Case | None:
        ci, co, groups = channels(rng)
        size = tuple(int(v) for v in rng.integers(1, 9 if rank == 2 else 6, rank))
        kernel, stride, dilation = (tuple(int(v) for v in rng.integers(1, end, rank)) for end in (5, 4, 3))
        attrs = {"stride": stride, "dilation": dilation, "groups": groups}
        attrs["padding"] = tuple(int(v) for v in rng.integers(0, 3, 2 * rank)) if rng.random() < 0.6 else (0,) * (2 * rank)
        weight = (co, ci // groups, *kernel)
        if op.startswith("conv_transpose"):
            attrs["output_padding"] = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
            weight = (ci, co // groups, *kernel)
        shapes = [(batch(rng), ci, *size), weight] + ([(co,)] if rng.random() < 0.6 else [])
        try:
            out = OPS[op].infer(shapes, attrs)
        except ValueError:
            return None
        return Case(op, shapes, None, attrs, seed) if OPS[op].macs(shapes, out, attrs) <= MAX_MACS else None

    return make


def pool_case(op: str) -> Callable[[np.random.Generator, int], Case | None]:
    def make(rng: np.random.Generator, seed: int) -> Case | None:
        (h, w), n, c = image(rng), batch(rng), int(rng.integers(1, 71))
        kernel, stride = (tuple(int(v) for v in rng.integers(1, 5, 2)) for _ in range(2))
        top, bottom = (int(v) for v in rng.integers(0, kernel[0] // 2 + 1, 2))
        left, right = (int(v) for v in rng.integers(0, kernel[1] // 2 + 1, 2))
        attrs = {"kernel": kernel, "stride": stride, "padding": (top, bottom, left, right), "ceil_mode": bool(rng.integers(2))}
        dilation = (1, 1)
        if op == "max_pool2d":
            dilation = attrs["dilation"] = tuple(int(v) for v in rng.choice([1, 2], 2, p=[0.8, 0.2]))
            attrs["return_indices"] = bool(rng.integers(2))
        else:
            attrs["count_include_pad"] = bool(rng.integers(2))
            attrs["divisor_override"] = int(rng.integers(1, 9)) if rng.random() < 0.2 else None
        try:
            pool_output_size(h, kernel[0], stride[0], top, bottom, dilation[0], attrs["ceil_mode"])
            pool_output_size(w, kernel[1], stride[1], left, right, dilation[1], attrs["ceil_mode"])
        except ValueError:
            return None
        options = {**attrs, "padding": ((top, bottom), (left, right)), "kernel_size": attrs["kernel"]}
        del options["kernel"]
        return Case(op, [(n, c, h, w)], options, attrs, seed)

    return make


def window_case(op: str) -> Callable[[np.random.Generator, int], Case | None]:
    """Pools of volumes and p-norms, with what ONNX has beyond PyTorch: any padding, dilation, orders of indices."""
    rank = int(op[-2])

    def make(rng: np.random.Generator, seed: int) -> Case | None:
        size, n, c = tuple(int(v) for v in rng.integers(1, 9, rank)), batch(rng), int(rng.integers(1, 41))
        kernel, stride, dilation = (tuple(int(v) for v in rng.integers(1, end, rank)) for end in (4, 4, 3))
        padding = tuple(int(v) for v in rng.integers(0, 3, 2 * rank)) if rng.random() < 0.6 else (0,) * (2 * rank)
        attrs = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": bool(rng.integers(2))}
        if op.startswith("max"):
            attrs |= {"return_indices": bool(rng.integers(2)), "index_order": str(rng.choice(["plane", "row", "column"]))}
        elif op.startswith("avg"):
            attrs |= {
                "count_include_pad": bool(rng.integers(2)),
                "divisor_override": int(rng.integers(1, 9)) if rng.random() < 0.2 else None,
            }
        else:
            attrs |= {"norm_type": 1, "absolute": bool(rng.integers(4)), "rescale": False}
        try:
            out = OPS[op].infer([(n, c, *size)], attrs)[0]
        except ValueError:
            return None
        ends = zip(size, out[2:], kernel, stride, dilation, padding[::2], strict=True)
        if not all(all(w) for w in (window_cells(s, o, (k, t, d), (p, 0))[1] for s, o, k, t, d, p in ends)):
            return None  # a window without a cell: an average of nothing, or minus infinity
        return Case(op, [(n, c, *size)], None, attrs, seed)

    return make


def adaptive_case(op: str) -> Callable[[np.random.Generator, int], Case | None]:
    rank = int(op[-2])

    def make(rng: np.random.Generator, seed: int) -> Case | None:
        size, n, c = image(rng), batch(rng), int(rng.integers(1, 71))
        attrs: dict = {"output_size": tuple(int(v) for v in rng.integers(1, 8, rank))}
        if op.startswith("adaptive_max"):
            attrs["return_indices"] = bool(rng.integers(2))
        return Case(op, [(n, c, *(size if rank == 2 else (int(rng.integers(1, 5)), *size)))], attrs, attrs, seed)

    return make


def linear_case(rng: np.random.Generator, seed: int) -> Case:
    k, m = int(rng.integers(1, 300)), int(rng.integers(1, 80))
    before = tuple(int(v) for v in rng.integers(1, 9, rng.integers(0, 4)))
    if before and rng.random() < 0.03:
        before = (0, *before[1:])
    return Case("linear", [(*before, k), (m, k)] + ([(m,)] if rng.random() < 0.6 else []), {}, {}, seed)


def matmul_case(rng: np.random.Generator, seed: int) -> Case:
    """Matrices and vectors; batches that either side has, or both, with dimensions of 1 that broadcast."""
    m, k, n = (int(v) for v in rng.integers(1, 90, 3))
    batch = tuple(int(v) for v in rng.integers(1, 4, rng.integers(0, 3)))
    left, right = (tuple(v if rng.random() < 0.7 else 1 for v in batch) for _ in range(2))
    shapes = [(*left, m, k), (*right[int(rng.integers(0, len(right) + 1)) :], k, n)]
    for i in (0, 1):
        if rng.random() < 0.05:
            shapes[i] = (k,)
    return Case("matmul", shapes, {}, {}, seed)


MAKERS = {
    "conv2d": conv_case,
    "max_pool2d": pool_case("max_pool2d"),
    "avg_pool2d": pool_case("avg_pool2d"),
    "adaptive_max_pool2d": adaptive_case("adaptive_max_pool2d"),
    "adaptive_avg_pool2d": adaptive_case("adaptive_avg_pool2d"),
    "linear": linear_case,
    "matmul": matmul_case,
    "conv3d": volume_conv_case("conv3d"),
    "conv_transpose2d": volume_conv_case("conv_transpose2d"),
    "conv_transpose3d": volume_conv_case("conv_transpose3d"),
    "lp_pool2d": window_case("lp_pool2d"),
    "max_pool3d": window_case("max_pool3d"),
    "avg_pool3d": window_case("avg_pool3d"),
    "lp_pool3d": window_case("lp_pool3d"),
    "adaptive_max_pool3d": adaptive_case("adaptive_max_pool3d"),
    "adaptive_avg_pool3d": adaptive_case("adaptive_avg_pool3d"),
}


def cases(seed: int) -> Iterator[Case]:
    for number, (op, count) in enumerate(COUNTS.items()):
        rng = np.random.default_rng([seed, number])
        made = tried = 0
        while made < count:
            tried += 1
            case = MAKERS[op](rng, 1_000_000 * number + tried)
            if case is not None:
                made += 1
                yield case


def same(got: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    """Equal in number, dtype, shape and every bit."""
    if len(got) != len(expected):
        return False
    return all(g.dtype == e.dtype and g.shape == e.shape and np.array_equal(g, e) for g, e in zip(got, expected, strict=True))


def run_cases(seed: int, threads: list[int]) -> dict:
    """Compare every case for every number of threads; what ran, what failed, and how many of the outputs were zero."""
    ran: Counter = Counter()
    elements: Counter = Counter()
    nonzero: Counter = Counter()
    failures = []
    before = cyconv.get_num_threads()
    for case in cases(seed):
        expected = case.expected()
        ran[case.op] += 1
        elements[case.op] += sum(e.size for e in expected)
        nonzero[case.op] += sum(int(np.count_nonzero(e)) for e in expected)
        for number in threads:
            cyconv.set_num_threads(number)
            if not same(case.got(), expected):
                failures.append(f"{number} threads: {case}")
    cyconv.set_num_threads(before)
    shares = {op: nonzero[op] / elements[op] for op in elements}
    return {"isa": cyconv.isa(), "ran": dict(ran), "nonzero": shares, "failed": len(failures), "failures": failures[:5]}


if __name__ == "__main__":
    with small_plans_use_threads():
        print(json.dumps(run_cases(int(sys.argv[1]), [int(t) for t in sys.argv[2].split(",")])))
