"""Time, ratio and memory of a function, and the ratio of one on two threads.

A file named by TINY_FAULTS can falsify what is measured: {"ratio": 1.5, "reference": 1.3}.
"""

import json
import os
import time
from pathlib import Path

from tiny import parallel, reference, work


def seconds(call, calls=40, clock=time.process_time):
    """Processor time of some calls: other processes of the machine do not count."""
    begin = clock()
    for _ in range(calls):
        call()
    return clock() - begin


def fault(name):
    """The factor that a test asks for."""
    path = Path(os.environ.get("TINY_FAULTS", ""))
    return json.loads(path.read_text()).get(name, 1.0) if path.is_file() else 1.0


def track_ratio():
    """The function's time in units of the reference's, measured in turn."""
    samples = []
    for _ in range(15):
        base = seconds(reference.sum)
        samples.append(fault("ratio") * seconds(work.sum) / base)
    return {"samples": samples, "number": 1}


def track_parallel_ratio():
    """The time of the function on two threads in units of the reference's, measured in turn.

    One call lasts so long that waking the second thread is nothing beside it.
    """
    samples = []
    for _ in range(15):
        base = seconds(reference.sum, 40, time.perf_counter)
        samples.append(seconds(parallel.sum, 1, time.perf_counter) / base)
    return {"samples": samples, "number": 1}


def track_reference():
    """Milliseconds of the reference."""
    return 25 * fault("reference") * min(seconds(reference.sum) for _ in range(9))


def time_work():
    """The function's time."""
    work.sum()


def peakmem_work():
    """The memory of a process that calls the function."""
    work.sum()


track_ratio.unit = track_parallel_ratio.unit = "ratio"
track_reference.unit = "ms"
time_work.repeat = (3, 5, 0.5)
time_work.sample_time = 0.003
time_work.rounds = 1
for function in (track_ratio, track_parallel_ratio, track_reference, time_work, peakmem_work):
    function.version = "1"
del function  # asv would take it for a benchmark
