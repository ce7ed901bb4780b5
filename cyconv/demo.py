"""`cyconv demo`: the lecture's example by hand, handwritten digits, two networks on two photographs, and the lecture's tables.

Prints as it goes and leaves four pictures. Needs matplotlib, Pillow and scikit-learn (the extra ``demo``), whose data sets are
the digits and the photographs. Layer of the house: the top; called by the command line.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from time import perf_counter

import numpy as np

import cyconv
from cyconv import functional as F
from cyconv import lecture, models, nn
from cyconv.graph import Plan
from cyconv.graph.profile import Profile
from cyconv.models.digits import held_out, trained_result
from cyconv.nn import init

EXTRAS = {"matplotlib": "matplotlib", "PIL": "Pillow", "sklearn": "scikit-learn"}

# The lecture draws a 7×7 image and a 3×3 filter without numbers; these are ours: a bright disc, and Sobel's horizontal gradient.
IMAGE = np.array(
    [
        [0, 0, 1, 1, 1, 0, 0],
        [0, 2, 5, 6, 5, 2, 0],
        [1, 5, 9, 9, 9, 5, 1],
        [1, 6, 9, 9, 9, 6, 1],
        [1, 5, 9, 9, 9, 5, 1],
        [0, 2, 5, 6, 5, 2, 0],
        [0, 0, 1, 1, 1, 0, 0],
    ],
    np.float32,
)
KERNEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)
BIAS = 3.0

NETS = ("googlenet", "alexnet")
MAPS = ("conv1.relu", "conv3.relu", "inception3a", "inception4a", "inception5b")
MAPS_SHOWN = 6
REPEATS = 20

SURFACE, INK, MUTED = "#fcfcfb", "#0b0b0b", "#52514e"
RIGHT, WRONG = "#0b0b0b", "#c2282d"
KINDS = {  # what a step does, and its colour
    "convolution": "#2a78d6",
    "linear": "#eb6834",
    "pooling": "#1baa7b",
    "normalisation": "#eda100",
    "data movement": "#a3a19c",
}


def run_demo(output: Path) -> None:
    """All parts.

    Parameters
    ----------
    output : Path
        The folder that the pictures go to; made if need be.

    Raises
    ------
    ImportError
        When a package of the extra ``demo`` is missing.
    """
    missing = [name for module, name in EXTRAS.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ImportError(f"the demo needs {' and '.join(missing)}: pip install 'cyconv[demo]'")
    begin = perf_counter()
    output.mkdir(parents=True, exist_ok=True)
    heading("1. The lecture's example: a 3×3 filter on a 7×7 image")
    print("\n".join(example_lines()))
    heading("2. Handwritten digits: a network trained on scikit-learn's scans")
    pictures = [digits_part(output)]
    heading("3. GoogLeNet and AlexNet on two photographs")
    pictures += photographs_part(output)
    heading("4. The lecture's arithmetic, computed, and the printed figures that differ")
    for name in lecture.TABLES:
        print(lecture.TABLES[name](), end="\n\n")
        differences = lecture.compare(name)
        print(differences if differences.records else "\n".join(differences.notes), end="\n\n")
    print(f"Done in {perf_counter() - begin:.0f} s. Pictures:", *map(str, pictures), sep="\n  ")


def heading(text: str) -> None:
    """A line that stands out."""
    print(f"\n{text}\n{'═' * len(text)}\n", flush=True)


# 1. By hand


def example_lines() -> list[str]:
    """Image, filter, the first outputs as sums of products, and all outputs as cyconv computes them; checked against each other."""
    out = F.conv2d(IMAGE[None, None], KERNEL[None, None], np.array([BIAS], np.float32))[0, 0]
    lines = ["Image I                  Filter K        Bias"]
    for i, row in enumerate(IMAGE):
        kernel = "  ".join(f"{v:2.0f}" for v in KERNEL[i]) if i < 3 else ""
        lines.append(f"{'  '.join(f'{v:.0f}' for v in row)}      {kernel}{f'      {BIAS:.0f}' if i == 0 else ''}".rstrip())
    names = " + ".join(f"I{r}{c}·K{r}{c}" for r in (1, 2, 3) for c in (1, 2, 3))
    lines += ["", "What a layer computes (cross-correlation: the filter is not turned round):", f"O11 = {names} + bias"]
    for row in range(2):
        for column in range(out.shape[1]):
            lines.append(f"O{row + 1}{column + 1} = {written_sum(row, column)} = {out[row, column]:.0f}")
    lines += ["…", "", "Output O, 5×5, from cyconv.functional.conv2d:"]
    lines += ["  ".join(f"{v:4.0f}" for v in row) for row in out]
    by_hand = [[exact_sum(row, column) for column in range(5)] for row in range(5)]
    return [*lines, f"Equal to the 25 sums computed one by one in integers: {'yes' if np.array_equal(out, by_hand) else 'NO'}"]


def window(row: int, column: int) -> list[tuple[int, int]]:
    """(pixel, weight) of the nine products behind one output."""
    pixels = IMAGE[row : row + 3, column : column + 3]
    return [(int(i), int(k)) for i, k in zip(pixels.flat, KERNEL.flat, strict=True)]


def written_sum(row: int, column: int) -> str:
    """The products of one output with their numbers."""
    return " + ".join(f"{i}·({k})" if k < 0 else f"{i}·{k}" for i, k in window(row, column)) + f" + {BIAS:.0f}"


def exact_sum(row: int, column: int) -> int:
    """One output in Python's integers."""
    return sum(i * k for i, k in window(row, column)) + int(BIAS)


