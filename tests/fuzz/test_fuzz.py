"""Mutated weights and models: each is accepted or refused with cyconv's own error, in two seconds and one gigabyte; none kills the process.

A finding is a line such as ``mutant('onnx', 4711): …``; that call, with the seeds of its kind, makes the file again.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.fuzz.mutate import mutant
from tests.fuzz.pool import ROOT, fuzz
from tests.fuzz.seeds import SEEDS
from tests.fuzz.worker import MEMORY

SAMPLE = {"npz": 60, "safetensors": 60, "onnx": 180}
ALL = {"npz": 2000, "safetensors": 2000, "onnx": 3000, "nodes": 3000}


def check(tmp_path, shares: dict[str, int]) -> None:
    """Load so many mutants of each kind; print the counts."""
    findings = fuzz(tmp_path, [(kind, number) for kind, share in shares.items() for number in range(share)])
    print(f"\n{findings.table()}")
    assert findings.faults == []
    assert 0 < findings.bytes <= MEMORY
    for kind, share in shares.items():
        accepted, refused = findings.counts[kind, "accepted"], findings.counts[kind, "refused"]
        assert accepted + refused == share
        assert accepted > share / 25 and refused > share / 4  # a fuzzer whose files are all refused, or all accepted, finds nothing
    assert findings.counts["onnx", "run 1 outputs"] > shares["onnx"] / 25


def test_a_sample(tmp_path):
    check(tmp_path, SAMPLE)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand(tmp_path):
    assert sum(ALL.values()) == 10_000
    check(tmp_path, ALL)


@pytest.mark.parametrize("kind", SAMPLE)
def test_mutants_are_repeatable_and_differ(kind):
    seeds = SEEDS[kind]()
    first = [mutant(kind, number, seeds) for number in range(30)]
    assert first == [mutant(kind, number, seeds) for number in range(30)]
    assert len(set(first)) > 25 and len(set(first) - set(seeds)) > 20


def test_memory_is_capped():
    code = "import numpy as np; from tests.fuzz.worker import cap_memory; cap_memory(); "
    code += "half = np.zeros(1 << 29, np.uint8); print('half'); rest = np.zeros(1 << 30, np.uint8)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert done.stdout == "half\n" and "MemoryError" in done.stderr
