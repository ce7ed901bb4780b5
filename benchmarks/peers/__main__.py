"""cyconv against the other engines: ``make peers PEERS_ARGS="--networks googlenet --threads 1"``, or ``python -m benchmarks.peers``.

Goes through the rows (network × batch × threads), shows progress, and writes after each what is known so far: peers.md and peers.json;
at the end the chart (peers.png, peers.svg) and the table of every convolution (layers.md, layers.json).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.peers.engine import ISA_VARIABLES, OURS, TITLES
from benchmarks.peers.networks import NETWORKS
from benchmarks.peers.report import report_table, results

ROOT = Path(__file__).resolve().parents[2]


def environment(isa: str | None) -> dict[str, str]:
    """The environment of the processes that measure."""
    return {**os.environ, **(ISA_VARIABLES[isa] if isa else {})}


def run_row(spec: dict, env: dict[str, str], timeout: float) -> dict:
    """Measure a row; when an engine takes the process down or hangs, note it and measure the others again."""
    engines = list(spec["engines"])
    lost: dict[str, dict] = {}
    while OURS in engines:
        with tempfile.TemporaryDirectory() as folder:
            notes, result = Path(folder, "notes"), Path(folder, "result")
            command = [sys.executable, "-m", "benchmarks.peers.row", json.dumps({**spec, "engines": engines}), str(notes), str(result)]
            try:
                status = subprocess.run(command, cwd=ROOT, env=env, timeout=timeout, stdout=subprocess.DEVNULL).returncode
                reason = f"the process ended with status {status}"
            except subprocess.TimeoutExpired:
                reason = f"no answer after {timeout:.0f} s"
            if result.exists():
                row = json.loads(result.read_text())
                row["engines"] |= lost
                return row
            culprit = (notes.read_text().split() if notes.exists() else [])[-1:] or [OURS]
        lost[culprit[0]] = {"failed": reason}
        engines.remove(culprit[0])
    head = {key: spec[key] for key in ("network", "batch", "threads")}
    return {**head, "isa": None, "ratio": None, "best_other": None, "engines": lost}


def progress(done: int, total: int, row: dict, begin: float) -> str:
    """What the last row gave and how long the rest may take."""
    minutes = (time.perf_counter() - begin) * (total - done) / done / 60
    ratio = "no ratio" if row["ratio"] is None else f"{row['ratio']:.2f} × as fast as {TITLES[row['best_other']]}"
    failed = [f"; {TITLES[key]} failed: {record['failed']}" for key, record in row["engines"].items() if "failed" in record]
    return f"  {ratio}{''.join(failed)} ({done} of {total} rows, about {minutes:.0f} min left)"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    others = [key for key in TITLES if key != OURS]
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS), metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time for each row, all engines together (10)")
    parser.add_argument("--engines", nargs="+", default=others, choices=others, metavar="NAME", help=", ".join(others))
    parser.add_argument("--isa", choices=list(ISA_VARIABLES), help="keep cyconv, and the engines that can be told, to this instruction set")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds after which the engine at work counts as hanging (900)")
    parser.add_argument("--layers", action=argparse.BooleanOptionalAction, default=True, help="also the table of every convolution")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results", help="directory of the tables and charts")
    options = parser.parse_args(arguments)
    if min(options.threads + options.batch) < 1:
        parser.error("--threads and --batch must be positive")
    return options


def measure_rows(options: argparse.Namespace, env: dict[str, str], stem: Path) -> list[dict]:
    """All rows; the tables are written after each."""
    specs = [
        {"network": name, "batch": batch, "threads": threads, "seconds": options.seconds, "engines": [OURS, *options.engines]}
        for name in options.networks
        for batch in options.batch
        for threads in options.threads
    ]
    rows: list[dict] = []
    begin = time.perf_counter()
    for spec in specs:
        print(f"{spec['network']}, batch {spec['batch']}, {spec['threads']} thread(s)", file=sys.stderr, flush=True)
        rows.append(run_row(spec, env, options.timeout))
        print(progress(len(rows), len(specs), rows[-1], begin), file=sys.stderr, flush=True)
        found = results(rows, options.isa)
        stem.with_suffix(".json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        stem.with_suffix(".md").write_text(report_table(found).to_markdown())
    return rows


def draw(stem: Path, rows: list[dict]) -> None:
    """The chart, where matplotlib is installed."""
    try:
        from benchmarks.peers.chart import draw_chart
    except ImportError as error:
        print(f"no chart: {error}", file=sys.stderr)
    else:
        draw_chart(rows, stem)


def main() -> int:
    """Run what the command line asks for; 1 when cyconv failed or answers disagree."""
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    env = environment(options.isa)
    suffix = f"-{options.isa}" if options.isa else ""
    stem = options.output / f"peers{suffix}"
    rows = measure_rows(options, env, stem)
    draw(stem, rows)
    print(stem.with_suffix(".md").read_text())
    status = 0
    if options.layers:
        print("every convolution", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "benchmarks.peers.conv_table", "--output", str(options.output / f"layers{suffix}")]
        command += ["--networks", *options.networks, "--threads", *map(str, options.threads)]
        status = subprocess.run(command, cwd=ROOT, env=env).returncode
    records = [(key, record) for row in rows for key, record in row["engines"].items()]
    wrong = any("disagrees" in record or (key == OURS and "failed" in record) for key, record in records)
    return 1 if wrong or status else 0


if __name__ == "__main__":
    sys.exit(main())
