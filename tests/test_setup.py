"""setup.py stops with advice when the compiler cannot build the package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A compiler that lacks one thing: it fails when an argument or the source mentions it.
LACKING = """#!/bin/sh
for word in "$@"; do
    case "$word" in
        *.c) grep -q '{what}' "$word" && {{ echo "no {what}" >&2; exit 1; }} ;;
        *{what}*) echo "no {what}" >&2; exit 1 ;;
    esac
done
exec cc "$@"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files that a build reads, so that the checkout is left alone."""
    pytest.importorskip("Cython")
    for name in ("setup.py", "pyproject.toml", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "README.md").write_text("")
    shutil.copytree(ROOT / "src", tmp_path / "src")
    shutil.copytree(ROOT / "cyconv" / "_kernels", tmp_path / "cyconv" / "_kernels", ignore=shutil.ignore_patterns("*.so"))
    return tmp_path


def build(tree: Path, compiler: str) -> subprocess.CompletedProcess:
    """Run the build there with that compiler."""
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    return subprocess.run(command, cwd=tree, env={**os.environ, "CC": compiler}, capture_output=True, text=True, check=False)


def check_advice(result: subprocess.CompletedProcess, complaint: str) -> None:
    """It failed with that complaint and says what to install."""
    assert result.returncode == 1
    assert complaint in result.stderr
    for advice in ("apt install gcc python3-dev", "dnf install gcc libgomp python3-devel", "brew install gcc"):
        assert advice in result.stderr
    assert "Traceback" not in result.stderr


def test_no_working_compiler(tree: Path):
    check_advice(build(tree, "false"), "the C compiler does not build a small program")


def test_no_such_compiler(tree: Path):
    check_advice(build(tree, "no-such-compiler"), "the C compiler does not build a small program")


@pytest.mark.skipif(not shutil.which("cc"), reason="no cc to wrap")
@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("Python.h", "the headers of this Python were not found"),
        ("-fopenmp", "the C compiler has no OpenMP"),
        ("x86-64-v4", "the C compiler does not know the flags for avx512"),
    ],
)
def test_compiler_lacks_something(tree: Path, what: str, complaint: str):
    if what == "x86-64-v4" and os.uname().machine != "x86_64":
        pytest.skip("AVX-512 is built on x86-64 only")
    wrapper = tree / "lacking-cc"
    wrapper.write_text(LACKING.format(what=what))
    wrapper.chmod(0o755)
    check_advice(build(tree, str(wrapper)), complaint)
