"""Dependencies point one way: microkernels ← drivers ← plan ← ops ← graph ← functional ← nn ← summary ← models ← io ← onnx ← lecture ← cli.

Reads the imports (also those inside functions), cimports and includes of every source file, and fails on an edge to a higher layer.
Also here: the house rules that a machine can check, on sizes, opening comments and generated files.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Lowest first. A file of one layer may use its own layer and those before it.
LAYERS = {
    "microkernels": ("src/microkernels/",),
    "drivers": ("src/drivers/",),
    "plan": ("src/plan/",),
    "shapes": ("cyconv/shapes.py", "cyconv/bfloat16.py", "cyconv/table.py", "cyconv/winograd.py"),
    "ops": ("cyconv/ops/",),
    "graph": ("cyconv/graph/",),
    "functional": ("cyconv/functional/", "cyconv/signal.py"),
    "nn": ("cyconv/nn/",),
    "summary": ("cyconv/summarize.py",),
    "models": ("cyconv/models/",),
    "io": ("cyconv/io/",),
    "onnx": ("cyconv/onnx/",),
    "lecture": ("cyconv/lecture.py",),
    "package": ("cyconv/__init__.py",),
    "cli": ("cyconv/cli/", "cyconv/__main__.py", "cyconv/demo.py"),
}
RANKS = {layer: rank for rank, layer in enumerate(LAYERS)}

# The meaning of ops does not depend on how they are computed; micro-kernels know neither memory, nor threads, nor Python.
OPS_MAY_USE = {"shapes", "ops"}
NOT_IN_MICROKERNELS = {"Python.h", "omp.h", "pthread.h", "stdlib.h"}

CIMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+cimport\s+\(?([\w, *]+)|cimport\s+([\w., ]+))", re.M)
PYX_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\s+\(?([\w, *]+)|import\s+([\w., ]+))", re.M)
INCLUDE = re.compile(r'^\s*(?:#\s*include\s*["<]|cdef\s+extern\s+from\s+["\']<?)([\w./]+)', re.M)


def layer_of(path: str) -> str | None:
    """The layer of a file, given relative to the root."""
    for layer, places in LAYERS.items():
        if any(path == place or (place.endswith("/") and path.startswith(place)) for place in places):
            return layer
    return None


def module_path(root: Path, module: str) -> str | None:
    """The file behind a dotted name in the package; a compiled module's is its .pyx."""
    if module.startswith("cyconv._kernels."):
        stem = module.split(".")[2]
        found = [path for folder in ("drivers", "plan") if (path := root / "src" / folder / f"{stem}.pyx").exists()]
        return found[0].relative_to(root).as_posix() if found else None
    base = root / module.replace(".", "/")
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path.relative_to(root).as_posix()
    return None


def targets(root: Path, package: str, module: str, names: list[str]) -> Iterator[str]:
    """The files that `from module import names` uses, for a file in ``package``."""
    dots = len(module) - len(module.lstrip("."))
    if dots:
        base = package.split(".")[: len(package.split(".")) - dots + 1]
        module = ".".join([*base, module.lstrip(".")]).rstrip(".")
    if module.split(".")[0] != "cyconv":
        return
    for name in names or [""]:
        path = (name and module_path(root, f"{module}.{name}")) or module_path(root, module)
        if path:
            yield path


