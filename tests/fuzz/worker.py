"""Loads mutants, one after the other, with a cap on memory: ``python -m tests.fuzz.worker FOLDER`` (called by pool.py).

Reads ``kind number`` lines from stdin and writes one line of JSON for each. Memory is capped by the system: an allocation beyond it
fails, and a process that does not survive this is seen by its parent.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import time
import warnings
from math import prod
from pathlib import Path

import numpy as np

import cyconv
from cyconv.graph.compile import trace_function
from cyconv.io import WeightsError
from cyconv.onnx import ModelError, OnnxNet, load_onnx
from cyconv.ops import OPS
from tests.fuzz.mutate import mutant

MEMORY = 1 << 30
# Models that want more are loaded, but not run: that would be no fault of theirs.
MAX_BYTES, MAX_MACS = 1 << 26, 1 << 26
RUN_ERRORS = (ValueError, TypeError, MemoryError)
GREEDY = ("not enough memory", "Unable to allocate", "MemoryError", "no memory for")  # what is said where the cap was met


def cap_memory() -> None:
    """Let this process have MEMORY bytes more than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def peak() -> int:
    """Bytes of memory that this process has held at most (``ru_maxrss`` would also count what its parent held)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def load_weights(path: Path) -> dict:
    """Read weights, and each number of them."""
    try:
        arrays = cyconv.load_state_dict(path)
    except WeightsError as error:
        return {"outcome": "refused", "why": str(error).removeprefix(str(path))}
    for array in arrays.values():
        np.max(array, initial=0)
    return {"outcome": "accepted"}


def load_model(path: Path) -> dict:
    """Load a model; run it when it is small."""
    try:
        net = load_onnx(path)
    except ModelError as error:
        return {"outcome": "refused", "why": str(error).removeprefix(str(path))}
    return {"outcome": "accepted", "run": run(net)}


def run(net: OnnxNet) -> str:
    """What comes of running a model on zeros; sizes that are open are taken for 2."""
    shapes = [tuple(size if isinstance(size, int) else 2 for size in value.dims or ()) for value in net.inputs]
    if sum(map(prod, shapes)) > MAX_BYTES:
        return "too large"
    inputs = [np.zeros(shape, value.dtype) for shape, value in zip(shapes, net.inputs, strict=True)]
    try:
        if not net._known_inputs:
            graph = trace_function(net, shapes, net.input_names, [value.dtype for value in net.inputs])[0]
            size = sum(8 * prod(value.shape) for value in graph.values())
            work = sum(OPS[n.op].macs([v.shape for v in n.inputs], [v.shape for v in n.outputs], n.attrs) or 0 for n in graph.nodes)
            if size > MAX_BYTES or work > MAX_MACS:
                return "too large"
        answer = net(*inputs)
    except RUN_ERRORS as error:
        return f"refused: {type(error).__name__}: {error}"[:200]
    return f"{len(answer) if isinstance(answer, tuple) else 1} outputs"


def main() -> None:
    """Serve until stdin ends."""
    folder = Path(sys.argv[1])
    seeds = pickle.loads((folder / "seeds.pickle").read_bytes())
    where = folder / f"{sys.argv[2]}"
    where.mkdir()
    warnings.simplefilter("ignore")
    cyconv.set_num_threads(1)
    cap_memory()
    before = peak()
    for line in sys.stdin:
        kind, number = line.split()
        model = kind not in ("npz", "safetensors")
        path = where / f"case.{'onnx' if model else kind}"
        path.unlink(missing_ok=True)  # a file that is mapped must not be cut
        path.write_bytes(mutant(kind, int(number), seeds[kind]))
        begin = time.process_time()
        try:
            record = load_model(path) if model else load_weights(path)
        except Exception as error:
            record = {"outcome": "fault", "why": f"{type(error).__name__}: {error}"}
        if any(word in str(record) for word in GREEDY):
            record["outcome"] = "greedy"
        record |= {"kind": kind, "number": int(number), "seconds": time.process_time() - begin, "bytes": peak() - before}
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
