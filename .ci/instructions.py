"""Finds AVX and AVX-512 instructions in object files and modules (x86-64).

An instruction set's object may hold what its name promises and no more; everything else in the wheel must run on any x86-64.
Reads what objdump and readelf print. Used by check_wheel.py and tests/test_wheel.py.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import zipfile
from pathlib import Path

ADDRESS = re.compile(r"^\s*[0-9a-f]+:\t(.*)$")
# AVX-512 brings the zmm registers, registers 16 to 31 and the mask registers.
WIDE = re.compile(r"%zmm|%[xy]mm(1[6-9]|2\d|3[01])\b|%k[0-7]\b")
# Every VEX or EVEX vector instruction starts with v; a few system instructions do too.
VECTOR = re.compile(r"^(?!ver[rw]\b|vm(call|func|launch|resume|ptr|read|write|clear|xon|xoff|run|load|save|mcall))v[a-z]")
# Scalar instructions that came with AVX2 machines (BMI, masks); GCC may emit them under -march=x86-64-v4. Not tzcnt: GCC
# also writes it for older CPUs, which read it as bsf.
SCALAR = re.compile(r"^(andn|bextr|blsi|blsmsk|blsr|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx|lzcnt|k[a-z]+[bwdq])\b")


def disassemble(path: Path) -> list[str]:
    """The instructions of an object or module, mnemonic first."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(path)], capture_output=True, text=True, check=True).stdout
    return [match[1].strip() for line in text.splitlines() if (match := ADDRESS.match(line))]


def count_avx(path: Path) -> tuple[int, int]:
    """How many instructions need AVX or later, and how many of those need AVX-512."""
    lines = disassemble(path)
    if not lines:
        raise ValueError(f"objdump found no instruction in {path}")
    avx = [line for line in lines if VECTOR.match(line) or SCALAR.match(line)]
    return len(avx), sum(bool(WIDE.search(line)) for line in avx)


def exported(path: Path) -> list[str]:
    """The global symbols that an object defines."""
    text = subprocess.run(["nm", "-g", "--defined-only", str(path)], capture_output=True, text=True, check=True).stdout
    return [line.split()[-1] for line in text.splitlines()]


def check_objects(folder: Path) -> dict[str, int]:
    """Count AVX instructions per object under a build folder; ValueError where one stands outside the AVX objects."""
    objects = sorted(folder.glob("temp*/**/*.o"))
    names = {path.stem for path in objects}
    expected = {"isa_baseline", "isa_avx2", "isa_avx512", "isa_amx", "cpu"}
    if not expected <= names:
        raise ValueError(f"{folder} lacks the objects {', '.join(sorted(expected - names))}")
    counts = {}
    for path in objects:
        avx, wide = count_avx(path)
        counts[path.stem] = avx
        isa = path.stem.removeprefix("isa_") if path.stem.startswith("isa_") else ""
        if avx and isa not in ("avx2", "avx512", "amx"):
            raise ValueError(f"{path} holds {avx} AVX instructions")
        if wide and isa not in ("avx512", "amx"):
            raise ValueError(f"{path} holds {wide} AVX-512 instructions")
        if (isa == "avx2" and not avx) or (isa in ("avx512", "amx") and not wide):
            raise ValueError(f"{path} holds no {isa} instruction: was it compiled with its own flags?")
        if isa and (strangers := [name for name in exported(path) if not name.endswith(f"__{isa}")]):
            raise ValueError(f"{path} exports {', '.join(strangers)}; what an instruction set shares must be static")
    return counts


def check_wheel_binaries(wheel: Path, counts: dict[str, int]) -> str:
    """Only cpu may hold AVX instructions, as many as its objects; and no run path may be absolute."""
    modules = 0
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if ".so" not in Path(name).name:
                continue
            modules += 1
            path = Path(archive.extract(name, folder))
            avx, _ = count_avx(path)
            allowed = sum(counts.values()) if path.name.startswith("cpu.") else 0
            if avx != allowed:
                raise ValueError(f"{name} holds {avx} AVX instructions; {allowed} come from the AVX objects")
            dynamic = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True).stdout
            if absolute := re.search(r"R(?:UN)?PATH.*\[(/[^\]]*)\]", dynamic):
                raise ValueError(f"{name} has the run path {absolute[1]} of the building machine")
    return f"AVX stands in cpu alone, as many as in the AVX objects ({modules} binaries)"
