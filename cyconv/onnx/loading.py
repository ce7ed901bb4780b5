"""load_onnx: from a file to a network, or to one error that lists all that stands in the way.

Layer of the house: onnx; the door for users.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from cyconv.graph.trace import Trace
from cyconv.onnx import (  # noqa: F401  (they register the operators)
    ops_activation,
    ops_arithmetic,
    ops_constant,
    ops_conv,
    ops_movement,
    ops_norm,
    ops_pool,
    ops_reduce,
    ops_resize,
)
from cyconv.onnx.errors import ModelError
from cyconv.onnx.evaluate import DryTrace, Walk, inputs_to_know
from cyconv.onnx.model import Model, ModelInput
from cyconv.onnx.net import OnnxNet
from cyconv.onnx.reading import read_model
from cyconv.onnx.registry import refuse

DTYPES = ("float32", "int64", "int32", "bool")  # of inputs
# What a size that the model leaves open is taken for when it is looked through: images of the usual networks, then small ones.
TRIAL_SIZES = (224, 299, 32, 28, 64, 16, 8, 1)


def load_onnx(model: str | os.PathLike | bytes) -> OnnxNet:
    """Load a model in ONNX's format. Needs ``pip install cyconv[onnx]``.

    Parameters
    ----------
    model : str, path or bytes
        The file, or what it holds. Tensors in other files (external data) are read if they lie in the same folder, under a plain
        name and as plain files; from bytes they are refused.

    Returns
    -------
    OnnxNet
        A network like any other: called with arrays, compiled, summarised; state dict and ``capture=`` by the model's own names.

    Raises
    ------
    ModelError
        When the file is damaged or hostile, or has nodes that are not supported: the message lists all of them with operator,
        version and reason. Opsets 6 to the newest that the onnx package knows are read.
    """
    read = read_model(model)
    for value in read.inputs:
        if value.dtype not in DTYPES:
            raise ModelError(f"input {value.name!r} has the dtype {value.dtype}; networks take {', '.join(DTYPES)}")
    known, failures = inputs_to_know(read)
    refuse(failures)
    refuse(_trial(read, known))
    return OnnxNet(read, known)


def _trial(model: Model, known: set[str]) -> list:
    """What goes wrong when the model is traced without its numbers.

    Where the model leaves sizes open several are tried, and only what is not supported counts: that a guess does not fit says
    nothing. Inputs whose numbers decide shapes are left out, and all that depends on them.
    """
    failures: list = []
    for sizes in _guesses(model):
        walk = _dry_walk(model, known, sizes)
        for failure in walk.unsupported:
            if failure[0] not in [node for node, _ in failures]:
                failures.append(failure)
        fixed = sizes is None
        if fixed:
            failures += walk.misfits
        if fixed or not walk.misfits:
            break
    return failures


def _guesses(model: Model) -> Iterator[int | None]:
    """None when the model says all sizes, otherwise sizes to try."""
    dims = [dim for value in model.inputs for dim in (value.dims if value.dims is not None else [None])]
    if all(isinstance(dim, int) for dim in dims):
        yield None
    else:
        yield from TRIAL_SIZES


def _dry_walk(model: Model, known: set[str], size: int | None) -> Walk:
    trace = DryTrace()
    values: dict = dict(model.arrays)
    for value in model.inputs:
        if value.name not in known and value.dims is not None:
            values[value.name] = _stand_in(trace, value, size)
    return Walk(model, trace, values)


def _stand_in(trace: Trace, value: ModelInput, size: int | None):
    """A traced input: open sizes are 1 for the batch and ``size`` elsewhere."""
    shape = []
    for place, dim in enumerate(value.dims or ()):
        shape.append(dim if isinstance(dim, int) else 1 if place == 0 else size or 1)
    return trace.add_input(tuple(shape), value.name, value.dtype)
