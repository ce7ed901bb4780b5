"""How much repeated measurements of one commit scatter: ``python -m benchmarks.noise [--bench REGEX …] [--rounds 15]``.

asv measures the working tree's newest commit again and again, each time in a process of its own. The table sets the scatter of times beside
that of ratios to the frozen reference, for each thing that has both.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.compare import Measured, commit_of, measure, medians, parse, read
from cyconv._kernels.cpu import runnable_isas
from cyconv.table import Table

COLUMNS = {"what": "what", "time": "time: scatter", "time_most": "farthest", "ratio": "ratio: scatter", "ratio_most": "farthest"}


def scatters(measured: dict[str, Measured], rounds: int) -> dict[str, tuple[float, float]]:
    """Of each benchmark that was sampled: the scatter of its rounds' medians, and how far the farthest is from the middle."""
    from benchmarks.service.noise import scatter  # here: asv imports all modules of this package where the service cannot run

    found = {}
    for name, (_, samples) in measured.items():
        if samples:
            values = medians(samples, rounds)
            found[name] = scatter(values), max(abs(value / median(values) - 1) for value in values)
    return found


def rows(found: dict[str, tuple[float, float]]) -> list[dict[str, str]]:
    """A row for each thing with a time and a ratio, and one with the medians of all."""
    times = {name.replace(".time_run", ""): both for name, both in found.items() if ".time_run" in name}
    ratios = {name.replace(".track_ratio", ""): both for name, both in found.items() if ".track_ratio" in name}
    common = sorted(times.keys() & ratios.keys())
    numbers = {name: (*times[name], *ratios[name]) for name in common}
    if common:
        numbers["median of all"] = tuple(map(median, zip(*numbers.values(), strict=True)))
    keys = list(COLUMNS)[1:]
    return [
        {"what": name} | {key: f"{100 * value:.2f} %" for key, value in zip(keys, values, strict=True)} for name, values in numbers.items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noise", description=__doc__.splitlines()[0])
    parser.add_argument("--bench", nargs="+", default=[r"Layer\.(time_run|track_ratio)"], help="regular expressions of asv's names")
    parser.add_argument("--rounds", type=int, default=15, help="processes for each benchmark; default 15")
    parser.add_argument("--isa", default=runnable_isas()[0], choices=runnable_isas())
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    commit = commit_of("HEAD")
    setting = ["--rounds", str(chosen.rounds), "--isa", chosen.isa, "--threads", str(chosen.threads)]
    options = parse([commit, commit, "--bench", *chosen.bench, *setting])
    with tempfile.TemporaryDirectory() as folder:
        measure([commit], Path(folder), options, chosen.rounds)
        measured = read(Path(folder, "results"), commit)
    print(Table(rows(scatters(measured, chosen.rounds)), COLUMNS).to_markdown())
    print(f"\n{commit[:8]}, {chosen.rounds} processes each, {options.isa}, {chosen.threads} thread(s)")


if __name__ == "__main__":
    main()
