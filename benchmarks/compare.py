"""Two commits against each other, in turns: ``python -m benchmarks.compare BASE HEAD [--bench REGEX …]``, or ``make bench-compare``.

asv builds both once and measures them round by round, each benchmark of a round in a process of its own. From the medians of the rounds
come a ratio head ÷ base with its interval, a verdict, and how sure that is. A commit against itself shows the noise. Exits with 1 when
something is slower, with 2 when something could not be measured.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean, median, stdev
from typing import NamedTuple

from benchmarks.run_asv import ROOT, asv, config
from cyconv._kernels.cpu import runnable_isas
from cyconv.table import Table

LEVEL = 0.99  # of the interval
MIN_ROUNDS = 3  # two say nothing of their scatter
COLUMNS = {"benchmark": "benchmark", "base": "base", "head": "head", "ratio": "head ÷ base", "interval": "99 % interval"}
COLUMNS |= {"verdict": "verdict", "confidence": "confidence"}
# Of one parameter combination: its value, and the samples of all rounds where there are any.
Measured = tuple[float | None, list[float] | None]


class Verdict(NamedTuple):
    """``word`` is slower, faster, same or unclear; the interval is that of the ratio; confidence is that of the word."""

    word: str
    ratio: float
    low: float
    high: float
    confidence: float


def judge(base: list[float], head: list[float], threshold: float) -> Verdict:
    """The verdict on the medians of rounds that were measured in turns.

    Differences of logarithms within a round are taken as normally distributed about one value. Slower and faster: the interval
    leaves 1 out and the ratio is beyond the threshold; their confidence is that of a two-sided test. Same: the whole interval is
    within the threshold; its confidence is that the ratio is.
    """
    from scipy.stats import t as student  # here: asv imports all modules of this package where there is no SciPy

    differences = [math.log(h / b) for b, h in zip(base, head, strict=True)]
    n, mean, limit = len(differences), fmean(differences), math.log1p(threshold)
    spread = stdev(differences) / math.sqrt(n) if n > 1 else 0.0
    if spread == 0.0:  # such as sizes in bytes
        word = "same" if abs(mean) <= limit else "slower" if mean > 0 else "faster"
        return Verdict(word, *(3 * [math.exp(mean)]), 1.0)
    reach = float(student.ppf(0.5 + LEVEL / 2, n - 1)) * spread
    if abs(mean) > max(reach, limit):
        word, confidence = ("slower" if mean > 0 else "faster"), 1 - 2 * student.sf(abs(mean) / spread, n - 1)
    else:
        word = "same" if abs(mean) + reach <= limit else "unclear"
        confidence = student.cdf((limit - abs(mean)) / spread, n - 1)
    return Verdict(word, math.exp(mean), math.exp(mean - reach), math.exp(mean + reach), float(confidence))


def medians(samples: list[float], rounds: int) -> list[float]:
    """The median of each round; asv appends the samples of a round to those of the rounds before, and all rounds give as many."""
    size, rest = divmod(len(samples), rounds)
    if rest or not size:
        raise ValueError(f"{len(samples)} samples do not come from {rounds} equal rounds")
    return [median(samples[i * size : (i + 1) * size]) for i in range(rounds)]


def read(results: Path, commit: str) -> dict[str, Measured]:
    """All that was measured of a commit, by the name of the benchmark with its parameters."""
    found: dict[str, Measured] = {}
    for path in results.glob(f"*/{commit[:8]}-*.json"):
        data = json.loads(path.read_text())
        for name, columns in data["results"].items():
            row = dict(zip(data["result_columns"], columns, strict=False))
            names = [f"{name}({', '.join(chosen)})" for chosen in itertools.product(*row.get("params") or [])]
            values, samples = row.get("result") or [None] * len(names), row.get("samples") or [None] * len(names)
            found |= {key: (value, s) for key, value, s in zip(names, values, samples, strict=True)}
    return {key.removesuffix("()"): measured for key, measured in found.items()}


def skipped(measured: Measured) -> bool:
    """Whether asv left it out: it has nothing to say in this setting."""
    return measured[0] is not None and math.isnan(measured[0])


def verdicts(base: dict[str, Measured], head: dict[str, Measured], rounds: int, threshold: float) -> dict[str, Verdict | None]:
    """A verdict for each benchmark; None where a side gave nothing."""
    found: dict[str, Verdict | None] = {}
    for name in sorted(base.keys() | head.keys()):
        sides = [side.get(name, (None, None)) for side in (base, head)]
        if any(map(skipped, sides)):
            continue
        found[name] = None
        if all(value is not None for value, _ in sides):
            rows = [medians(samples, rounds) if samples else [value] for value, samples in sides]
            found[name] = judge(*rows, threshold)
    return found


def odd_and_even(measured: dict[str, Measured], rounds: int) -> tuple[dict[str, Measured], dict[str, Measured]]:
    """The rounds of one commit as if they came from two: even ones and odd ones."""
    halves: tuple[dict[str, Measured], dict[str, Measured]] = ({}, {})
    for name, (value, samples) in measured.items():
        for half in (0, 1):
            halves[half][name] = (value, medians(samples, 2 * rounds)[half::2] if samples else None)
    return halves


def commit_of(name: str) -> str:
    """The full hash of a commit."""
    return subprocess.run(
        ["git", "rev-parse", "--verify", f"{name}^{{commit}}"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def measure(commits: list[str], folder: Path, options: argparse.Namespace, rounds: int) -> None:
    """Let asv measure commits in turns, on one instruction set and number of threads, into ``folder``/results."""
    made = config(results_dir=str(folder / "results"))
    made["matrix"]["env_nobuild"] |= {"CYCONV_ISA": [options.isa], "OMP_NUM_THREADS": [str(options.threads)]}
    path = folder / "asv.conf.json"
    path.write_text(json.dumps(made))
    chosen = [word for pattern in options.bench for word in ("--bench", pattern)]
    arguments = ["--interleave-rounds", "--record-samples", "--no-pull", "--show-stderr", "-a", f"rounds={rounds}", *chosen]
    asv("run", "--config", str(path), *arguments, "HASHFILE:-", input="\n".join(commits), text=True)


def shown(measured: Measured | None) -> str:
    """A value for people."""
    return "–" if measured is None or measured[0] is None else f"{measured[0]:.4g}"


def table(found: dict[str, Verdict | None], base: dict[str, Measured], head: dict[str, Measured]) -> Table:
    """What was found, worst first."""
    rows = []
    for name, verdict in sorted(found.items(), key=lambda item: -(item[1].ratio if item[1] else math.inf)):
        row = {"benchmark": name, "base": shown(base.get(name)), "head": shown(head.get(name))}
        row |= {"ratio": "–", "interval": "–", "verdict": "not measured", "confidence": "–"}
        if verdict:
            row |= {"ratio": f"{verdict.ratio:.3f}", "interval": f"{verdict.low:.3f} to {verdict.high:.3f}", "verdict": verdict.word}
            row["confidence"] = f"{100 * min(verdict.confidence, 0.9999):.4g} %"
        rows.append(row)
    return Table(rows, COLUMNS)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.splitlines()[0])
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("--bench", nargs="+", default=["track_ratio"], help="regular expressions of asv's names; default track_ratio")
    parser.add_argument("--rounds", type=int, default=6, help="processes for each benchmark and commit; default 6")
    parser.add_argument("--threshold", type=float, default=0.03, help="a smaller change does not matter; default 0.03")
    parser.add_argument("--isa", default=runnable_isas()[0], choices=runnable_isas())
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.rounds < MIN_ROUNDS:
        parser.error(f"--rounds must be at least {MIN_ROUNDS}, got {options.rounds}")
    return options


def main() -> int:
    """Measure, print the table, and say by the exit code whether something is slower."""
    options = parse()
    commits = [commit_of(options.base), commit_of(options.head)]
    itself = commits[0] == commits[1]
    with tempfile.TemporaryDirectory() as folder:
        measure(list(dict.fromkeys(commits)), Path(folder), options, options.rounds * (2 if itself else 1))
        base, head = (read(Path(folder, "results"), commit) for commit in commits)
    if itself:
        halves = odd_and_even(base, options.rounds)
        found = verdicts(*halves, options.rounds, options.threshold)
    else:
        found = verdicts(base, head, options.rounds, options.threshold)
    print(table(found, base, head).to_markdown())
    print(f"\n{commits[0][:8]} → {commits[1][:8]}, {options.rounds} rounds each, {options.isa}, {options.threads} thread(s)")
    if not found or None in found.values():
        return 2
    return int(any(verdict.word == "slower" for verdict in found.values() if verdict))


if __name__ == "__main__":
    sys.exit(main())
