"""Modules that hold modules in order: Sequential, which runs them one after the other, and ModuleList, which only holds them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cyconv.nn.module import Module, expect_module, indent


class _Ordered(Module):
    """Children by position: ``len``, iteration, indexing, slicing, assignment, deletion, append, extend and insert."""

    def _hold(self, modules: Iterable[Module]) -> None:
        """Make these the children, named by their positions."""
        children = {str(i): expect_module(module) for i, module in enumerate(modules)}
        self._modules.clear()
        for name, module in children.items():
            self.add_module(name, module)

    def _key(self, index) -> str:
        """The name of the child at ``index``, which may be negative."""
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"index {number} is out of range")
        return list(self._modules)[number]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, index) -> Any:
        return self._modules[self._key(index)]

    def __setitem__(self, index, module: Module) -> None:
        self.add_module(self._key(index), module)

    def __delitem__(self, index) -> None:
        children = list(self)
        del children[index]
        self._hold(children)

    def append(self, module: Module):
        """Add a child at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]):
        """Add children at the end; returns the container."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Put a child before position ``index``."""
        children = list(self)
        children.insert(index, module)
        self._hold(children)

    def pop(self, key: int) -> Any:
        """Take out the child at position ``key``; returns it."""
        module = self[operator.index(key)]
        del self[key]
        return module

    def __iadd__(self, other):
        return self.extend(other)


class Sequential(_Ordered):
    """Runs its children one after the other.

    Parameters
    ----------
    *args : Module
        Or one ordered mapping from names to modules.
    """

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self._hold(args)

    def __getitem__(self, index) -> Any:
        return type(self)(dict(list(self._modules.items())[index])) if isinstance(index, slice) else super().__getitem__(index)

    def __add__(self, other) -> Sequential:
        return type(self)(*self, *other) if isinstance(other, Sequential) else NotImplemented

    def forward(self, input):
        for module in self:
            input = module(input)
        return input


class ModuleList(_Ordered):
    """A list of modules that registers them; a forward calls them as it likes.

    Parameters
    ----------
    modules : iterable of Module, optional
    """

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self._hold(modules or ())

    def __getitem__(self, index) -> Any:
        return type(self)(list(self)[index]) if isinstance(index, slice) else super().__getitem__(index)

    def __add__(self, other) -> ModuleList:
        return type(self)([*self, *other])

    def __repr__(self) -> str:
        groups: list[list] = []  # of equal neighbours: text, first and last position
        for i, text in enumerate(repr(module) for module in self):
            if groups and groups[-1][0] == text:
                groups[-1][2] = i
            else:
                groups.append([text, i, i])
        lines = [f"({i}): {text}" if i == j else f"({i}-{j}): {j - i + 1} x {text}" for text, i, j in groups]
        name = type(self).__name__
        return "\n  ".join([f"{name}(", *map(indent, lines)]) + "\n)" if lines else f"{name}()"
