"""Functions on arrays: a function written for tracing is compiled for the shapes it is called with, and kept.

`traceable` is the decorator of every function in :mod:`cyconv.functional`. The cache is bounded by number and by memory;
weights are inputs of such plans, packed on each call, so nothing goes stale when an array changes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from threading import Lock

import numpy as np

from cyconv.graph.arrays import as_array
from cyconv.graph.compile import compile_function
from cyconv.graph.ir import FLOAT32
from cyconv.graph.plan import Plan
from cyconv.graph.threads import get_num_threads
from cyconv.graph.trace import Tracer
from cyconv.ops.dtypes import in_words

MAX_PLANS = 256
MAX_ARENA_BYTES = 256 << 20
MAX_FORMS = 1024
PLAIN = (int, float, bool, str, type(None))  # options whose type and value tell one call from another


class FunctionPlans:
    """The plans of function calls, least recently used first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._plans: OrderedDict[tuple, Plan] = OrderedDict()
        self._forms: dict[tuple, tuple] = {}
        self._bytes = 0

    def known(self, form: tuple) -> Plan | None:
        """The plan of a call that had this form, if it is still there."""
        key = self._forms.get(form)
        if key is None:
            return None
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
            return plan

    def remember(self, form: tuple, key: tuple) -> None:
        """Calls of this form have the plan of ``key``."""
        if len(self._forms) >= MAX_FORMS:
            self._forms.clear()
        self._forms[form] = key

    def get(self, key: tuple, build: Callable[[], Plan]) -> Plan:
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
                return plan
        plan = build()
        with self._lock:
            if key not in self._plans:
                self._plans[key] = plan
                self._bytes += plan.arena_bytes
            while len(self._plans) > 1 and (len(self._plans) > MAX_PLANS or self._bytes > MAX_ARENA_BYTES):
                _, old = self._plans.popitem(last=False)
                self._bytes -= old.arena_bytes
        return plan

    def clear(self) -> None:
        with self._lock:
            self._plans.clear()
            self._forms.clear()
            self._bytes = 0

    def __len__(self) -> int:
        return len(self._plans)


plans = FunctionPlans()


def frozen(option):
    """An option of a call as part of a key: lists become tuples, and 1, 1.0 and True stay apart."""
    if isinstance(option, (list, tuple)):
        return tuple(frozen(o) for o in option)
    return (type(option), option)


def holds_tracer(value) -> bool:
    """Whether an argument is a Tracer or a sequence with one in it."""
    if isinstance(value, (list, tuple)):
        return any(isinstance(v, Tracer) for v in value)
    return isinstance(value, Tracer)


def check_form(value, label: str, annotation: str, dtypes: tuple[str, ...]) -> None:
    """TypeError when None or a sequence stands where the annotation has none, or one array where it has a sequence."""
    if value is None:
        if "None" not in annotation:
            raise TypeError(f"{label} must be a NumPy array of {in_words(dtypes)}, got None")
    elif isinstance(value, (list, tuple)) != ("Sequence" in annotation):
        wanted = "a list or tuple of NumPy arrays" if "Sequence" in annotation else "one NumPy array"
        raise TypeError(f"{label} must be {wanted} of {in_words(dtypes)}, got {type(value).__name__}")


def form_of(fn: Callable, args: tuple, kwargs: dict, arrays: list[np.ndarray]) -> tuple | None:
    """What tells one call from another, if its arrays are such as kernels read and come by position, and its options are plain; then the
    arrays are appended to ``arrays``."""
    form: list = [fn, get_num_threads()]
    for value in args:
        if type(value) is np.ndarray:
            flags = value.flags
            if not (flags.c_contiguous and flags.aligned and value.dtype.isnative):
                return None
            arrays.append(value)
            form += (value.dtype, value.shape)
        elif type(value) in PLAIN:
            form += (type(value), value)
        elif type(value) is tuple and all(type(v) is int for v in value):
            form += (tuple, value)
        else:
            return None
    for name, value in kwargs.items():
        if type(value) not in PLAIN:
            return None
        form += (name, type(value), value)
    return tuple(form)


