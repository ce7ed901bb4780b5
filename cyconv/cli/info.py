"""`cyconv info`: this machine as cyconv sees it. Part of the command line."""

from __future__ import annotations

import argparse
import os
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np

import cyconv
from cyconv._kernels import cpu
from cyconv.cli.show import note, show
from cyconv.table import Table


def info_command(arguments: argparse.Namespace) -> None:
    """`cyconv info`."""
    threads = cyconv.get_num_threads()
    note("measuring the peak")
    one, all_threads = cpu.measure_peak(), measured_peak(threads)
    can = cpu.runnable_isas()
    facts = {
        "cyconv": cyconv.__version__,
        "Python": f"{platform.python_version()}, NumPy {np.__version__}, {platform.system()} {platform.machine()}",
        "CPU": cpu_model(),
        "instruction sets": f"{cyconv.isa()} in use ({cpu.lanes()} floats a vector); can run: {', '.join(can)}",
        "threads": f"{threads} of {os.cpu_count()} CPUs",
        "caches": ", ".join(caches()) or "unknown",
        "peak, 1 thread": f"{one:.0f} GFLOP/s of float32 multiply-adds, measured now",
        f"peak, {threads} thread{'s' if threads > 1 else ''}": f"{all_threads:.0f} GFLOP/s",
    }
    table = Table([{"what": key, "value": value} for key, value in facts.items()], {"what": "", "value": ""})
    if arguments.form == "text":
        width = max(map(len, facts))
        print("\n".join(f"{key:{width}}  {value}" for key, value in facts.items()))
    else:
        show(table, arguments.form, isa=cyconv.isa(), threads=threads, peak_gflops=one, peak_gflops_all=all_threads)


def cpu_model(path: str = "/proc/cpuinfo") -> str:
    """The processor's name, as far as the system tells."""
    try:
        for line in Path(path).read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def caches(folder: str = "/sys/devices/system/cpu/cpu0/cache") -> list[str]:
    """The first CPU's caches in words, such as ``L1 data 48K``, smallest first; empty where the system does not tell."""
    found = []
    for index in sorted(Path(folder).glob("index*")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        found.append(f"L{level}{'' if kind == 'Unified' else ' ' + kind.lower()} {size}")
    return found


def measured_peak(threads: int) -> float:
    """GFLOP/s of that many threads at the same time."""
    start = Barrier(threads)

    def measure(_) -> float:
        start.wait()
        return cpu.measure_peak(0.1)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(measure, range(threads)))
