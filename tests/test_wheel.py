"""The checks that `make wheel` runs find what they must, and the objects of this build pass them.

The slow test builds the wheel as a user would and tries it on each Python found.
"""

from __future__ import annotations

import importlib
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".ci"))
check_wheel = importlib.import_module("check_wheel")
instructions = importlib.import_module("instructions")
sys.path.pop(0)

on_x86 = pytest.mark.skipif(
    platform.machine() != "x86_64" or not all(map(shutil.which, ("cc", "nm", "objdump"))), reason="needs x86-64, cc and binutils"
)

PROGRAM = """
typedef float vf __attribute__((vector_size({bytes}), aligned(4)));
static void add(vf *y, const vf *x, long n) {{ for (long i = 0; i < n; i++) y[i] += x[i]; }}
void (*const {name})(vf *, const vf *, long) = add;
"""
GOOD = {  # object: flags, bytes of a vector, exported symbol
    "cpu": ([], 16, "PyInit_cpu"),
    "isa_baseline": ([], 16, "cy_ukernels__baseline"),
    "isa_avx2": (["-mavx2", "-mfma"], 32, "cy_ukernels__avx2"),
    "isa_avx512": (["-march=x86-64-v4", "-mprefer-vector-width=512"], 64, "cy_ukernels__avx512"),
    "isa_amx": (["-march=x86-64-v4", "-mprefer-vector-width=512"], 64, "cy_ukernels__amx"),
}


def compile_objects(folder: Path, **changed: tuple) -> Path:
    """Compile one small object for each name in GOOD, some of them otherwise."""
    place = folder / "temp.test"
    place.mkdir()
    for stem, (flags, size, name) in {**GOOD, **changed}.items():
        source = place / f"{stem}.c"
        source.write_text(PROGRAM.format(bytes=size, name=name))
        subprocess.run(["cc", "-O2", *flags, "-c", source, "-o", source.with_suffix(".o")], check=True)
    return folder


@on_x86
def test_clean_objects_pass(tmp_path: Path):
    counts = instructions.check_objects(compile_objects(tmp_path))
    assert counts["cpu"] == counts["isa_baseline"] == 0
    assert counts["isa_avx2"] > 0
    assert counts["isa_avx512"] > 0


@on_x86
@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"isa_baseline": (["-mavx"], 16, "cy_ukernels__baseline")}, r"isa_baseline.o holds \d+ AVX instructions"),
        ({"cpu": (["-mavx2"], 32, "PyInit_cpu")}, r"cpu.o holds \d+ AVX instructions"),
        ({"plan": (["-mavx512f"], 64, "PyInit_plan")}, r"plan.o holds \d+ AVX instructions"),
        ({"isa_avx2": (["-mavx512f"], 64, "cy_ukernels__avx2")}, r"isa_avx2.o holds \d+ AVX-512 instructions"),
        ({"isa_avx2": ([], 16, "cy_ukernels__avx2")}, "holds no avx2 instruction"),
        ({"isa_avx512": (["-mavx2"], 32, "cy_ukernels__avx512")}, "holds no avx512 instruction"),
        ({"isa_avx2": (["-mavx2"], 32, "shared_helper")}, "exports shared_helper"),
    ],
)
def test_stray_instructions_are_found(tmp_path: Path, changed: dict, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        instructions.check_objects(compile_objects(tmp_path, **changed))


@on_x86
def test_missing_object_is_found(tmp_path: Path):
    (compile_objects(tmp_path) / "temp.test" / "isa_avx2.o").unlink()
    with pytest.raises(ValueError, match="lacks the objects isa_avx2"):
        instructions.check_objects(tmp_path)


@on_x86
def test_objects_of_this_build():
    if not list((ROOT / "build").glob("temp*/**/isa_avx512.o")):
        pytest.skip("not built here")
    instructions.check_objects(ROOT / "build")


def make_wheel(folder: Path, **changed: str | None) -> Path:
    """A zip that looks like the wheel; a value of None leaves a file out."""
    info = "cyconv-0.1.0.dist-info"
    files: dict[str, str | None] = {
        "cyconv/__init__.py": "",
        "cyconv/py.typed": "",
        "cyconv/_kernels/cpu.abi3.so": "",
        "cyconv/_kernels/cpu.pyi": "",
        f"{info}/METADATA": "Name: cyconv\nRequires-Python: >=3.11\nRequires-Dist: numpy>=1.26\nRequires-Dist: onnx; extra == 'onnx'\n",
        f"{info}/licenses/LICENSE": "",
        f"{info}/licenses/NOTICE": "",
    }
    for key, text in changed.items():
        (name,) = [name for name in files if name.endswith(key.replace("__", "."))] or [f"cyconv/{key.replace('__', '.')}"]
        files[name] = text
    wheel = folder / "cyconv-0.1.0-cp311-abi3-manylinux_2_28_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            if text is not None:
                archive.writestr(name, text)
    return wheel


def test_good_contents_pass(tmp_path: Path):
    wheel = make_wheel(tmp_path)
    assert "numpy>=1.26; Python >=3.11" in check_wheel.check_metadata(wheel)
    assert "1 compiled modules" in check_wheel.check_contents(wheel)
    assert "limit 3,000,000" in check_wheel.check_size(wheel)


def test_another_dependency_is_found(tmp_path: Path):
    wheel = make_wheel(tmp_path, METADATA="Requires-Python: >=3.11\nRequires-Dist: numpy>=1.26\nRequires-Dist: scipy\n")
    with pytest.raises(check_wheel.WheelError, match="expected numpy alone"):
        check_wheel.check_metadata(wheel)


@pytest.mark.parametrize("name", ["cpu__pyi", "py__typed", "LICENSE", "NOTICE"])
def test_missing_file_is_found(tmp_path: Path, name: str):
    with pytest.raises(check_wheel.WheelError, match=f"lacks .*{name.replace('__', '.')}"):
        check_wheel.check_contents(make_wheel(tmp_path, **{name: None}))


def test_generated_source_is_found(tmp_path: Path):
    with pytest.raises(check_wheel.WheelError, match=r"holds cyconv/plan\.c"):
        check_wheel.check_contents(make_wheel(tmp_path, plan__c=""))


def test_large_wheel_is_found(tmp_path: Path):
    wheel = tmp_path / "large.whl"
    wheel.write_bytes(bytes(check_wheel.MAX_BYTES + 1))
    with pytest.raises(check_wheel.WheelError, match=r"3,000,001 bytes; at most 3,000,000"):
        check_wheel.check_size(wheel)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_make_wheel():
    result = subprocess.run(["make", "wheel"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "conv2d exact" in result.stdout
