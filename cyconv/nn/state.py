"""Loading a state dict into a module, with PyTorch's checks and texts. Called by :mod:`cyconv.nn.module` only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cyconv.nn.parameter import as_stored
from cyconv.nn.plans import changes

if TYPE_CHECKING:
    from cyconv.nn.module import Module


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class IncompatibleKeys(_Keys):
    """What a state dict lacked, and what it had that the module does not know."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if any(self) else "<All keys matched successfully>"


class _Loading:
    """The findings of one walk over the modules, and the arrays to put in place once all is known to be well."""

    def __init__(self) -> None:
        self.keys = IncompatibleKeys([], [])
        self.errors: list[str] = []
        self.replacements: list[tuple[Module, dict[str, np.ndarray | None], str, np.ndarray]] = []

    def visit(self, module: Module, state: dict, prefix: str) -> None:
        """Compare ``module`` and its descendants with the part of the state dict whose keys begin with ``prefix``."""
        own = {name: table for table in (module._parameters, module._persistent_buffers()) for name, a in table.items() if a is not None}
        for name, table in own.items():
            if prefix + name in state:
                self.compare(module, name, table[name], state[prefix + name], prefix + name)
            elif name not in module._keys_of_newer_versions:
                self.keys.missing_keys.append(prefix + name)
        for key in state:
            first, dot, _ = key[len(prefix) :].partition(".")
            if key[len(prefix) :] not in own and not (dot and first in module._modules):
                self.keys.unexpected_keys.append(key)
        for name, child in module._modules.items():
            if child is not None:
                below = f"{prefix}{name}."
                self.visit(child, {key: a for key, a in state.items() if key.startswith(below)}, below)

    def compare(self, module: Module, name: str, old, new, key: str) -> None:
        """Note an array to put in place, or that its shape is wrong."""
        shape = list(getattr(new, "shape", old.shape))
        if shape != list(old.shape):
            self.errors.append(
                f"size mismatch for {key}: copying a param with shape {shape} from checkpoint, "
                f"the shape in current model is {list(old.shape)}."
            )
            return
        table = module._parameters if name in module._parameters else module._buffers
        self.replacements.append((module, table, name, as_stored(new, key, old, copy=True)))


def load_state_dict(module: Module, state_dict: Mapping, strict: bool) -> IncompatibleKeys:
    """What :meth:`cyconv.nn.Module.load_state_dict` documents."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
    loading = _Loading()
    loading.visit(module, dict(state_dict), "")
    errors = loading.errors
    if strict:
        for kind, keys in (("Unexpected", loading.keys.unexpected_keys), ("Missing", loading.keys.missing_keys)):
            if keys:
                quoted = ", ".join(f'"{key}"' for key in keys)
                errors.insert(0, f"{kind} key(s) in state_dict: {quoted}. ")
    if errors:
        raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t" + "\n\t".join(errors))
    for owner, table, name, array in loading.replacements:
        table[name] = array
        changes.note(owner)
    return loading.keys
