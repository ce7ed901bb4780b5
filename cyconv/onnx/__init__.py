"""Models in ONNX's format, in and out. Needs ``pip install cyconv[onnx]``.

    reading.py → model.py → loading.py → net.py        a file becomes a Model, is looked through, becomes a network
    evaluate.py → registry.py → ops_*.py → fold.py     while it is traced, each node is recorded or, if known, computed at once

    export.py → writer.py → write_*.py                 a traced network is written op by op

Layer of the house: above nn and summary; called by users as :func:`cyconv.load_onnx` and :func:`cyconv.export_onnx`.
"""

from cyconv.onnx.errors import ModelError
from cyconv.onnx.export import export_onnx
from cyconv.onnx.loading import load_onnx
from cyconv.onnx.net import OnnxNet

__all__ = ["ModelError", "OnnxNet", "export_onnx", "load_onnx"]
