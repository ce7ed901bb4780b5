"""One battery for every layer: built by the same arguments as PyTorch's, it must print, hold, compute and copy the same."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import torch

from cyconv import nn

from ..functional.helpers import assert_same, single, small_integers


def whole_numbers(layer: torch.nn.Module) -> torch.nn.Module:
    """The layer in eval mode with small integers as parameters, so that sums of products are exact."""
    for i, parameter in enumerate(layer.parameters()):
        parameter.data = single(small_integers(*parameter.shape, seed=100 + i))
    return layer.eval()


def build(name: str, *args, **kwargs) -> tuple[nn.Module, torch.nn.Module]:
    """The layer of this name, ours and PyTorch's, with the same whole numbers as parameters."""
    ours, theirs = getattr(nn, name)(*args, **kwargs), whole_numbers(getattr(torch.nn, name)(*args, **kwargs))
    check_alike(ours, theirs)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def check_alike(ours: nn.Module, theirs: torch.nn.Module) -> None:
    """The same text, and the same parameters and buffers with the same names, shapes and dtypes."""
    assert repr(ours) == repr(theirs)
    assert [(k, a.shape, str(a.dtype)) for k, a in ours.state_dict().items()] == [
        (k, tuple(a.shape), str(a.dtype).removeprefix("torch.")) for k, a in theirs.state_dict().items()
    ]
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert [n for n, _ in ours.named_buffers()] == [n for n, _ in theirs.named_buffers()]
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]


def check_exact(name: str, *args, shape: tuple[int, ...], **kwargs) -> None:
    """On small integers the layer gives PyTorch's result exactly; so do its copies."""
    ours, theirs = build(name, *args, **kwargs)
    x = small_integers(*shape)
    want = theirs(single(x))
    assert_same(ours(x), want)
    for again in (copy.deepcopy(ours), copy.copy(ours), pickle.loads(pickle.dumps(ours))):
        assert repr(again) == repr(ours)
        assert all(not a.flags.writeable for a in again.parameters())
        np.testing.assert_array_equal(again(x), want.detach().numpy())
