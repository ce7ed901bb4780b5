"""Benchmarks: what asv runs on every commit, the layer shapes that it shares with the tests, other engines to compare with, a service.

asv looks for benchmarks in every module of this package, and imports it for that in environments with NumPy alone. The packages inside
hold none and import more, so asv is shown an empty module in the place of each.
"""

import sys
from pathlib import Path
from types import ModuleType

if "asv_runner.discovery" in sys.modules:
    for init in Path(__file__).parent.glob("*/__init__.py"):
        package = f"{__name__}.{init.parent.name}"
        sys.modules[package] = ModuleType(package)
