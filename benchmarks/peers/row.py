"""One row of the comparison, in a process of its own: ``python -m benchmarks.peers.row SPEC NOTES RESULT`` (called by ``__main__``).

SPEC is the row as JSON: network, batch, threads, seconds, engines. NOTES is a file whose last line always names the engine that is at
work, so that the caller knows whom a crash belongs to. The row with its figures goes to the file RESULT.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable

import numpy as np

from benchmarks.peers.engine import OURS, Call, Engine, load_engine
from benchmarks.peers.networks import images, traced_network
from cyconv._kernels.cpu import isa
from cyconv.graph import Graph

# The largest difference from cyconv's answer, relative to the largest number of the answer. Correct engines stay near 1e-6.
TOLERANCE = 1e-4
PAUSE = 0.03
CALLS = 5
MIN_CALLS = 10

Note = Callable[[str], None]


def failure(error: BaseException) -> str:
    """An error in one line."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:200]


def start(keys: Iterable[str], graph: Graph, threads: int, x: np.ndarray, note: Note) -> tuple[dict[str, Call], dict[str, dict]]:
    """Prepare the engines and let each answer once: the calls that work, and a record for each engine."""
    calls: dict[str, Call] = {}
    records: dict[str, dict] = {}
    ours = None
    for key in keys:
        note(key)
        record: dict = {}
        records[key] = record
        try:
            engine: Engine = load_engine(key)
            record |= {"version": engine.version, "setting": engine.setting, "limitable": engine.limitable}
            begin = time.perf_counter()
            call = engine.prepare(graph, threads)
            answer = np.array(call(x))
            record["prepare_s"] = round(time.perf_counter() - begin, 3)
        except Exception as error:
            record["failed"] = failure(error)
            continue
        if ours is None:
            ours = answer
        record["difference"] = difference = relative_difference(answer, ours)
        if not difference < TOLERANCE:
            record["failed"] = f"its answer differs from cyconv's by {difference:.1e} of the largest"
            record["disagrees"] = True
            continue
        calls[key] = call
    return calls, records


def relative_difference(answer: np.ndarray, ours: np.ndarray) -> float:
    """The largest difference relative to the largest number; infinite when shapes differ."""
    if answer.shape != ours.shape:
        return float("inf")
    return float(np.abs(answer - ours).max() / np.abs(ours).max())


def alternate(calls: dict[str, Call], x: np.ndarray, seconds: float, note: Note) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Milliseconds of the calls, taken in turn for about ``seconds``, and why an engine dropped out.

    A turn is a pause, one call to wake up and five that count: the pause lets the threads of the engine before fall asleep, which
    would otherwise spin on this one's CPUs. The order changes from round to round.
    """
    times: dict[str, list[float]] = {key: [] for key in calls}
    failures: dict[str, str] = {}
    order = list(calls)
    shuffle = random.Random(0).shuffle
    end = time.perf_counter() + seconds
    while order and (time.perf_counter() < end or min(len(times[key]) for key in order) < MIN_CALLS):
        shuffle(order)
        for key in list(order):
            note(key)
            time.sleep(PAUSE)
            try:
                calls[key](x)
                for _ in range(CALLS):
                    begin = time.perf_counter()
                    calls[key](x)
                    times[key].append(1e3 * (time.perf_counter() - begin))
            except Exception as error:
                failures[key] = failure(error)
                order.remove(key)
    return times, failures


def ratio_to_best(records: dict[str, dict]) -> dict:
    """The other engine with the smallest median, and its median ÷ cyconv's; None where there is none."""
    medians = {key: record["median_ms"] for key, record in records.items() if "failed" not in record}
    ours = medians.pop(OURS, None)
    if ours is None or not medians:
        return {"ratio": None, "best_other": None}
    best = min(medians, key=lambda key: medians[key])
    return {"ratio": round(medians[best] / ours, 3), "best_other": best}


def measure(spec: dict, note: Note) -> dict:
    """The row: what was asked, the ratio, and a record for each engine."""
    graph = traced_network(spec["network"], spec["batch"])
    x = images(graph)
    calls, records = start(spec["engines"], graph, spec["threads"], x, note)
    times, failures = alternate(calls, x, spec["seconds"], note)
    for key, row in times.items():
        if key in failures:
            records[key]["failed"] = failures[key]
        else:
            records[key] |= {"median_ms": round(statistics.median(row), 3), "min_ms": round(min(row), 3), "calls": len(row)}
    head = {key: spec[key] for key in ("network", "batch", "threads")}
    return {**head, "isa": isa(), **ratio_to_best(records), "engines": records}


def main() -> None:
    """Measure the row that the command line gives."""
    spec, notes, result = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
    with open(notes, "w") as file:

        def note(engine: str) -> None:
            file.write(f"{engine}\n")
            file.flush()

        row = measure(spec, note)
    with open(result, "w") as file:
        json.dump(row, file)


if __name__ == "__main__":
    main()