def traceable(*array_names: str, dtypes: tuple[str, ...] = (FLOAT32,)) -> Callable:
    """Let a function written with ``apply`` run on arrays too.

    Parameters
    ----------
    *array_names
        The parameters that are arrays, None, or a sequence of arrays; if annotated, they take what the annotation says. When any
        of them is (or holds) a Tracer, the function's body runs as it stands. Otherwise they must be NumPy arrays of one of
        ``dtypes``; the call is compiled for their shapes and dtypes and its other arguments, and run.
    dtypes
        What the arrays may be.
    """

    def decorate(fn: Callable) -> Callable:
        names = fn.__code__.co_varnames[: fn.__code__.co_argcount + fn.__code__.co_kwonlyargcount]
        defaults = dict(zip(reversed(names[: fn.__code__.co_argcount]), reversed(fn.__defaults__ or ()), strict=False))
        defaults |= fn.__kwdefaults__ or {}
        annotations = {name: str(fn.__annotations__[name]) for name in array_names if name in fn.__annotations__}

        in_order = [names.index(name) for name in array_names] == sorted(names.index(name) for name in array_names)

        @wraps(fn)
        def call(*args, **kwargs):
            arrays: list[np.ndarray] = []
            form = form_of(fn, args, kwargs, arrays) if in_order else None
            plan = plans.known(form) if form is not None else None
            if plan is not None:
                return plan.run_checked(arrays)
            given = dict(zip(names, args, strict=False))
            if len(args) > fn.__code__.co_argcount or any(k in given or k not in names for k in kwargs):
                return fn(*args, **kwargs)  # Python's own TypeError
            given.update(kwargs)
            for name, annotation in annotations.items():
                if name in given:
                    check_form(given[name], f"{fn.__name__}: argument {name!r}", annotation, dtypes)
            if any(holds_tracer(given.get(name)) for name in array_names):
                return fn(*args, **kwargs)
            missing = [name for name in names if name not in given and name not in defaults]
            if missing:
                return fn(*args, **kwargs)
            return run_on_arrays(fn, array_names, dtypes, {**defaults, **given}, form)

        return call

    return decorate


def run_on_arrays(fn: Callable, array_names: tuple[str, ...], dtypes: tuple[str, ...], arguments: dict, short: tuple | None):
    """Find or compile the plan of this call and run it; calls of the form ``short``, if there is one, will find it at once."""
    arrays: list[np.ndarray] = []
    labels: list[str] = []
    form: list = []  # per array argument: None, (shape, 0), or the shapes of a sequence
    for name in array_names:
        value = arguments[name]
        if value is None:
            form.append(None)
        elif isinstance(value, (list, tuple)):
            items = [as_array(v, f"{fn.__name__}: argument {name!r}[{i}]", dtypes) for i, v in enumerate(value)]
            arrays += items
            labels += [f"{name}{i}" for i in range(len(items))]
            form.append(tuple(a.shape for a in items))
        else:
            array = as_array(value, f"{fn.__name__}: argument {name!r}", dtypes)
            arrays.append(array)
            labels.append(name)
            form.append((array.shape, 0))
    options = {name: value for name, value in arguments.items() if name not in array_names}
    threads = get_num_threads()
    try:
        key = (fn, threads, tuple(form), tuple(a.dtype for a in arrays), tuple((name, frozen(value)) for name, value in options.items()))
        hash(key)
    except TypeError:
        raise TypeError(f"{fn.__name__}: options must be plain values, got {options}") from None

    def build() -> Plan:
        def body(*tracers):
            rest = iter(tracers)
            filled = dict(options)
            for name, shape in zip(array_names, form, strict=True):
                if shape is None:
                    filled[name] = None
                elif len(shape) == 2 and shape[1] == 0:
                    filled[name] = next(rest)
                else:
                    filled[name] = [next(rest) for _ in shape]
            return fn(**filled)

        kinds = [str(a.dtype) for a in arrays]
        try:
            return compile_function(body, [a.shape for a in arrays], labels, threads, dtypes=kinds)
        except TypeError as error:
            if len(dtypes) == 1:
                raise
            given = " and ".join(f"{label} {kind}" for label, kind in zip(labels, kinds, strict=True))
            raise TypeError(f"{fn.__name__} of {given}: {error}") from None

    result = plans.get(key, build)(*arrays)
    if short is not None:
        plans.remember(short, key)
    return result
