"""The comparison as a picture: how many times faster than each engine cyconv is; one panel for each batch and number of threads."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from benchmarks.peers.engine import OURS, TITLES

COLOURS = {"onnxruntime": "#4477aa", "openvino": "#66ccee", "ncnn": "#228833", "torch": "#bbbbbb", "torch_compile": "#ccbb44"}
LIMIT = 5.0  # bars beyond this many times are cut


def speedups(row: dict) -> dict[str, float]:
    """Median of each other engine ÷ cyconv's."""
    medians = {key: record["median_ms"] for key, record in row["engines"].items() if "failed" not in record}
    ours = medians.pop(OURS, None)
    return {key: median / ours for key, median in medians.items()} if ours else {}


def draw_panel(axes, rows: list[dict], keys: list[str]) -> None:
    """Bars of one batch and number of threads; over each network the smallest of its bars, which is its ratio, as a number."""
    width = 0.8 / max(len(keys), 1)
    for place, row in enumerate(rows):
        found = speedups(row)
        for i, key in enumerate(keys):
            if key in found:
                axes.bar(place + (i - (len(keys) - 1) / 2) * width, min(found[key], LIMIT), width, color=COLOURS[key])
        if found:
            top = min(max(found.values()), LIMIT) + 0.08
            axes.text(place, top, f"{min(found.values()):.2f}", ha="center", fontsize=8, fontweight="bold")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(rows)), [row["network"] for row in rows], rotation=30, ha="right", fontsize=8)
    axes.set_ylim(0, LIMIT + 0.5)
    axes.set_ylabel("times faster than", fontsize=8)
    axes.set_title(f"batch {rows[0]['batch']}, {rows[0]['threads']} thread(s)", fontsize=9)


def draw_chart(rows: list[dict], stem: Path) -> None:
    """Write ``stem``.png and ``stem``.svg."""
    batches, threads = sorted({row["batch"] for row in rows}), sorted({row["threads"] for row in rows})
    keys = [key for key in COLOURS if any(key in speedups(row) for row in rows)]
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "cyconv"})
    networks = len({row["network"] for row in rows})
    size = (max(len(threads) * (1.5 + 0.6 * networks), 7), 2.8 * len(batches) + 0.4)
    figure, panels = plt.subplots(len(batches), len(threads), figsize=size, squeeze=False, layout="constrained")
    for i, batch in enumerate(batches):
        for j, number in enumerate(threads):
            chosen = [row for row in rows if (row["batch"], row["threads"]) == (batch, number)]
            if chosen:
                draw_panel(panels[i][j], chosen, keys)
    handles = [Rectangle((0, 0), 1, 1, color=COLOURS[key]) for key in keys]
    figure.legend(handles, [TITLES[key] for key in keys], loc="outside upper center", ncols=max(len(keys), 1), fontsize=8, frameon=False)
    figure.savefig(stem.with_suffix(".png"), dpi=110, metadata={"Software": None})
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)
