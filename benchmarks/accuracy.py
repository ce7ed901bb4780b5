"""Rounding errors of convolutions, direct and through Winograd's algorithm: ``python -m benchmarks.accuracy [CHANNELS …]``.

One layer for each kernel size and number of input channels, with normally distributed weights; its input is normally distributed
("zero mean"), or that with negative values set to zero ("ReLU"). Errors are against float64: the relative L2 error, which
``error_bound`` of cyconv.winograd bounds, errors relative to the root mean square of the output, and as multiples of u·Σ|x||w|
with u = 2^−24.
"""

from __future__ import annotations

import argparse

import numpy as np

from cyconv import functional as F
from cyconv._kernels.cpu import isa
from cyconv.graph import compile_function
from cyconv.ops import OPS
from cyconv.table import Table
from cyconv.winograd import ALL

CHANNELS = (16, 32, 64, 128, 256, 512)
DATA = ("zero mean", "ReLU")
OUTPUTS, SIZE = 48, 26  # output channels; rows and columns of the image, which leave every kind clipped tiles
U = 2.0**-24
COLUMNS = {
    "kernel": "kernel",
    "channels": "channels",
    "data": "data",
    "algorithm": "algorithm",
    "l2": "relative L2",
    "max_rms": "max / rms",
    "mean_rms": "mean / rms",
    "max_units": "max / u·Σ|x||w|",
    "mean_units": "mean / u·Σ|x||w|",
}


def layer(kernel: int, channels: int, data: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Input and weights, float32."""
    rng = np.random.default_rng([seed, kernel, channels])
    x = rng.standard_normal((1, channels, SIZE, SIZE)).astype(np.float32)
    weight = rng.standard_normal((OUTPUTS, channels, kernel, kernel)).astype(np.float32)
    return (np.maximum(x, 0) if data == "ReLU" else x), weight


def errors(y: np.ndarray, exact: np.ndarray, magnitude: np.ndarray) -> dict[str, float]:
    """The error columns of one row; ``magnitude`` is Σ|x||w|."""
    error = np.abs(y - exact)
    rms = np.sqrt(np.mean(exact**2))
    return {
        "l2": float(np.sqrt(np.mean(error**2)) / rms),
        "max_rms": float(error.max() / rms),
        "mean_rms": float(error.mean() / rms),
        "max_units": float((error / (U * magnitude)).max()),
        "mean_units": float((error / (U * magnitude)).mean()),
    }


def measure(kernel: int, channels: int, data: str, seed: int = 0) -> list[dict]:
    """One row for each algorithm that suits the kernel."""
    x, weight = (a.astype(np.float64) for a in layer(kernel, channels, data, seed))
    attrs = {"stride": (1, 1), "padding": (kernel // 2,) * 4, "dilation": (1, 1), "groups": 1}
    reference = OPS["conv2d"].reference
    exact = reference([x, weight], attrs)[0]
    magnitude = reference([np.abs(x), np.abs(weight)], attrs)[0]
    rows = []
    for option in ("off", *(kind.name for kind in ALL if kind.r == kernel)):
        y = convolve(x.astype(np.float32), weight.astype(np.float32), option)
        algorithm = "direct" if option == "off" else option
        rows.append({"kernel": (kernel, kernel), "channels": channels, "data": data, "algorithm": algorithm, **errors(y, exact, magnitude)})
    return rows


def convolve(x: np.ndarray, weight: np.ndarray, winograd: str) -> np.ndarray:
    """The convolution by one algorithm, which pads by half a kernel."""
    plan = compile_function(lambda t: F.conv2d(t, weight, padding=weight.shape[2] // 2), [x.shape], ["input"], winograd=winograd)
    return plan(x)


def table(channels: tuple[int, ...]) -> Table:
    """All rows, with errors in two digits."""
    kernels = sorted({kind.r for kind in ALL})
    rows = [row for kernel in kernels for data in DATA for c in channels for row in measure(kernel, c, data)]
    shown = [{k: f"{v:.2g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    return Table(shown, COLUMNS, [f"{isa()}; {OUTPUTS} output channels of {SIZE}×{SIZE} pixels"])


def main() -> None:
    """Print the table that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.splitlines()[0])
    parser.add_argument("channels", nargs="*", type=int, help=f"input channels; default {' '.join(map(str, CHANNELS))}")
    options = parser.parse_args()
    print(table(tuple(options.channels) or CHANNELS).to_markdown())


if __name__ == "__main__":
    main()
