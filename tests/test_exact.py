"""conv2d, pools and linear equal an integer reference bit for bit, on every instruction set and for 1, 2 and 3 threads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cyconv
from cyconv._kernels import cpu
from tests.exact_cases import COUNTS, run_cases
from tests.parallel import small_plans_use_threads

SEED = 1
THREADS = [1, 2, 3]
CASES = 2000  # at least so many, all different


def check_report(report: dict) -> None:
    """Nothing failed, everything ran, and no function gave mostly zeros, which would prove little."""
    assert report["failed"] == 0, "\n".join(report["failures"])
    assert report["ran"] == COUNTS
    assert sum(report["ran"].values()) >= CASES
    assert min(report["nonzero"].values()) > 0.5


def test_exact():
    with small_plans_use_threads():
        report = run_cases(SEED, THREADS)
    assert report["isa"] == cyconv.isa()
    check_report(report)


@pytest.mark.parametrize("isa", [isa for isa in cpu.runnable_isas() if isa != cyconv.isa()])
def test_exact_on_other_instruction_sets(isa):
    command = [sys.executable, "-m", "tests.exact_cases", str(SEED), ",".join(map(str, THREADS))]
    root = Path(__file__).resolve().parents[1]
    run = subprocess.run(command, cwd=root, env={**os.environ, "CYCONV_ISA": isa}, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert report["isa"] == isa
    check_report(report)


def test_the_check_finds_a_wrong_bit(monkeypatch):
    """The comparison itself is alive: one wrong element in one function is reported."""
    from cyconv import functional as F

    right = F.adaptive_avg_pool2d

    def wrong(input, output_size):
        y = right(input, output_size)
        y.flat[-1:] += 1
        return y

    monkeypatch.setattr(F, "adaptive_avg_pool2d", wrong)
    monkeypatch.setitem(COUNTS, "conv2d", 1)
    report = run_cases(SEED, [1])
    assert report["failed"] >= 0.9 * COUNTS["adaptive_avg_pool2d"]
