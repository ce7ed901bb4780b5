"""cyconv: whole convolutional networks on a CPU.

    import cyconv
    net = cyconv.models.googlenet_bn()
    net.load_state_dict(cyconv.load_state_dict("googlenet.safetensors"))
    plan = cyconv.compile(net, (1, 3, 224, 224))
    y = plan(x)

``nn`` (layers), ``functional`` (functions on arrays), ``models``, ``io`` (weights), ``summary``, ``signal`` (true convolution)
and ``lecture`` (the arithmetic of the lecture that the project follows) are loaded when they are first used.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

try:
    from cyconv._kernels.cpu import isa
except ImportError as error:
    # On the command line an error is one line; this one comes before its code does.
    if os.path.basename(sys.argv[0] if sys.argv else "") not in ("-m", "cyconv"):
        raise
    print(f"cyconv: error: {error}", file=sys.stderr)
    raise SystemExit(2) from None

if TYPE_CHECKING:
    from cyconv import functional, io, lecture, models, nn, signal
    from cyconv.graph import Plan, get_num_threads, set_num_threads
    from cyconv.io import load_state_dict, save_state_dict
    from cyconv.nn import compile
    from cyconv.onnx import export_onnx, load_onnx
    from cyconv.summarize import summary

__version__ = "0.1.0"

_HOMES = {
    "Plan": "cyconv.graph",
    "compile": "cyconv.nn",
    "export_onnx": "cyconv.onnx",
    "functional": "",
    "get_num_threads": "cyconv.graph",
    "io": "",
    "lecture": "",
    "load_onnx": "cyconv.onnx",
    "load_state_dict": "cyconv.io",
    "models": "",
    "nn": "",
    "save_state_dict": "cyconv.io",
    "set_num_threads": "cyconv.graph",
    "signal": "",
    "summary": "cyconv.summarize",
}

__all__ = [
    "Plan", "__version__", "compile", "export_onnx", "functional", "get_num_threads", "io", "isa", "lecture", "load_onnx",
    "load_state_dict", "models", "nn", "save_state_dict", "set_num_threads", "signal", "summary",
]  # fmt: skip


def __getattr__(name: str):
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'cyconv' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name) if home else importlib.import_module(f"cyconv.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
