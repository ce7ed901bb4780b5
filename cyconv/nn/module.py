"""Module, the base class of layers and networks: parameters, buffers, children, state dicts, and calling.

Called with an array a module runs a plan, compiled once per input shape; called in a trace it records its forward.
Two things differ from PyTorch: a new module is in eval mode, and its arrays are read-only (see :mod:`cyconv.nn.parameter`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from cyconv.graph.arrays import as_array
from cyconv.graph.ir import FLOAT32
from cyconv.graph.options import Options
from cyconv.graph.trace import current_trace
from cyconv.nn.parameter import as_stored
from cyconv.nn.plans import PlanCache, called, changes, compile_module, input_names
from cyconv.nn.state import IncompatibleKeys, load_state_dict


class Module:
    """Base class of all layers and networks, used as in PyTorch.

    A subclass makes its children and parameters in ``__init__`` (after ``super().__init__()``) and writes ``forward`` with the
    functions of :mod:`cyconv.functional` and calls of its children.

    - ``net(x)`` compiles ``forward`` for the shape of ``x``, once, and runs it. The last few plans are kept; they are dropped
      when an attribute, parameter, buffer or child of the module or of a descendant is replaced, or the mode changes. What a
      plan cannot see is a list, dict or array that is changed in place inside a plain attribute.
    - Parameters and buffers are read-only NumPy arrays, float32 (int64 for buffers that count). To change one, assign an array of
      the same shape: ``net.fc.bias = np.zeros(10)``. It is copied, unless it is another module's, which is then shared.
    - A new module is in eval mode: ``training`` is False. In training mode Dropout and BatchNorm refuse to run.
    """

    training: bool
    _parameters: dict[str, np.ndarray | None]
    _buffers: dict[str, np.ndarray | None]
    _modules: dict[str, Module | None]
    _non_persistent: set[str]  # names of buffers that the state dict leaves out
    _plans: PlanCache
    _changed: int
    _compile_options: Mapping[str, Any] = MappingProxyType({})
    _keys_of_newer_versions: tuple[str, ...] = ()  # of the state dict; old checkpoints lack them, and load all the same

    def __init__(self) -> None:
        for name in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, name, {})
        object.__setattr__(self, "_non_persistent", set())
        object.__setattr__(self, "training", False)
        self._start_afresh()

    def _start_afresh(self) -> None:
        """No plans yet."""
        object.__setattr__(self, "_plans", PlanCache())
        object.__setattr__(self, "_changed", 0)
        changes.note(self)

    def forward(self, *inputs):
        """What the module computes; a subclass writes it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *inputs, **options):
        trace = current_trace()
        if trace is not None:
            with called(self, trace):
                return self.forward(*inputs, **options)
        if options or not inputs:
            raise TypeError(f"{type(self).__name__} runs on one or more arrays, given by position; got {len(inputs)} and {sorted(options)}")
        arrays = [as_array(x, name) for x, name in zip(inputs, input_names(len(inputs)), strict=True)]
        shapes = tuple(x.shape for x in arrays)
        return self._plans.plan(self, shapes, lambda: compile_module(self, shapes, **self._compile_options))(*arrays)

    def compile(self, **options) -> None:
        """Set the options of the plans that calls of this module use from now on.

        Parameters
        ----------
        **options
            All of :func:`cyconv.compile` but ``num_threads``; what is left out has its default again. They hold for calls of this module
            with arrays, not for calls of its children or by a module that contains it, and go along with copies and pickles.

        Raises
        ------
        TypeError, ValueError
            As of :func:`cyconv.compile`; the options stay as they were then.
        """
        object.__setattr__(self, "_compile_options", vars(Options(**options)))
        changes.note(self)

    def _input_names(self, number: int) -> list[str]:
        """What the inputs are called when there are so many."""
        return input_names(number)

    def _input_dtypes(self, number: int) -> list[str]:
        """The dtypes of so many inputs."""
        return [FLOAT32] * number

    # Attributes

    def __setattr__(self, name: str, value) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {name!r} before Module.__init__() call")
        parameters, buffers, modules = self._parameters, self._buffers, self._modules
        if isinstance(value, Module):
            for table in (self.__dict__, parameters, buffers):
                table.pop(name, None)
            modules[name] = value
        elif name in parameters or name in buffers:
            table, kind = (parameters, "parameter") if name in parameters else (buffers, "buffer")
            table[name] = None if value is None else as_stored(value, f"{kind} {name!r}", table[name], kind == "buffer")
        elif name in modules and value is not None:
            raise TypeError(f"cannot assign {type(value).__name__!r} as child module {name!r} (nn.Module or None expected)")
        elif name in modules:
            modules[name] = None
        else:
            object.__setattr__(self, name, value)
        changes.note(self)

    def __getattr__(self, name: str) -> Any:
        for table in ("_parameters", "_buffers", "_modules"):
            found = self.__dict__.get(table, {})
            if name in found:
                return found[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._non_persistent.discard(name)
                break
        else:
            object.__delattr__(self, name)
        changes.note(self)

    def __dir__(self):
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def register_parameter(self, name: str, param) -> None:
        """Add a parameter.

        Parameters
        ----------
        name : str
        param : array of floating-point numbers, or None
            Kept as read-only float32. None says that the parameter is absent.

        Raises
        ------
        TypeError, KeyError
            When the name is no attribute name or taken, or ``param`` is no such array.
        """
        self._check_new_name("parameter", name)
        self._parameters[name] = None if param is None else as_stored(param, f"parameter {name!r}")
        changes.note(self)

    def register_buffer(self, name: str, tensor, persistent: bool = True) -> None:
        """Add a buffer: an array that belongs to the module but is not trained.

        Parameters
        ----------
        name : str
        tensor : array of floating-point numbers or integers, or None
            Kept as read-only float32 or int64.
        persistent : bool
            Whether it is part of the state dict.

        Raises
        ------
        TypeError, KeyError
            When the name is no attribute name or taken, or ``tensor`` is no such array.
        """
        self._check_new_name("buffer", name)
        self._buffers[name] = None if tensor is None else as_stored(tensor, f"buffer {name!r}", integers=True)
        (self._non_persistent.discard if persistent else self._non_persistent.add)(name)
        changes.note(self)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child under a name, as assigning it to an attribute does.

        Parameters
        ----------
        name : str
            May be a number, as in :class:`Sequential`.
        module : Module or None

        Raises
        ------
        TypeError, KeyError
            When ``module`` is no module, or the name is taken by something else.
        """
        if name not in self._modules:
            self._check_new_name("module", name)
        self._modules[name] = None if module is None else expect_module(module)
        changes.note(self)

    def _check_new_name(self, kind: str, name: str) -> None:
        """Raise TypeError or KeyError unless something new may be called ``name``."""
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f'{kind} name can\'t be empty or contain ".", got: {name!r}')
        if hasattr(self, name):
            raise KeyError(f"attribute {name!r} already exists")

    # Walks over the tree

    def named_modules(self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """The module itself (named ``prefix``) and all descendants with their paths; each once, unless duplicates are wanted too."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """The module itself and all descendants, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The children with their names, each once."""
        seen = set()
        for name, child in self._modules.items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """The children, each once."""
        return (child for _, child in self.named_children())

    def _named_arrays(self, table: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, np.ndarray]]:
        """The arrays of one table of the module and, with ``recurse``, of its descendants."""
        seen = set()
        owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in owners:
            for name, array in getattr(module, table).items():
                if array is not None and id(array) not in seen:
                    if remove_duplicate:
                        seen.add(id(array))
                    yield f"{path}.{name}" if path else name, array

    def named_parameters(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, np.ndarray]]:
        """Parameters with their paths; a shared one once, under its first path."""
        return self._named_arrays("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[np.ndarray]:
        """Parameters of the module and, with ``recurse``, of all descendants."""
        return (array for _, array in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, np.ndarray]]:
        """Buffers with their paths; a shared one once, under its first path."""
        return self._named_arrays("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[np.ndarray]:
        """Buffers of the module and, with ``recurse``, of all descendants."""
        return (array for _, array in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The descendant at a path such as ``features.0``; AttributeError when there is none."""
        module: Module = self
        for name in target.split(".") if target else []:
            child = module._modules.get(name)
            if child is None:
                raise AttributeError(f"{type(module).__name__} has no child module {name!r} (looked for {target!r})")
            module = child
        return module

    def get_parameter(self, target: str) -> np.ndarray:
        """The parameter at a path such as ``features.0.weight``; AttributeError when there is none."""
        return self._array_at("_parameters", "parameter", target)

    def get_buffer(self, target: str) -> np.ndarray:
        """The buffer at a path such as ``bn1.running_mean``; AttributeError when there is none."""
        return self._array_at("_buffers", "buffer", target)

    def _array_at(self, table: str, kind: str, target: str) -> np.ndarray:
        """The array at a path in one table of its owner."""
        path, _, name = target.rpartition(".")
        array = getattr(self.get_submodule(path), table).get(name)
        if array is None:
            raise AttributeError(f"there is no {kind} {target!r}")
        return array

    def apply(self, fn: Callable[[Module], object]) -> Module:
        """Call ``fn`` on every descendant, children first, and on the module itself; returns the module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Module:
        """Set ``training`` here and in all descendants; returns the module. Dropout and BatchNorm run in eval mode only."""
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is expected to be boolean, got {mode!r}")
        for module in self.modules():
            if module.training != mode:
                module.training = mode
        return self

    def eval(self) -> Module:
        """``train(False)``."""
        return self.train(False)

    # State

    def _persistent_buffers(self) -> dict[str, np.ndarray | None]:
        return {name: array for name, array in self._buffers.items() if name not in self._non_persistent}

    def state_dict(self) -> OrderedDict[str, np.ndarray]:
        """Parameters and persistent buffers by path, in PyTorch's order.

        Returns
        -------
        OrderedDict
            The arrays themselves, which are read-only: no copies. A shared array stands under each of its paths.
        """
        state: OrderedDict[str, np.ndarray] = OrderedDict()
        for path, module in self.named_modules(remove_duplicate=False):
            for name, array in {**module._parameters, **module._persistent_buffers()}.items():
                if array is not None:
                    state[f"{path}.{name}" if path else name] = array
        return state

    def load_state_dict(self, state_dict: Mapping, strict: bool = True) -> IncompatibleKeys:
        """Replace parameters and buffers by those of a state dict.

        Parameters
        ----------
        state_dict : mapping from path to array
            Arrays of NumPy, or what gives one by ``__array__``, such as the CPU tensors of a PyTorch state dict. Floating-point
            numbers of any width are converted to float32, integers to int64. All are copied, but for float32 arrays that
            :func:`cyconv.load_state_dict` maps from a file: those are kept as they are, and processes share them.
        strict : bool
            Whether keys that are missing or unexpected are an error. A missing ``num_batches_tracked`` never is, as in PyTorch for
            state dicts without version.

        Returns
        -------
        IncompatibleKeys
            ``missing_keys`` and ``unexpected_keys``, two lists of str.

        Raises
        ------
        RuntimeError
            When keys (with ``strict``) or shapes do not fit, with PyTorch's text. Nothing has been changed then.
        TypeError
            When ``state_dict`` is no mapping or a value is no array of the right kind of numbers. Nothing has been changed then.
        """
        return load_state_dict(self, state_dict, strict)

    def __getstate__(self) -> dict:
        """What copies and pickles hold: all but the plans. Tables are copied, so that a shallow copy has its own."""
        state = {name: value for name, value in self.__dict__.items() if name not in ("_plans", "_changed")}
        for name in ("_parameters", "_buffers", "_modules", "_non_persistent"):
            state[name] = state[name].copy()
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for table in (self._parameters, self._buffers):
            for array in table.values():
                if array is not None:
                    array.flags.writeable = False  # copying and pickling lose it
        self._start_afresh()

    # Text

    def extra_repr(self) -> str:
        """What ``repr`` shows of the module itself, between the parentheses."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if len(lines) < 2 and not self._modules:
            return f"{type(self).__name__}({extra})"
        lines += [f"({name}): {indent(repr(child))}" for name, child in self._modules.items()]
        return "\n  ".join([f"{type(self).__name__}(", *lines]) + "\n)"


def expect_module(module) -> Module:
    """``module``, or TypeError when it is none."""
    if not isinstance(module, Module):
        raise TypeError(f"{type(module).__name__} is not a Module subclass")
    return module


def indent(text: str) -> str:
    """``text`` with all lines but the first moved right by two spaces."""
    return text.replace("\n", "\n  ")
