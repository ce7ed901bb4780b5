"""Inspects a finished wheel, tries it on each Python found, and prints a report.

    python .ci/check_wheel.py dist/cyconv-*.whl --objects build/wheel/source/build

Checked: size, run-time dependencies, stubs, paths of the building machine, AVX instructions outside the AVX objects (on the
unstripped objects the wheel was linked from and on the wheel itself), and, in empty environments with NumPy alone, a small
exact computation, the command line and the time `import cyconv` adds to `import numpy`. ``PYTHONS`` names the interpreters.
Called by `make wheel`; tests/test_wheel.py tests the checks.
"""

from __future__ import annotations

import argparse
import email
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from instructions import check_objects, check_wheel_binaries

MAX_BYTES = 3_000_000
MAX_IMPORT_MS = 60.0
VERSIONS = ("3.11", "3.12", "3.13")
SMOKE = Path(__file__).with_name("smoke.py")


class WheelError(Exception):
    """What is wrong with the wheel, in one line."""


def run(*command: str | Path, **options) -> str:
    """Run a command; its output, or WheelError with what it said."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if result.returncode:
        raise WheelError(f"{' '.join(map(str, command))} failed:\n{result.stdout}{result.stderr}".rstrip())
    return result.stdout


def check_size(wheel: Path) -> str:
    """At most 3 MB."""
    size = wheel.stat().st_size
    if size > MAX_BYTES:
        raise WheelError(f"the wheel has {size:,} bytes; at most {MAX_BYTES:,} are allowed")
    return f"size                {size:,} bytes (limit {MAX_BYTES:,})"


def check_metadata(wheel: Path) -> str:
    """NumPy is the only dependency that is not an extra."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        fields = email.message_from_bytes(archive.read(name))
    required = [line for line in fields.get_all("Requires-Dist", []) if "extra ==" not in line]
    if [line.replace(" ", "").split(">")[0] for line in required] != ["numpy"]:
        raise WheelError(f"the run-time dependencies are {required}; expected numpy alone")
    return f"dependencies        {', '.join(required)}; Python {fields['Requires-Python']}"


def check_contents(wheel: Path) -> str:
    """A stub beside each extension, the licences, and no generated source."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    modules = [n for n in names if n.startswith("cyconv/") and n.endswith(".so")]
    if not modules:
        raise WheelError("the wheel holds no compiled module")
    wanted = ["cyconv/py.typed", *(n.split(".")[0] + ".pyi" for n in modules)]
    missing = [n for n in wanted if n not in names]
    missing += [n for n in ("LICENSE", "NOTICE") if not any(m.endswith(f".dist-info/licenses/{n}") for m in names)]
    if missing:
        raise WheelError(f"the wheel lacks {', '.join(missing)}")
    strangers = [n for n in names if n.endswith((".c", ".o", ".pyx", ".pyc"))]
    if strangers:
        raise WheelError(f"the wheel holds {', '.join(strangers)}")
    grafted = [n for n in names if ".libs/" in n and not n.endswith("/")]
    return f"contents            {len(names)} files, {len(modules)} compiled modules; bundled: {', '.join(grafted) or 'nothing'}"


def find_pythons() -> list[str]:
    """The interpreters in PYTHONS, or what PATH and pyenv offer for each supported version."""
    if os.environ.get("PYTHONS"):
        return os.environ["PYTHONS"].split()
    found = []
    for version in VERSIONS:
        command = shutil.which(f"python{version}")
        if not command:
            continue
        ask = [command, "-c", "import sys; print(sys.executable)"]
        result = subprocess.run(ask, capture_output=True, text=True, check=False, env={**os.environ, "PYENV_VERSION": version})
        if result.returncode == 0:
            found.append(result.stdout.strip())
    return found


def try_on(python: str, wheel: Path) -> str:
    """Install into an empty environment and run smoke.py there; a line of the report."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder, "env")
        run(python, "-m", "venv", environment)
        inside = environment / "bin" / "python"
        run(inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel.resolve())
        installed = run(inside, "-m", "pip", "--disable-pip-version-check", "list", "--format=freeze").split()
        extra = sorted({line.split("==")[0] for line in installed} - {"cyconv", "numpy", "pip", "setuptools"})
        if extra:
            raise WheelError(f"installing brought {', '.join(extra)}; expected NumPy alone")
        said = run(inside, SMOKE, cwd=folder).strip()
        run(environment / "bin" / "cyconv", "--help", cwd=folder)
        run(inside, "-m", "cyconv", "info", cwd=folder)
        added = import_ms(inside, folder, "import cyconv")
        everything = import_ms(inside, folder, "import cyconv, cyconv.functional, cyconv.nn, cyconv.models")
    if added > MAX_IMPORT_MS:
        raise WheelError(f"import cyconv adds {added:.1f} ms to import numpy; at most {MAX_IMPORT_MS:.0f} are allowed")
    return f"{said}; import adds {added:.1f} ms (limit {MAX_IMPORT_MS:.0f}), with functional, nn and models {everything:.1f} ms"


def import_ms(python: Path, folder: str, statement: str, repeats: int = 15) -> float:
    """Median over fresh processes of what a statement takes after `import numpy`."""
    program = f"import time, numpy; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    return sorted(float(run(python, "-c", program, cwd=folder)) for _ in range(repeats))[repeats // 2] * 1e3


def report(wheel: Path, objects: Path) -> None:
    """Print each check's result; raise WheelError at the first that fails."""
    print(f"wheel               {wheel.name}")
    print(check_size(wheel))
    print(check_metadata(wheel))
    print(check_contents(wheel))
    if platform.machine() == "x86_64":
        counts = check_objects(objects)
        print("AVX instructions    " + ", ".join(f"{name} {n:,}" for name, n in counts.items()))
        print(f"in the wheel        {check_wheel_binaries(wheel, counts)}")
    pythons = find_pythons()
    if not pythons:
        raise WheelError("no Python to try the wheel on was found; name some with PYTHONS=...")
    for python in pythons:
        print(try_on(python, wheel), flush=True)


def main() -> int:
    """The command line; 1 when a check fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--objects", type=Path, required=True, help="folder with the objects the wheel was linked from")
    arguments = parser.parse_args()
    for name in ("CYCONV_ISA", "PYTHONPATH"):
        os.environ.pop(name, None)  # what is installed is tried, as a user would
    try:
        report(arguments.wheel, arguments.objects)
    except (WheelError, ValueError) as error:
        print(f"check_wheel: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
