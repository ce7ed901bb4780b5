"""What each benchmark's method is, as a hash beside its version: ``python -m benchmarks.versions [--same-method]`` writes versions.json.

asv keeps a benchmark's history as long as its ``version`` stays. So a change of what is timed, or how, must come with a new version, or it
would look like a change of cyconv. tests/benchmarks/test_versions.py compares. ``--same-method`` is for changes that measure the same.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from benchmarks import reference

HERE = Path(__file__).parent
RECORD = HERE / "versions.json"
BENCHMARK = re.compile("(time|timeraw|track|mem|peakmem)_")
ATTRIBUTES = ("rounds", "repeat", "number", "sample_time", "warmup_time", "min_run_count", "timeout", "unit", "calls")
# What is measured with each name stands in tables that a test compares with the networks; a further layer changes no other one.
TABLES = {"benchmarks.layers"}


def bare(source: str) -> str:
    """Code without docstrings, comment lines and spaces: what stays the same when only words and form change."""
    source = textwrap.dedent(source)
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            first = node.body[0]
            lines[first.lineno - 1 : first.end_lineno] = [""] * ((first.end_lineno or 0) - first.lineno + 1)
    return "".join("".join(line.split()) for line in lines if not line.lstrip().startswith("#"))


def helpers(module: ModuleType) -> set[ModuleType]:
    """The modules of this package that a module uses, directly or through others, without tables."""
    found: set[ModuleType] = set()
    waiting = [module]
    while waiting:
        for node in ast.walk(ast.parse(inspect.getsource(waiting.pop()))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "benchmarks":
                names = [f"benchmarks.{a.name}" for a in node.names] if node.module == "benchmarks" else [node.module or ""]
                new = {importlib.import_module(name) for name in names if name not in TABLES} - found
                found |= new
                waiting += new
    return found


def own_code(module: ModuleType) -> str:
    """The functions and constants beside the classes of a module. Lists are left out: they are names to measure, and may grow."""
    source, parts = inspect.getsource(module), []
    for node in ast.parse(source).body:
        named = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        if isinstance(node, ast.FunctionDef) or (named and not isinstance(getattr(module, named[0]), list)):
            parts.append(bare(ast.get_source_segment(source, node) or ""))
    return "".join(parts)


def method_hash(module: ModuleType, cls: type, name: str) -> str:
    """SHA-256 of a benchmark's source, its attributes, the reference and all code that it measures with."""
    function = getattr(cls, name)
    attributes = {key: getattr(function, key, getattr(cls, key, None)) for key in ATTRIBUTES}
    parts = [bare(inspect.getsource(function)), json.dumps(attributes), own_code(module), reference.method_hash()]
    if hasattr(cls, "setup_cache"):
        parts.append(bare(inspect.getsource(cls.setup_cache)))
    parts += sorted(bare(inspect.getsource(helper)) for helper in helpers(module))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def benchmarks() -> Iterator[tuple[ModuleType, type, str]]:
    """Module, class and method of each benchmark."""
    for path in sorted(HERE.glob("bench_*.py")):
        module = importlib.import_module(f"benchmarks.{path.stem}")
        for cls in vars(module).values():
            if inspect.isclass(cls) and cls.__module__ == module.__name__:
                yield from ((module, cls, name) for name in vars(cls) if BENCHMARK.match(name))


def current() -> dict[str, dict[str, str]]:
    """Version (empty where there is none) and hash of each benchmark, under asv's name for it."""
    found = {}
    for module, cls, name in benchmarks():
        version = getattr(getattr(cls, name), "version", getattr(cls, "version", ""))
        key = f"{module.__name__.removeprefix('benchmarks.')}.{cls.__name__}.{name}"
        found[key] = {"version": version, "method": method_hash(module, cls, name)}
    return found


def recorded() -> dict[str, dict[str, str]]:
    """What versions.json holds."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def changed_in_silence(old: dict[str, dict[str, str]], new: dict[str, dict[str, str]]) -> list[str]:
    """Benchmarks whose method is another one under the same version."""
    return [name for name in new if name in old and old[name]["version"] == new[name]["version"] and old[name] != new[name]]


def main() -> int:
    """Write versions.json; 1 when a method changed and its version did not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__.splitlines()[0])
    parser.add_argument("--same-method", action="store_true", help="the changes do not change what is measured: keep the versions")
    options = parser.parse_args()
    new = current()
    silent = changed_in_silence(recorded(), new)
    if silent and not options.same_method:
        print("These measure in another way; give them a new version, or say --same-method:", *silent, sep="\n  ")
        return 1
    RECORD.write_text(json.dumps(new, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
