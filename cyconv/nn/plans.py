"""Plans of a module: compiled once per input shape, kept while the module stays as it is, and named layers in a trace.

Called by :mod:`cyconv.nn.module` only.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from cyconv.graph.compile import compile_function
from cyconv.graph.plan import Plan
from cyconv.graph.trace import Trace, current_trace

if TYPE_CHECKING:
    from cyconv.nn.module import Module

# A module keeps plans for so many input shapes, and of so many bytes, but at least one; what was not used for longest goes first.
PLANS_PER_MODULE = 8
BYTES_PER_MODULE = 1 << 30


class Changes:
    """When anything in any module changed last.

    Every change gets a new number. A module keeps the number of its own last change, so the numbers of a module and its
    descendants tell whether a plan compiled from them still holds; ``latest`` tells in one comparison that nothing changed at all.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self.latest = 0

    def note(self, module: Module) -> None:
        """``module`` has changed. What a forward leaves in attributes while it is traced is not a change."""
        if current_trace() is None:
            number = next(self._numbers)
            object.__setattr__(module, "_changed", number)
            self.latest = number


changes = Changes()


class PlanCache:
    """The plans of one module, by what their inputs are. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._plans: OrderedDict[tuple, Plan] = OrderedDict()
        self._latest = -1
        self._numbers: list[int] = []

    def plan(self, module: Module, key: tuple, build: Callable[[], Plan]) -> Plan:
        """The plan of ``key``, which says what inputs it is for (their shapes, as a rule); ``build`` compiles it if need be."""
        with self._lock:
            latest = changes.latest
            if latest != self._latest:
                numbers = [m._changed for m in module.modules()]
                if numbers != self._numbers:
                    self._plans.clear()
                self._latest, self._numbers = latest, numbers
            plan = self._plans.get(key)
            if plan is None:
                plan = self._plans[key] = build()
                while len(self._plans) > 1 and (len(self._plans) > PLANS_PER_MODULE or self._bytes() > BYTES_PER_MODULE):
                    self._plans.popitem(last=False)
            else:
                self._plans.move_to_end(key)
            return plan

    def _bytes(self) -> int:
        """What the packed weights and the scratch memory of all plans take."""
        return sum(plan.constant_bytes + plan.arena_bytes for plan in self._plans.values())


def compile_module(module: Module, shapes: tuple[tuple[int, ...], ...], num_threads: int | None = None, **options: Any) -> Plan:
    """A plan of ``module`` for inputs of these shapes; options as those of ``compile_function``."""
    names = module._input_names(len(shapes))
    return compile_function(module, shapes, names, num_threads, dtypes=module._input_dtypes(len(shapes)), **options)


def input_names(number: int) -> list[str]:
    """What the inputs of a module are called: ``input``, or ``input0``, ``input1`` and so on."""
    return ["input"] if number == 1 else [f"input{i}" for i in range(number)]


class _Call:
    """One running call of a module in a trace."""

    def __init__(self, module: Module, trace: Trace, uses: Counter):
        self.trace = trace
        self.uses = uses  # of each full path, in the whole trace
        self._module = module
        self._names: dict[int, str] | None = None

    def name(self, callee: Module) -> str:
        """The path of ``callee`` below this module, such as ``features.0``; if it was used before, with ``:1``, ``:2`` and so on."""
        if self._names is None:
            self._names = {id(module): path for path, module in self._module.named_modules()}
        path = self._names.get(id(callee), type(callee).__name__)
        full = ".".join([*self.trace.scopes, path])
        again = self.uses[full]
        self.uses[full] += 1
        return f"{path}:{again}" if again else path


_running = threading.local()


@contextmanager
def called(module: Module, trace: Trace) -> Iterator[None]:
    """Ops recorded inside carry the name that ``module`` has in the module that calls it."""
    stack: list[_Call] = _running.__dict__.setdefault("stack", [])
    caller = stack[-1] if stack and stack[-1].trace is trace else None
    name = caller.name(module) if caller else ""
    stack.append(_Call(module, trace, caller.uses if caller else Counter()))
    try:
        with trace.scope(name):
            yield
    finally:
        stack.pop()