# 2. Digits


def digits_part(output: Path) -> Path:
    """Run the digits network on what training never saw; compare with what training printed; draw some images."""
    from sklearn.datasets import load_digits

    data = load_digits()
    held = held_out(data.target)
    images, labels = (data.images[held] / 16).astype(np.float32), data.target[held]
    net = models.digits(pretrained=True)
    chances = F.softmax(net(images[:, None]), 1)
    answers = chances.argmax(1)
    right, (trained, count) = int((answers == labels).sum()), trained_result()
    print(net)
    print(f"\n{len(labels)} held-out scans: {right} read correctly, accuracy {right / len(labels):.2%}.")
    verdict = "the same" if (right, len(labels)) == (trained, count) else "NOT the same"
    print(f"PyTorch read {trained} of {count}, {trained / count:.2%}, when training ended: {verdict}.")
    for i in np.flatnonzero(answers != labels):
        sure, true = chances[i, answers[i]], chances[i, labels[i]]
        print(f"  wrong: a {labels[i]} taken for a {answers[i]} (probability {sure:.0%}; {true:.0%} for {labels[i]})")
    return draw_digits(output / "digits.png", images, labels, chances)


def draw_digits(path: Path, images: np.ndarray, labels: np.ndarray, chances: np.ndarray) -> Path:
    """All mistakes, then images from the start, with the prediction above each."""
    answers = chances.argmax(1)
    wrong = np.flatnonzero(answers != labels)[:10]
    shown = [*wrong, *[i for i in range(len(labels)) if i not in wrong]][:40]
    figure = new_figure(10, 6.6)
    for place, i in enumerate(shown, 1):
        axes = figure.add_subplot(4, 10, place)
        axes.imshow(images[i], cmap="gray_r", vmin=0, vmax=1)
        bare(axes)
        right = answers[i] == labels[i]
        text = f"{answers[i]}" if right else f"{answers[i]}, is {labels[i]}"
        axes.set_title(text, fontsize=12, color=RIGHT if right else WRONG, fontweight="normal" if right else "bold")
        axes.set_xlabel(f"{chances[i].max():.0%}", fontsize=9, color=MUTED, labelpad=3)
    count = int((answers == labels).sum())
    figure.suptitle(
        f"Held-out digits and what the network reads: {count} of {len(labels)} right\n"
        f"mistakes first, in red; below each image the probability of the answer",
        fontsize=13,
        color=INK,
    )
    return save(figure, path)


# 3. Photographs


def photographs_part(output: Path) -> list[Path]:
    """Profiles of the networks on the photographs; pictures of the time per layer and of feature maps."""
    from sklearn.datasets import load_sample_images

    sample = load_sample_images()
    photographs = {Path(name).stem: image for name, image in zip(sample.filenames, sample.images, strict=True)}
    inputs = {name: models.preprocess(image) for name, image in photographs.items()}
    print("The weights are random, so the classes mean nothing; the arithmetic and its time are those of trained weights.")
    profiles, maps = {}, {}
    for net in NETS:
        model = random_network(net)
        begin = perf_counter()
        plan = cyconv.compile(model, (1, 3, 224, 224))
        print(f"\n{net}: {len(plan.steps())} steps, compiled in {perf_counter() - begin:.2f} s")
        for name, x in inputs.items():
            y = plan(x)
            begin = perf_counter()
            again = plan(x)
            took = perf_counter() - begin
            same = "the same bits twice" if y.tobytes() == again.tobytes() else "DIFFERENT bits"
            print(f"  {name}.jpg: {1e3 * took:.1f} ms, largest output at class {int(y.argmax())}, {same}")
        profiles[net] = plan.profile(inputs["china"], repeats=REPEATS)
        print(f"\n{profiles[net]}", flush=True)
        if net == "googlenet":
            maps = {name: feature_maps(plan, x) for name, x in inputs.items()}
    pictures = [draw_profiles(output / "time_per_layer.png", profiles)]
    for name, found in maps.items():
        pictures.append(draw_maps(output / f"feature_maps_{name}.png", photographs[name], inputs[name], found))
    return pictures


def random_network(name: str) -> nn.Module:
    """A network with normal weights of variance 2/fan-in and no biases, which pass a picture on through many layers; always the same."""
    net = models.get_model(name)
    init.manual_seed(0)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.weight = init.normal(layer.weight.shape, std=math.sqrt(2 / init.fan_in(layer.weight.shape)))
            layer.bias = init.full(layer.bias.shape, 0.0)
    return net


