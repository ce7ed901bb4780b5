"""Micro-kernels on data in cache, with the sums and row lengths of layers of benchmarks/layers.py: data, float64 answer, case.

A name is ``<kernel>/<layer>``: ``conv/googlenet/3a/3x3`` is the largest register tile of two blocks in one row, summing over all taps of
that layer. Kernels are called through ``cyconv._kernels.targets``, many times in one call. Called by bench_kernels.py.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from benchmarks.cases import Arrays, Case, Kind, aligned, numbers
from benchmarks.layers import CONVS
from benchmarks.reference import Work
from cyconv._kernels import targets
from cyconv._kernels.cpu import isa
from cyconv.winograd import F4_3

U = 2.0**-24
MAX_ERROR = 1e-5  # relative L2, of Winograd's transforms and of functions with an exponential
FUNCTIONS = {"relu": 0, "sigmoid": 3}  # their numbers in microkernels.h
NO_ACTIVATION = {"act": 0, "lo": 0.0, "hi": 0.0, "slope": 0.0, "residual": None}


def lanes() -> int:
    """Floats in a vector."""
    return targets.lanes(isa())


def split(name: str) -> tuple[str, str]:
    """Kernel and layer of a name."""
    kernel, layer = name.split("/", 1)
    return kernel, layer


def taps_of(layer: str) -> tuple[list[tuple[int, int]], int, int]:
    """Taps of a layer on the few rows that one tile reads, between its pixels, and floats that are read: all as in conv.inc."""
    c, n, pixels = CONVS[layer], lanes(), targets.conv_pixels(isa())[1][0]
    columns = (pixels - 1) * c.sw + c.kw
    if c.ci < n:  # planar: the columns of a window are one tap
        taps = [((i * c.kh + y) * columns, c.kw) for i in range(c.ci) for y in range(c.kh)]
        return taps, c.sw, c.ci * c.kh * columns
    blocks = -(-c.ci // n)
    places = [(b, y, x) for b in range(blocks) for y in range(c.kh) for x in range(c.kw)]
    return [(((b * c.kh + y) * columns + x) * n, n) for b, y, x in places], c.sw * n, blocks * c.kh * columns * n


def conv_data(name: str) -> Arrays:
    """A tile's input, packed weights and output [block, pixel, lane]."""
    taps, in_px, floats = taps_of(split(name)[1])
    n, pixels, steps = lanes(), targets.conv_pixels(isa())[1][0], sum(count for _, count in taps)
    x, weights, bias = numbers(name, "input", floats), numbers(name, "weight", (steps, 2, n)), numbers(name, "bias", (2, n))
    reads = np.array([offset + i for offset, count in taps for i in range(count)])
    inputs = x[np.arange(pixels)[:, None] * in_px + reads].astype(np.float64)
    expected = np.tensordot(inputs, weights.astype(np.float64), 1).swapaxes(0, 1) + bias[:, None]
    return {"x": x, "weights": weights.ravel(), "bias": bias.ravel(), "expected": expected, "error": np.array(steps * U)}


def conv_case(name: str, data: Arrays) -> Case:
    """Two blocks of output channels by one row by as many pixels as the registers hold."""
    taps, in_px, _ = taps_of(split(name)[1])
    n, pixels = lanes(), targets.conv_pixels(isa())[1][0]
    y = aligned(np.zeros((2, pixels, n), np.float32))
    tile = SimpleNamespace(
        x=data["x"], x_offset=0, weights=data["weights"], bias=data["bias"], taps=taps, in_row=0, in_px=in_px, y=y.reshape(-1),
        out=[0, pixels * n], out_row=0, out_px=n, **NO_ACTIVATION,
    )  # fmt: skip
    macs = 2 * n * pixels * sum(count for _, count in taps)
    return Case(lambda times: targets.conv(isa(), 2, 1, pixels, tile, repeats=times), lambda: y, Work(macs))


def lanewise_data(name: str) -> Arrays:
    """A depthwise tile's input [row, column, lane], weights and output."""
    c, n, pixels = CONVS[split(name)[1]], lanes(), targets.lanewise_pixels(isa())
    x = numbers(name, "input", (c.kh, (pixels - 1) * c.sw + c.kw, n))
    weights, bias = numbers(name, "weight", (c.kh, c.kw, n)), numbers(name, "bias", n)
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (c.kh, c.kw), (0, 1))[0, :: c.sw]
    expected = np.einsum("plyx,yxl->pl", windows, weights.astype(np.float64)) + bias
    error = np.array(c.kh * c.kw * U)
    return {"x": x.ravel(), "weights": weights.ravel(), "bias": bias, "expected": expected, "error": error}


