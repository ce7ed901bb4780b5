"""The tests themselves: a kernel that is broken on purpose, in a copy of the sources, must turn them red."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("src", "cyconv", "tests", "setup.py", "pyproject.toml", "README.md", "LICENSE", "build")
EXACT = ["tests/test_exact.py::test_exact"]

# file, what stands there, what a mistake would make of it, the tests that must notice
FAULTS = {
    "odd lanes of a tap": ("conv.inc", "lanes = a->taps[t].lanes;", "lanes = a->taps[t].lanes & ~(ptrdiff_t)1;", EXACT),
    "second row": ("conv.inc", "(r ? in1 : in0)", "(r ? in1 - LANES : in0)", EXACT),
    "residual": ("conv.inc", "+ p % PX * a->res_px);", ");", ["tests/graph", "tests/drivers/test_conv.py"]),
    "last pixel": ("lanewise.inc", "acc[0][p] = v_fma(wv", "if (p < 13) acc[0][p] = v_fma(wv", EXACT),
    "windows behind the run": ("pool.inc", "a, a->run_end, a->n_out, &total, 0", "a, a->run_end + 1, a->n_out, &total, 0", EXACT),
    "end of a row": (
        "vector_math.inc",
        "if (n >= LANES)\n    v_store(p, v);",
        "if (n >= LANES - 1)\n    v_store(p, v);",
        ["tests/microkernels"],
    ),
    "divisor": ("pool.inc", "LANES, sum / v_set(a->divisor[j])", "LANES, sum / v_set(a->divisor[0])", EXACT),
    "slices of a window": (
        "pool.inc",
        "s < a->n_slices; s++, in += a->in_slice)\n      top",
        "s < 1; s++, in += a->in_slice)\n      top",
        EXACT,
    ),
}


def call(where: Path, *command: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(where)}
    return subprocess.run([sys.executable, *command], cwd=where, env=env, capture_output=True, text=True, timeout=280)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("copy")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, where / name, ignore=shutil.ignore_patterns("__pycache__", "wheel"))
        elif (ROOT / name).exists():
            shutil.copy2(ROOT / name, where / name)
    return where


def build(where: Path) -> None:
    done = call(where, "setup.py", "--quiet", "build_ext", "--inplace")
    assert done.returncode == 0, done.stderr[-2000:]
    assert str(where) in call(where, "-c", "import cyconv; print(cyconv.__file__)").stdout


def passes(where: Path, tests: list[str]) -> bool:
    """Whether they pass; failures and crashes are the same."""
    return call(where, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests).returncode == 0


def test_the_copy_passes(copy):
    build(copy)
    assert passes(copy, [*EXACT, "tests/graph/test_lower.py", "tests/drivers/test_conv.py"])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_noticed(copy, fault):
    name, right, wrong, tests = FAULTS[fault]
    path = copy / "src/microkernels" / name
    text = path.read_text()
    assert text.count(right) == 1, f"{right!r} stands {text.count(right)} times in {name}"
    path.write_text(text.replace(right, wrong))
    try:
        build(copy)
        assert not passes(copy, tests)
    finally:
        path.write_text(text)
