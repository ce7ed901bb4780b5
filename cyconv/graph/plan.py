"""A plan: a network compiled for one input shape, to be called, read and profiled."""

from __future__ import annotations

from fnmatch import fnmatchcase
from threading import Lock

import numpy as np

from cyconv._kernels.cpu import isa, measure_peak
from cyconv._kernels.program import Program
from cyconv.graph.arrays import as_array, check_out
from cyconv.graph.ir import FLOAT32, Graph, Value
from cyconv.graph.layout import Task
from cyconv.graph.options import Options
from cyconv.graph.pinned import Choice, document_of, write_document

MAX_CAPTURE_PLANS = 8
STEP_KEYS = ("name", "op", "shape", "layout", "algorithm", "out_bytes", "macs")


class Plan:
    """A compiled network for one input shape and number of threads.

    Immutable; may be called from many threads at once. Results have the same bits for any batch size, position in the
    batch and number of threads, on one instruction set. Denormal numbers are flushed to zero inside a call.
    A pickle of a plan holds the network and the options; it is compiled again where it is loaded.
    """

    def __init__(
        self,
        traced: Graph,
        program: Program,
        tasks: list[Task],
        num_threads: int,
        single: bool,
        options: Options,
        chosen: dict[str, Choice],
    ):
        self.num_threads = num_threads
        self.options = options
        self._chosen = chosen
        self.input_shapes = [v.shape for v in traced.inputs]
        self.output_shapes = [v.shape for v in traced.outputs]
        self._traced = traced
        self._names = [v.name for v in traced.inputs]
        self.input_dtypes = [v.dtype for v in traced.inputs]
        self.output_dtypes = [v.dtype for v in traced.outputs]
        self._program = program
        self._steps = [{key: getattr(task, key) for key in STEP_KEYS} for task in tasks]
        self._single = single
        self._captures: dict[tuple[str, ...], Plan] = {}
        self._lock = Lock()

    @property
    def arena_bytes(self) -> int:
        """Bytes that one call needs for what flows between steps."""
        return self._program.arena_bytes

    @property
    def constant_bytes(self) -> int:
        """Bytes of packed weights."""
        return self._program.constants.size

    def __call__(self, *inputs: np.ndarray, out: np.ndarray | None = None, capture: list[str] | None = None):
        """Run the network.

        Parameters
        ----------
        *inputs : array
            One of each of ``input_shapes`` and ``input_dtypes`` (float32 in most networks): NumPy's, or what has ``__dlpack__`` or
            ``__array__``, such as a CPU tensor of PyTorch, which is read where it lies.
        out : ndarray, optional
            Where the result is written, C-contiguous and of the output's shape and dtype; only for a network with one output.
        capture : list of str, optional
            Patterns (as in a shell) of the layers whose outputs are wanted too, such as ``["inception3a", "*.relu"]``. A layer is
            named by its path; an op that a layer calls as a function by ``path.op``. Compiles a second plan at the first use.

        Returns
        -------
        ndarray, or a tuple of them
            With ``capture``: a pair of that and a dict from names to arrays.

        Raises
        ------
        TypeError, ValueError
            An array has another dtype or shape than the plan was compiled for, or a pattern matches no layer.
        """
        if capture is not None:
            return self._capture(inputs, out, capture)
        results = self._run(inputs, out, None)
        return results[0] if self._single else tuple(results)

    def run_checked(self, arrays: list[np.ndarray]):
        """As a call with arrays that are known to be of the plan's shapes and dtypes, C-contiguous, aligned and native."""
        results = self._new_outputs()
        self._program.run(arrays + results, len(results), self.num_threads, None)
        return results[0] if self._single else tuple(results)

    def _new_outputs(self) -> list[np.ndarray]:
        return [np.empty(shape, dtype) for shape, dtype in zip(self.output_shapes, self.output_dtypes, strict=True)]

    def _run(self, inputs, out, times) -> list[np.ndarray]:
        arrays = self._check_inputs(inputs)
        results = [self._check_out(out, arrays)] if out is not None else self._new_outputs()
        self._program.run(arrays + results, len(results), self.num_threads, times)
        return results

    def _check_inputs(self, inputs) -> list[np.ndarray]:
        if len(inputs) != len(self.input_shapes):
            raise TypeError(f"the plan takes {len(self.input_shapes)} arrays ({', '.join(self._names)}), got {len(inputs)}")
        arrays = [as_array(x, name, (dtype,)) for x, name, dtype in zip(inputs, self._names, self.input_dtypes, strict=True)]
        for x, shape, name in zip(arrays, self.input_shapes, self._names, strict=True):
            if x.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, for which the plan was compiled, got {x.shape}")
        return arrays

    def _check_out(self, out, inputs: list[np.ndarray]) -> np.ndarray:
        if len(self.output_shapes) != 1:
            raise ValueError(f"out needs a network with one output, this one has {len(self.output_shapes)}")
        return check_out(out, self.output_shapes[0], inputs, self.output_dtypes[0])

    # Copies and pickles

    def __reduce__(self):
        from cyconv.graph.compile import compile_graph

        return compile_graph, (self._traced, self.num_threads, self._single, self.options, self._chosen)

    def __copy__(self) -> Plan:
        return self

    def __deepcopy__(self, memo: dict) -> Plan:
        return self

    # Feature maps

    def _named_values(self) -> dict[str, Value]:
        """What ``capture`` can name: layers by path (the last op inside counts), ops by ``path.op``, and values that have names."""
        named: dict[str, Value] = {}
        for node in self._traced.nodes:
            named[f"{node.name}.{node.op}" if node.name else node.op] = node.outputs[0]
        for node in self._traced.nodes:
            parts = node.name.split(".") if node.name else []
            for depth in range(len(parts), 0, -1):
                named[".".join(parts[:depth])] = node.outputs[0]
        return named | self._traced.names

    def _capture(self, inputs, out, patterns: list[str]):
        if not isinstance(patterns, (list, tuple)) or not all(isinstance(p, str) for p in patterns):
            raise TypeError(f"capture must be a list of patterns, got {patterns!r}")
        named = self._named_values()
        names = []
        for pattern in patterns:
            found = [name for name in named if fnmatchcase(name, pattern) and name not in names]
            if not any(fnmatchcase(name, pattern) for name in named):
                raise ValueError(f"capture: no layer matches {pattern!r}; there are {', '.join(list(named)[:8])}, …")
            names += found
        plan = self._capturing_plan(tuple(names), [named[name] for name in names])
        n = len(self.output_shapes)
        if out is not None:
            self._check_out(out, [])
        results = plan._run(inputs, None, None)
        if out is not None:
            out[...] = results[0]
            results[0] = out
        return (results[0] if self._single else tuple(results[:n])), dict(zip(names, results[n:], strict=True))

    def _plan_with(self, values: list[Value]) -> Plan:
        """A plan of the same network that gives ``values`` behind the outputs."""
        from cyconv.graph.compile import compile_graph

        graph = Graph()
        graph.inputs, graph.nodes, graph.constants = self._traced.inputs, self._traced.nodes, self._traced.constants
        graph.outputs = self._traced.outputs + values
        return compile_graph(graph, self.num_threads, False, self.options, self._chosen)

    def _capturing_plan(self, key: tuple[str, ...], values: list[Value]) -> Plan:
        with self._lock:
            plan = self._captures.get(key)
            if plan is None:
                plan = self._plan_with(values)
                if len(self._captures) >= MAX_CAPTURE_PLANS:
                    self._captures.pop(next(iter(self._captures)))
                self._captures[key] = plan
            return plan

    # What it costs, and how exact it is

    def steps(self) -> list[dict]:
        """One record per step: name, op, output shape, layout, algorithm, bytes written and multiply-adds."""
        return [dict(step) for step in self._steps]

    def choices(self) -> dict:
        """What computes each convolution and linear layer, to be given to ``cyconv.compile(..., choices=)``.

        Returns
        -------
        dict
            ``version`` (1), ``isa`` and ``layers``: for each layer, by its name and what it computes, a dict with ``algorithm`` ("direct"
            or a kind such as "F(4,3)") and ``weights`` ("float32" or "bfloat16"). They do not depend on the batch size or the number of
            threads; a plan compiled with all of them has the same bits as this one on the same instruction set.
        """
        return document_of(self._chosen)

    def save_choices(self, path) -> None:
        """Write :meth:`choices` to a JSON file; OSError when that fails, with the old file as it was."""
        write_document(self.choices(), path)

    def profile(self, *inputs: np.ndarray, repeats: int = 10):
        """Run ``repeats`` times with a clock between the steps.

        Parameters
        ----------
        *inputs : ndarray
            As for a call.
        repeats : int
            Runs after one warm-up; medians are reported.

        Returns
        -------
        cyconv.graph.profile.Profile
            ``records`` (a list of dicts: those of :meth:`steps` with ms, gflops and share_of_peak), and a table when printed.
        """
        from cyconv.graph.profile import Profile

        if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
            raise ValueError(f"repeats must be a positive int, got {repeats!r}")
        times = np.zeros((repeats + 1, len(self._steps) + 1), np.int64)
        for row in times:
            self._run(inputs, None, row)
        peak = measure_peak()
        medians = np.median(np.diff(times[1:], axis=1), axis=0) * 1e-6
        total = float(np.median(times[1:, -1] - times[1:, 0])) * 1e-6
        return Profile(self.steps(), medians.tolist(), total, peak * self.num_threads, self.num_threads, isa())

    def accuracy(self, *inputs: np.ndarray):
        """Compare what every op of the network gives with an evaluation of the whole network in float64.

        Parameters
        ----------
        *inputs : ndarray of float32
            As for a call.

        Returns
        -------
        cyconv.graph.accuracy.Accuracy
            ``records``, a list of dicts with ``name``, ``op``, ``shape``, ``l2`` (the error's L2 norm relative to the exact value's) and
            ``max`` (its largest element relative to the exact value's largest); a table when printed. The last ones are the
            outputs of this plan; the others come from a plan that is compiled for the occasion, as with ``capture``, and in
            which no op is fused with another.

        Raises
        ------
        TypeError, ValueError
            As for a call.

        Notes
        -----
        The float64 evaluation takes seconds for a large network, and holds every value of it in memory.
        """
        from cyconv.graph.accuracy import Accuracy

        arrays = self._check_inputs(inputs)
        values = [v for node in self._traced.nodes for v in node.outputs if v.dtype == FLOAT32]
        captured = self._plan_with(values)._run(arrays, None, None)[len(self.output_shapes) :]
        return Accuracy(self._traced, arrays, dict(zip(values, captured, strict=True)), self._run(arrays, None, None))

    def __repr__(self) -> str:
        from cyconv.graph.profile import plan_table

        shapes = ", ".join(f"{name} {list(shape)}" for name, shape in zip(self._names, self.input_shapes, strict=True))
        head = f"plan for {shapes} on {isa()}, {self.num_threads} thread(s): {len(self._steps)} steps"
        tail = f"arena {self.arena_bytes / 2**20:.1f} MiB a call, packed weights {self.constant_bytes / 2**20:.1f} MiB"
        return "\n".join([head, plan_table(self.steps()), tail])