def feature_maps(plan: Plan, x: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs [C, H, W] of the layers in MAPS."""
    _, captured = plan(x, capture=list(MAPS))
    return {name: captured[name][0] for name in MAPS}


def layer_times(profile: Profile) -> list[tuple[str, dict[str, float]]]:
    """Milliseconds of each layer by kind of step, in running order; GoogLeNet's modules are one layer each."""
    layers: dict[str, dict[str, float]] = {}
    for record in profile.records:
        parts = record["name"].split(" + ")[0].split(".")
        layer = ".".join(parts[:2]) if parts[0] in ("features", "classifier") else parts[0]
        kinds = layers.setdefault(layer, {})
        kind = kind_of(record)
        kinds[kind] = kinds.get(kind, 0.0) + record["ms"]
    return list(layers.items())


def kind_of(record: dict) -> str:
    """Which of KINDS a step belongs to. A linear layer runs as a convolution over images of one pixel."""
    op = record["op"]
    if op in ("conv2d", "linear"):
        return "linear" if set(record["shape"][2:]) <= {1} else "convolution"
    if op.endswith("pool2d"):
        return "pooling"
    return "normalisation" if op.endswith("norm") else "data movement"


def draw_profiles(path: Path, profiles: dict[str, Profile]) -> Path:
    """Bars of time per layer, one panel a network."""
    from matplotlib.patches import Patch

    tables = {net: layer_times(profile) for net, profile in profiles.items()}
    figure = new_figure(12, 7)
    for place, (net, layers) in enumerate(tables.items(), 1):
        axes = figure.add_subplot(1, len(tables), place)
        used = {kind: np.array([kinds.get(kind, 0.0) for _, kinds in layers]) for kind in KINDS}
        ends = np.zeros(len(layers))
        for kind, times in used.items():
            if times.any():
                axes.barh(range(len(layers)), times, left=ends, height=0.7, color=KINDS[kind], edgecolor=SURFACE)
                ends += times
        for row, end in enumerate(ends):
            axes.text(end + 0.01 * ends.max(), row, f"{end:.2f}", va="center", fontsize=9, color=MUTED)
        axes.set_yticks(range(len(layers)), [name for name, _ in layers], fontsize=9)
        axes.set_ylim(len(layers) - 0.4, -0.6)
        axes.set_xlim(0, 1.12 * ends.max())
        axes.set_xlabel("ms (median)", color=MUTED)
        axes.set_title(f"{net}: {ends.sum():.1f} ms in all steps", fontsize=12, color=INK, loc="left")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0, colors=MUTED)
        axes.grid(axis="x", color="#e4e3df", linewidth=0.8)
        axes.set_axisbelow(True)
    handles = [Patch(color=color, label=kind) for kind, color in KINDS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=10)
    any_profile = next(iter(profiles.values()))
    how = f"{any_profile.isa}, {any_profile.num_threads} thread{'s' if any_profile.num_threads > 1 else ''}"
    figure.suptitle(f"Time per layer on one photograph of 224×224 ({how})", fontsize=14, color=INK)
    return save(figure, path)


def draw_maps(path: Path, photograph: np.ndarray, x: np.ndarray, maps: dict[str, np.ndarray]) -> Path:
    """The photograph, what the network gets of it, and the maps of some layers that vary most."""
    figure = new_figure(10, 10.6)
    grid = figure.add_gridspec(len(maps) + 1, MAPS_SHOWN)
    seen = x[0] - x[0].min(axis=(1, 2), keepdims=True)
    seen = (seen / np.maximum(seen.max(axis=(1, 2), keepdims=True), 1e-12)).transpose(1, 2, 0)
    for image, place, title in ((photograph, grid[0, :3], "photograph"), (seen, grid[0, 3:], "input: 224×224, normalised")):
        axes = figure.add_subplot(place)
        axes.imshow(image)
        axes.set_title(title, fontsize=11, color=INK)
        bare(axes)
    for row, (name, values) in enumerate(maps.items(), 1):
        liveliest = np.argsort(-values.std(axis=(1, 2)), kind="stable")[:MAPS_SHOWN]
        for column, channel in enumerate(np.sort(liveliest)):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(values[channel], cmap="gray", vmin=0, vmax=max(np.quantile(values[channel], 0.995), 1e-30))
            axes.set_title(f"channel {channel}", fontsize=9, color=MUTED)
            bare(axes)
            if column == 0:
                size = "×".join(map(str, values.shape))
                axes.set_ylabel(f"{name}\n{size}", fontsize=10, color=INK)
    figure.suptitle(f"Feature maps of GoogLeNet with random weights: {path.stem.removeprefix('feature_maps_')}.jpg", fontsize=14, color=INK)
    return save(figure, path)


def new_figure(width: float, height: float):
    """A figure of its own, which needs no display and leaves matplotlib's global state alone."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, facecolor=SURFACE, layout="constrained")


def bare(axes) -> None:
    """No ticks and no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def save(figure, path: Path) -> Path:
    """Write the picture."""
    figure.savefig(path)
    return path
