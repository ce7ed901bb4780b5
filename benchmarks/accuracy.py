"""Rounding errors of 3x3 convolutions, direct and through Winograd's algorithm: ``python -m benchmarks.accuracy [CHANNELS …]``.

One layer for each number of input channels, with normally distributed weights; its input is normally distributed ("zero mean"), or
that with negative values set to zero ("ReLU"). Errors are against float64: relative to the root mean square of the output, as
multiples of u·Σ|x||w| (u = 2^−24), and the relative L2 error, which ``error_bound`` of cyconv.winograd bounds.
"""

from __future__ import annotations

import argparse

import numpy as np

from cyconv import functional as F
from cyconv.graph import compile_function
from cyconv.graph.algorithm import BY_NAME
from cyconv.ops import OPS
from cyconv.table import Table

CHANNELS = (16, 32, 64, 128, 256, 512)
DATA = ("zero mean", "ReLU")
ALGORITHMS = {"direct": "off", **{name: name for name in BY_NAME}}
OUTPUTS, SIZE = 48, 26  # output channels; rows and columns of the image, which leave every kind clipped tiles
U = 2.0**-24
ATTRS = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
COLUMNS = {
    "channels": "channels",
    "data": "data",
    "algorithm": "algorithm",
    "l2": "relative L2",
    "max_rms": "max / rms",
    "mean_rms": "mean / rms",
    "max_units": "max / u·Σ|x||w|",
    "mean_units": "mean / u·Σ|x||w|",
}


def layer(channels: int, data: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Input and weights, float32."""
    rng = np.random.default_rng([seed, channels])
    x = rng.standard_normal((1, channels, SIZE, SIZE)).astype(np.float32)
    weight = rng.standard_normal((OUTPUTS, channels, 3, 3)).astype(np.float32)
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


def measure(channels: int, data: str, seed: int = 0) -> list[dict]:
    """One row for each algorithm."""
    x, weight = layer(channels, data, seed)
    reference = OPS["conv2d"].reference
    exact = reference([x.astype(np.float64), weight.astype(np.float64)], ATTRS)[0]
    magnitude = reference([np.abs(x).astype(np.float64), np.abs(weight).astype(np.float64)], ATTRS)[0]
    rows = []
    for algorithm, option in ALGORITHMS.items():
        plan = compile_function(lambda t: F.conv2d(t, weight, padding=1), [x.shape], ["input"], winograd=option)
        rows.append({"channels": channels, "data": data, "algorithm": algorithm, **errors(plan(x), exact, magnitude)})
    return rows


def table(channels: tuple[int, ...]) -> Table:
    """All rows, with errors in two digits."""
    rows = [row for data in DATA for c in channels for row in measure(c, data)]
    shown = [{k: f"{v:.2g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    return Table(shown, COLUMNS)


def main() -> None:
    """Print the table that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.splitlines()[0])
    parser.add_argument("channels", nargs="*", type=int, help=f"input channels; default {' '.join(map(str, CHANNELS))}")
    options = parser.parse_args()
    print(table(tuple(options.channels) or CHANNELS).to_markdown())


if __name__ == "__main__":
    main()
