"""A loaded model as a network: a Module whose forward walks through the nodes of the model.

Layer of the house: onnx; made by :func:`cyconv.load_onnx`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cyconv.graph.arrays import as_numpy
from cyconv.graph.compile import compile_function
from cyconv.graph.ir import FLOAT32, INT64
from cyconv.graph.plan import Plan
from cyconv.graph.trace import Tracer, current_trace
from cyconv.nn import Module
from cyconv.nn.plans import called
from cyconv.onnx.errors import ModelError
from cyconv.onnx.evaluate import Walk, known_output
from cyconv.onnx.model import Model, ModelInput
from cyconv.onnx.registry import refuse

MAX_KNOWN_BYTES = 1 << 16  # of an input that decides shapes, and so belongs to the key of a plan


class OnnxNet(Module):
    """A network that was read from an ONNX file.

    It is used like any other: called with arrays, by position or by the names of the model's inputs; compiled by
    :func:`cyconv.compile`, counted by :func:`cyconv.summary`. Values are captured by their names in the model. Batch and image
    size may vary from call to call: there is a plan for each shape, and the last few are kept. Float32 initialisers are the
    parameters and int64 ones the buffers, under their own names; those of other dtypes are part of the graph.

    Attributes
    ----------
    inputs : list of ModelInput
        ``name``, ``dtype`` and ``dims`` of each. Initialisers are not among them.
    input_names, output_names : list of str
    """

    def __init__(self, model: Model, known_inputs: set[str]):
        super().__init__()
        for name, array in model.arrays.items():
            table: dict[str, Any] = {FLOAT32: self._parameters, INT64: self._buffers}.get(array.dtype.name, {})
            table[name] = array
        self.inputs = list(model.inputs)
        self.input_names = [value.name for value in model.inputs]
        self.output_names = list(model.outputs)
        self._model = model
        self._known_inputs = known_inputs

    def train(self, mode: bool = True) -> OnnxNet:
        """A model is for inference: ``train(True)`` raises ValueError."""
        if mode:
            raise ValueError("a model that was loaded from ONNX is for inference; it has no training mode")
        return self

    def forward(self, *inputs, **named):
        """The outputs for traced inputs and arrays that are known; by position or by name."""
        trace = current_trace()
        assert trace is not None
        values: dict[str, Any] = dict(self._model.arrays)
        values.update(self._parameters)
        values.update(self._buffers)
        given = self._by_name(inputs, named)
        for value in self._model.inputs:
            x = given[value.name]
            if value.dims is not None and x.ndim != len(value.dims):
                raise ValueError(f"input {value.name!r} has {len(value.dims)} dimensions, got an array of shape {list(x.shape)}")
            if isinstance(x, np.ndarray) and value.name not in self._known_inputs:
                x = Tracer(trace, trace.constant(x))
            values[value.name] = x
        walk = Walk(self._model, trace, values)
        refuse(walk.unsupported + walk.misfits)
        missing = [name for name in self.output_names if name not in walk.values]
        if missing:
            raise ModelError(f"the model does not make its outputs {', '.join(missing)}")
        results = [known_output(trace, walk.values[name]) for name in self.output_names]
        return results[0] if len(results) == 1 else tuple(results)

    def __call__(self, *inputs, **named):
        """Run the network, or record it in a trace.

        Parameters
        ----------
        *inputs, **named : ndarray
            One array for each of ``input_names``, by position or by name, of the dtypes that the model declares.

        Returns
        -------
        ndarray, or a tuple of them
            The outputs in the order of ``output_names``.

        Raises
        ------
        TypeError, ValueError
            When inputs are missing, unknown or of another dtype or number of dimensions, or sizes do not fit.
        """
        trace = current_trace()
        if trace is not None:
            with called(self, trace):
                return self.forward(*inputs, **named)
        given = self._by_name(inputs, named)
        arrays = [_checked(given[value.name], value) for value in self._model.inputs]
        known = {i: x for i, x in enumerate(arrays) if self.input_names[i] in self._known_inputs}
        for i, x in known.items():
            if x.nbytes > MAX_KNOWN_BYTES:
                raise ValueError(f"input {self.input_names[i]!r} decides shapes and may have {MAX_KNOWN_BYTES} bytes, got {x.nbytes}")
        key = tuple((x.shape, x.dtype.name, x.tobytes() if i in known else None) for i, x in enumerate(arrays))
        plan = self._plans.plan(self, key, lambda: self._compile(arrays, known))
        return plan(*(x for i, x in enumerate(arrays) if i not in known))

    def _compile(self, arrays: list[np.ndarray], known: dict[int, np.ndarray]) -> Plan:
        """A plan for inputs of these shapes, of which some are known."""

        def fn(*traced):
            rest = iter(traced)
            return self(*(known[i] if i in known else next(rest) for i in range(len(arrays))))

        free = [i for i in range(len(arrays)) if i not in known]
        shapes, dtypes = [arrays[i].shape for i in free], [arrays[i].dtype.name for i in free]
        return compile_function(fn, shapes, [self.input_names[i] for i in free], dtypes=dtypes, **self._compile_options)

    def _by_name(self, inputs: tuple, named: dict) -> dict[str, Any]:
        """What was given, by the names of the inputs."""
        names = self.input_names
        if len(inputs) > len(names):
            raise TypeError(f"the model takes {len(names)} inputs ({', '.join(names)}), got {len(inputs)}")
        given = dict(zip(names, inputs, strict=False))
        wrong = [name for name in named if name in given or name not in names]
        missing = [name for name in names if name not in given and name not in named]
        if wrong or missing:
            problem = f"{wrong[0]!r} is no input or given twice" if wrong else f"{missing[0]!r} is missing"
            raise TypeError(f"the model takes the inputs {', '.join(names)}; {problem}")
        return given | named

    def _input_names(self, number: int) -> list[str]:
        if self._known_inputs:
            names = ", ".join(sorted(self._known_inputs))
            raise ValueError(f"the inputs {names} decide shapes, so shapes alone do not make a plan; call the network with arrays")
        if number != len(self.input_names):
            raise ValueError(f"the model takes {len(self.input_names)} inputs ({', '.join(self.input_names)}), got {number} shapes")
        return self.input_names

    def _input_dtypes(self, number: int) -> list[str]:
        return [value.dtype for value in self._model.inputs]

    def _array_at(self, table: str, kind: str, target: str) -> np.ndarray:
        """Names of initialisers may have dots, without meaning a path."""
        array = getattr(self, table).get(target)
        if array is None:
            raise AttributeError(f"there is no {kind} {target!r}")
        return array

    def extra_repr(self) -> str:
        described = ", ".join(f"{value.name}: {value.dtype}{_dims_text(value)}" for value in self._model.inputs)
        return f"{described} -> {', '.join(self.output_names)}, {len(self._model.nodes)} nodes"


def _dims_text(value: ModelInput) -> str:
    if value.dims is None:
        return ""
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in value.dims) + "]"


def _checked(x, value: ModelInput) -> np.ndarray:
    """``x`` as a C-contiguous native array of the input's dtype; TypeError or ValueError otherwise."""
    array = as_numpy(x, value.name)
    if array.dtype.newbyteorder("=") != np.dtype(value.dtype):
        raise TypeError(f"{value.name} must be {value.dtype}, got {array.dtype}; convert it with .astype(np.{value.dtype})")
    if value.dims is not None and array.ndim != len(value.dims):
        raise ValueError(f"input {value.name!r} has {len(value.dims)} dimensions, got an array of shape {list(array.shape)}")
    return np.require(array, array.dtype.newbyteorder("="), ("C", "A"))
