"""The processor: which instruction sets there are, how CYCONV_ISA chooses, teams and the measured peak."""

import os
import subprocess
import sys

import pytest

from cyconv._kernels import cpu

ORDER = ["baseline", "avx2", "avx512", "amx"]


def child(code: str, **environment: str) -> subprocess.CompletedProcess:
    env = {k: v for k, v in os.environ.items() if k != "CYCONV_ISA"} | environment
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)


def test_instruction_sets():
    assert set(cpu.runnable_isas()) <= set(cpu.compiled_isas()) <= set(ORDER)
    assert cpu.runnable_isas() == sorted(cpu.runnable_isas(), key=ORDER.index, reverse=True)
    assert cpu.runnable_isas()[-1] == "baseline" and cpu.isa() in cpu.runnable_isas()


@pytest.mark.parametrize("cap", ["", *ORDER])
def test_the_environment_caps_the_choice(cap):
    done = child("import cyconv; print(cyconv.isa())", CYCONV_ISA=cap)
    every = child("from cyconv._kernels import cpu; print(*cpu.runnable_isas())").stdout.split()  # this process may have a cap of its own
    allowed = [isa for isa in every if not cap or ORDER.index(isa) <= ORDER.index(cap)]
    assert done.stdout.split() == [allowed[0]], done.stderr


@pytest.mark.parametrize("name", ["sse", "AVX2", "avx512 ", "0"])
def test_an_unknown_instruction_set_is_an_error(name):
    done = child("import cyconv", CYCONV_ISA=name)
    assert done.returncode != 0 and "CYCONV_ISA must be one of baseline, avx2, avx512, amx" in done.stderr and repr(name) in done.stderr


def test_tile_sizes():
    assert cpu.lanes() in (4, 8, 16)
    assert len(cpu.conv_pixels()) == 3 and all(1 <= two <= one <= 14 for one, two in cpu.conv_pixels())
    assert 1 <= cpu.lanewise_pixels() <= 14


def test_team_size():
    assert [cpu.team_size(n) for n in (1, 2, 5)] == [1, 2, 5]


def test_peak():
    assert 0.1 < cpu.measure_peak(0.002) < 10_000


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc")
def test_importing_starts_no_threads_and_warns_of_nothing():
    code = "import cyconv._kernels.cpu; print(open('/proc/self/status').read().split('Threads:')[1].split()[0])"
    done = child(code, OPENBLAS_NUM_THREADS="1")
    assert done.stdout.strip() == "1" and not done.stderr


def test_tile_registers_are_asked_for_only_where_they_are_wanted():
    """Linux keeps in bit 18 of a process's permissions whether it may use them."""
    if "amx" not in cpu.runnable_isas():
        pytest.skip("this CPU or system has no tile registers")
    code = """import ctypes, cyconv
granted = ctypes.c_ulong()
cyconv.isa(), ctypes.CDLL(None).syscall(158, 0x1022, ctypes.byref(granted))  # arch_prctl(ARCH_GET_XCOMP_PERM)
print(granted.value >> 18 & 1)"""
    assert child(code, CYCONV_ISA="amx").stdout.strip() == "1"
    assert child(code, CYCONV_ISA="avx512").stdout.strip() == "0"
