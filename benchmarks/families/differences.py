"""How far every network of torchvision is from its own definition, with the same random weights in both. Called by ``__main__``.

The largest difference of the outputs from torchvision's network in float64, relative to the largest output, for images of the size
that the network is made for; and the same for torchvision's network in float32, which says how much of it is the network's own
sensitivity to rounding. Once with weights that keep signals at their size, once with those that torchvision starts from. The rows go to
benchmarks/results/families.json, which keeps those of networks that are not named, and as a table to families.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

import cyconv
from benchmarks.families.torch_networks import random_images, random_state, shared_names, torchvision_network
from cyconv import models
from cyconv.nn import Module, init
from cyconv.table import Table

RESULTS = Path(__file__).parents[1] / "results"
SEED = 0
BATCH = 2
LIMIT, DEEP_LIMIT = 1e-5, 1e-4  # what networks are held to, and those that are too deep for it
COLUMNS = {
    "family": "family",
    "network": "network",
    "image": "image",
    "gain": "gain",
    "spread": "images differ",
    "random": "cyconv, random",
    "random_torch": "torch float32, random",
    "initial": "cyconv, initial",
    "initial_torch": "torch float32, initial",
}
# With weights at which signals keep their size in every block, rounding errors grow from block to block in these networks, whose squeeze
# and excitation multiplies signals with each other, until those of the first layers decide the answer: PyTorch in float32 is as far off
# then. A factor on the weights of BatchNorm avoids that; with a much smaller one all images would be alike.
GAINS = {"mobilenet_v3_large": 0.93, "efficientnet_v2_s": 0.7, "efficientnet_v2_m": 0.73, "efficientnet_v2_l": 0.7}
GAINS |= {f"efficientnet_b{i}": gain for i, gain in enumerate((0.96, 0.96, 0.92, 0.92, 0.9, 0.87, 0.84), 1)}
GAINS |= {name: 0.8 for name in shared_names() if name.startswith("regnet_y")}


def difference(got: np.ndarray, exact: np.ndarray) -> float:
    """The largest difference, relative to the largest number; infinite when shapes differ or something is not finite."""
    if got.shape != exact.shape or not np.isfinite(got).all() or not np.isfinite(exact).all():
        return float("inf")
    return float(np.abs(got - exact).max() / np.abs(exact).max())


def compare(net: Module, model: torch.nn.Module, shape: tuple[int, int, int]) -> tuple[float, float, float]:
    """The differences of ``net``, which takes over the weights of ``model``, and of ``model`` in float32, from ``model`` in float64.

    And that of the answers to two images, which says how much the comparison is worth. ``model`` is in float64 afterwards.
    """
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    net.load_state_dict(state, strict=True)
    x = random_images((BATCH, *shape), SEED)
    got = net(x)
    with torch.inference_mode():
        single = model.eval()(torch.from_numpy(x)).numpy()
        exact = model.double()(torch.from_numpy(x).double()).numpy()
    return difference(got, exact), difference(single, exact), difference(exact[0], exact[1])


def measure(name: str, shape: tuple[int, int, int] | None = None) -> dict:
    """The row of one network."""
    shape = shape or models.INPUT_SHAPES[name]
    init.manual_seed(SEED)
    torch.manual_seed(SEED)
    net = models.get_model(name)
    row = {"family": type(net).__name__, "network": name, "image": shape[1:], "gain": GAINS.get(name)}
    model = torchvision_network(name, init_weights=True)
    row["initial"], row["initial_torch"], _ = compare(net, model, shape)
    model.float()
    state = random_state(model, SEED, GAINS.get(name, 1.0))
    for key, tensor in model.state_dict().items():
        tensor.copy_(torch.from_numpy(state[key]))
    row["random"], row["random_torch"], row["spread"] = compare(net, model, shape)
    return row


def report(rows: list[dict]) -> Table:
    """All rows as a table, and what they add up to."""
    figures = ("random", "random_torch", "initial", "initial_torch")
    shown = [{**row, "image": tuple(row["image"]), **{key: f"{row[key]:.1e}" for key in figures}} for row in rows]
    for row in shown:
        row["spread"] = f"{row['spread']:.0%}"
    beyond = [row["network"] for row in rows if max(row["random"], row["initial"]) > LIMIT]
    worse = [row["network"] for row in rows if max(row["random"], row["initial"]) > DEEP_LIMIT]
    notes = [
        f"{len(rows)} networks, {BATCH} images each: the largest difference of the outputs from torchvision's network in float64, relative"
        " to the largest output, of cyconv and of torchvision's network in float32.",
        "random: weights of every layer that keep signals at their size, BatchNorm's means and variances included; with a gain, its weights"
        " are smaller by that factor. The answers to the two images then differ by so much of the largest. initial: the weights that"
        " torchvision starts from, with which some networks hardly look at the image.",
        f"Within {LIMIT:.0e}: {len(rows) - len(beyond)} networks. Beyond: {', '.join(beyond) or 'none'}. Beyond {DEEP_LIMIT:.0e}:"
        f" {', '.join(worse) or 'none'}.",
        f"cyconv on {cyconv.isa()}, PyTorch {torch.__version__}; `python -m benchmarks.families`.",
    ]
    return Table(shown, COLUMNS, notes)


def load(path: Path) -> dict[str, dict]:
    """The rows in a file by network; none when there is no file."""
    return {row["network"]: row for row in json.loads(path.read_text())} if path.exists() else {}


def save(folder: Path, rows: dict[str, dict]) -> Table:
    """Write the rows, in the order of the families, and the table of them."""
    ordered = sorted(rows.values(), key=lambda row: (row["family"], shared_names().index(row["network"])))
    table = report(ordered)
    (folder / "families.json").write_text(json.dumps(ordered, indent=1) + "\n")
    (folder / "families.md").write_text(table.to_markdown())
    return table


def main(argv: list[str] | None = None) -> int:
    """Measure what the command line names; 1 when a network differs by more than deep ones may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.families", description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"default: all of {', '.join(shared_names())}")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="DIR", help="where families.json and families.md are")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.networks) - set(shared_names()))
    if unknown:
        parser.error(f"torchvision and cyconv do not both have {', '.join(unknown)}")
    rows = load(options.output / "families.json")
    for name in options.networks or shared_names():
        rows[name] = measure(name)
        print(f"{name}: {rows[name]['random']:.1e}, initial {rows[name]['initial']:.1e}", file=sys.stderr, flush=True)
        table = save(options.output, rows)
    print(table)
    return int(any(max(row["random"], row["initial"]) > DEEP_LIMIT for row in rows.values()))