def lanewise_case(name: str, data: Arrays) -> Case:
    """One block by one row by as many pixels as the registers hold."""
    c, n, pixels = CONVS[split(name)[1]], lanes(), targets.lanewise_pixels(isa())
    columns = (pixels - 1) * c.sw + c.kw
    y = aligned(np.zeros((pixels, n), np.float32))
    tile = SimpleNamespace(
        x=data["x"], x_offset=0, weights=data["weights"], bias=data["bias"], in_row=0, in_px=c.sw * n, y=y.reshape(-1), out=[0], out_row=0,
        out_px=n, taps=[((i * columns + j) * n, n) for i in range(c.kh) for j in range(c.kw)], **NO_ACTIVATION,
    )  # fmt: skip
    return Case(lambda times: targets.lanewise(isa(), pixels, tile, repeats=times), lambda: y, Work(n * pixels * c.kh * c.kw))


def nested(matrix: list, values: np.ndarray) -> np.ndarray:
    """M v Mᵀ for each lane of values [i, j, lane]."""
    m = np.array([[float(v) for v in row] for row in matrix])
    return np.einsum("ai,bj,ijl->abl", m, m, values.astype(np.float64))


def winograd_data(name: str) -> Arrays:
    """A tile of F(4,3) before and after its transform."""
    inward = split(name)[0] == "winograd_input"
    x, bias = numbers(name, "input", (F4_3.n, F4_3.n, lanes())), numbers(name, "bias", lanes())
    expected = nested(F4_3.b_transposed(), x) if inward else nested(F4_3.a_transposed(), x) + bias
    return {"x": x.ravel(), "bias": bias, "expected": expected, "error": np.array(MAX_ERROR)}


def winograd_case(name: str, data: Arrays) -> Case:
    """One tile that lies wholly inside the image; its work is what it reads and writes."""
    n, size = F4_3.n, lanes()
    inward = split(name)[0] == "winograd_input"
    side = n if inward else F4_3.m
    y = aligned(np.zeros((side, side, size), np.float32))
    tile = SimpleNamespace(x=data["x"], y=y.reshape(-1), bias=data["bias"], **NO_ACTIVATION)
    if inward:
        tile.x_offset, tile.in_row, tile.rows, tile.columns, tile.out_point = 0, n * size, (0, n), (0, n), size
        run: Callable[[int], None] = lambda times: targets.wino_input(isa(), F4_3.index, tile, repeats=times)  # noqa: E731
    else:
        tile.in_point, tile.out_row, tile.rows, tile.columns = size, side * size, side, side
        run = lambda times: targets.wino_output(isa(), F4_3.index, tile, repeats=times)  # noqa: E731
    return Case(run, lambda: y, Work(data["x"].size + y.size))


def pool_data(name: str) -> Arrays:
    """A row of 3x3 windows of stride 1 over a layer's input, without its edges."""
    kernel, layer = split(name)
    x = numbers(name, "input", (3, CONVS[layer].w, lanes()))
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (3, 3), (0, 1))[0]
    expected = windows.max((2, 3)) if kernel == "max_pool" else windows.mean((2, 3))
    return {"x": x.ravel(), "expected": expected, "error": np.array(9 * U)}


def pool_case(name: str, data: Arrays) -> Case:
    """One row of one block of channels; its work is what it reads and writes."""
    kernel, layer = split(name)
    width, n = CONVS[layer].w, lanes()
    count = width - 2
    y = aligned(np.zeros((count, n), np.float32))
    windows = SimpleNamespace(
        in_slice=0, n_slices=1, power=1.0, absolute=False,
        in_row=width * n, n_rows=3, column=np.arange(count, dtype=np.int32), n_cols=np.full(count, 3, np.int32), col_step=1,
        divisor=np.full(count, 9, np.float32), run=(0, count, 1),
    )  # fmt: skip
    kind = kernel.removesuffix("_pool")
    return Case(
        lambda times: targets.pool(isa(), kind, data["x"], y.reshape(-1), windows, repeats=times), lambda: y, Work(data["x"].size + y.size)
    )


def unary_data(name: str) -> Arrays:
    """As many floats as 16 channels of a row of the layer's output have."""
    kernel, layer = split(name)
    x = numbers(name, "input", 16 * CONVS[layer].ow)
    wide = x.astype(np.float64)
    expected = np.maximum(wide, 0) if kernel == "relu" else 1 / (1 + np.exp(-wide))
    return {"x": x, "expected": expected, "error": np.array(MAX_ERROR)}


def unary_case(name: str, data: Arrays) -> Case:
    """A function of one argument; its work is what it reads and writes."""
    function, x = FUNCTIONS[split(name)[0]], data["x"]
    y = aligned(np.zeros(x.size, np.float32))
    return Case(lambda times: targets.unary(isa(), function, x, y, repeats=times), lambda: y, Work(2 * x.size))


KINDS = {
    "conv": Kind(conv_data, conv_case),
    "lanewise": Kind(lanewise_data, lanewise_case),
    "winograd_input": Kind(winograd_data, winograd_case),
    "winograd_output": Kind(winograd_data, winograd_case),
    "max_pool": Kind(pool_data, pool_case),
    "avg_pool": Kind(pool_data, pool_case),
    "relu": Kind(unary_data, unary_case),
    "sigmoid": Kind(unary_data, unary_case),
}


def kind_of(name: str) -> Kind:
    """How the kernel of this name is made."""
    return KINDS[split(name)[0]]