def uses(root: Path, path: str) -> Iterator[str]:
    """The files, relative to the root, that the file at ``path`` imports, cimports or includes."""
    text = (root / path).read_text()
    package = ".".join(Path(path).parent.parts) if path.startswith("cyconv/") else "cyconv._kernels"
    if path.endswith(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                yield from targets(root, package, "." * node.level + (node.module or ""), [alias.name for alias in node.names])
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    yield from targets(root, package, alias.name, [])
        return
    if path.endswith((".pyx", ".pxd")):
        for source, names, plain in CIMPORT.findall(text) + PYX_IMPORT.findall(text):
            if source:
                yield from targets(root, package, source, [name.split()[0] for name in names.split(",") if name.strip()])
            for name in plain.split(","):
                if name.strip():
                    yield from targets(root, package, name.split()[0], [])
    for header in INCLUDE.findall(text):
        for found in (root / "src").rglob(Path(header).name):
            yield found.relative_to(root).as_posix()


def source_files(root: Path) -> list[str]:
    """Every source file of the layers."""
    kinds = {".py", ".pyx", ".pxd", ".c", ".h", ".inc"}
    return sorted(p.relative_to(root).as_posix() for top in ("src", "cyconv") for p in (root / top).rglob("*") if p.suffix in kinds)


def own_layer(root: Path, path: str) -> str | None:
    """The layer of a file; that of a .pxd is its module's."""
    if path.startswith("cyconv/_kernels/") and path.endswith(".pxd"):
        path = module_path(root, f"cyconv._kernels.{Path(path).stem}") or path
    return layer_of(path)


def violations(root: Path) -> list[str]:
    """One line for each edge that the layering forbids."""
    found = []
    for path in source_files(root):
        if path == "cyconv/_kernels/__init__.py":
            continue
        layer = own_layer(root, path)
        if layer is None:
            found.append(f"{path} has no place in LAYERS")
            continue
        for target in uses(root, path):
            below = layer_of(target)
            if below is None:
                continue  # reported once, as a file of its own
            if RANKS[below] > RANKS[layer]:
                found.append(f"{path} ({layer}) uses {target} ({below})")
            elif layer == "ops" and below not in OPS_MAY_USE:
                found.append(f"{path} uses {target}; ops may use only {', '.join(sorted(OPS_MAY_USE))}")
        if layer == "microkernels" and (bad := NOT_IN_MICROKERNELS & set(INCLUDE.findall((root / path).read_text()))):
            found.append(f"{path} includes {', '.join(sorted(bad))}")
    return found


def test_dependencies_point_one_way():
    assert len(source_files(ROOT)) > 10
    assert violations(ROOT) == []


PLANTED = {
    "a Python import": ("cyconv/ops/conv.py", "from cyconv.graph import ir\n"),
    "a name from the package": ("cyconv/graph/ir.py", "from cyconv import nn\n"),
    "a relative import": ("cyconv/graph/ir.py", "from ..nn import layers\n"),
    "an import inside a function": ("cyconv/nn/layers.py", "def f():\n    import cyconv.models.lenet\n"),
    "the package itself": ("cyconv/models/lenet.py", "import cyconv\n"),
    "an op that runs": ("cyconv/ops/conv.py", "from cyconv._kernels import gemm\n"),
    "a cimport": ("src/drivers/gemm.pyx", "from cyconv._kernels.steps cimport run\n"),
    "a cimport in a pxd": ("cyconv/_kernels/gemm.pxd", "cimport cyconv._kernels.steps\n"),
    "a cimport by name": ("src/drivers/gemm.pyx", "from cyconv._kernels cimport steps\n"),
    "an include": ("src/microkernels/conv.inc", '#include "../drivers/pack.h"\n'),
    "an extern": ("src/drivers/gemm.pyx", 'cdef extern from "steps.h" nogil:\n    int f()\n'),
    "a thread library": ("src/microkernels/conv.inc", "#include <omp.h>\n"),
    "a file without a layer": ("cyconv/misc.py", "x = 1\n"),
}


@pytest.fixture
def small_tree(tmp_path: Path) -> Path:
    """A tree with allowed edges only."""
    files = {
        "src/microkernels/conv.inc": '#include "simd.h"\n',
        "src/microkernels/simd.h": "#include <stddef.h>\n",
        "src/drivers/pack.h": '#include "simd.h"\n',
        "src/drivers/gemm.pyx": 'cdef extern from "simd.h" nogil:\n    int f()\n',
        "src/plan/steps.h": "",
        "src/plan/steps.pyx": "from cyconv._kernels.gemm cimport run\nfrom cyconv._kernels cimport gemm\n",
        "cyconv/_kernels/gemm.pxd": "",
        "cyconv/__init__.py": "from cyconv.nn import layers\n",
        "cyconv/shapes.py": "import math\n",
        "cyconv/ops/__init__.py": "",
        "cyconv/ops/conv.py": "from cyconv.shapes import out_size\nimport numpy as np\n",
        "cyconv/graph/__init__.py": "from .ir import Graph\n",
        "cyconv/graph/ir.py": "from cyconv._kernels import steps\nfrom cyconv.ops import conv\n",
        "cyconv/nn/__init__.py": "",
        "cyconv/nn/layers.py": "from cyconv.graph import ir\nfrom cyconv import shapes\n",
        "cyconv/models/lenet.py": "from cyconv import nn\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_allowed_edges_pass(small_tree: Path):
    assert violations(small_tree) == []


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_back_edge_is_found(small_tree: Path, kind: str):
    path, line = PLANTED[kind]
    (small_tree / path).parent.mkdir(parents=True, exist_ok=True)
    with open(small_tree / path, "a") as file:
        file.write(line)
    found = violations(small_tree)
    assert len(found) == 1, found
    assert path in found[0]


def house_files(*kinds: str) -> list[Path]:
    """The project's own files of some kinds."""
    folders = ("src", "cyconv", "tests", "benchmarks", "examples", ".ci")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in kinds]
    return sorted(path for path in [*found, ROOT / "setup.py"] if path.suffix in kinds)


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Length of a function without its docstring and decorators."""
    first = node.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
    return node.end_lineno - node.lineno + 1 - docstring


def test_files_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in house_files(".py", ".pyx", ".pxd", ".pyi", ".c", ".h", ".inc")}
    assert [f"{path.relative_to(ROOT)}: {n} lines" for path, n in lengths.items() if n >= 500] == []


def test_functions_are_short():
    long = []
    for path in house_files(".py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and function_lines(node) >= 60:
                long.append(f"{path.relative_to(ROOT)}: {node.name} has {function_lines(node)} lines")
    assert long == []


def test_every_file_says_what_it_is():
    silent = []
    for path in house_files(".py", ".pyx", ".c", ".h", ".inc"):
        text = path.read_text()
        if path.suffix == ".py":
            said = not text.strip() or ast.get_docstring(ast.parse(text))
        else:
            said = text.startswith(("/*", "//", "#!", '"""', "# "))
        if not said:
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_nothing_generated_is_in_git():
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    generated = re.compile(r"(^|/)(build|dist|__pycache__|[^/]*\.egg-info)/|\.(so|o|a|pyc|pyd|whl|tar\.gz)$")
    names = listing.stdout.splitlines()
    wrong = [name for name in names if generated.search(name)]
    for name in names:
        if name.endswith((".c", ".h")) and (ROOT / name).exists() and "Generated by Cython" in (ROOT / name).read_text()[:200]:
            wrong.append(name)
    assert wrong == []
