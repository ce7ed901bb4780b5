"""state_dict and load_state_dict against PyTorch's: keys, order, texts, and that nothing changes when it raises."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from cyconv import nn

from ..functional.helpers import assert_same, single, small_integers
from .helpers import check_alike, whole_numbers


def make(n):
    """The same nested network from our ``nn`` or PyTorch's."""

    class Block(n.Module):
        def __init__(self):
            super().__init__()
            self.conv = n.Conv2d(3, 3, 3, padding=1, bias=False)
            self.bn = n.BatchNorm2d(3)

        def forward(self, x):
            return self.bn(self.conv(x))

    class Net(n.Module):
        def __init__(self):
            super().__init__()
            self.blocks = n.Sequential(Block(), n.ReLU(), Block())
            self.fc = n.Linear(12, 2)
            self.flatten = n.Flatten()
            self.absent = None

        def forward(self, x):
            return self.fc(self.flatten(self.blocks(x)))

    return Net()


def texts(ours, theirs, state: dict, strict: bool = True) -> tuple[str, str]:
    """What the two say when they refuse ``state``; ours must be unchanged after it."""
    before = ours.state_dict()
    with pytest.raises(RuntimeError) as mine:
        ours.load_state_dict(state, strict)
    with pytest.raises(RuntimeError) as other:
        theirs.load_state_dict({k: single(a) for k, a in state.items()}, strict)
    assert all(a is before[k] for k, a in ours.state_dict().items())
    return str(mine.value), re.sub(r"torch\.Size\((\[.*?\])\)", r"\1", str(other.value))


def test_the_state_of_pytorch_loads():
    ours, theirs = make(nn), whole_numbers(make(torch.nn))
    check_alike(ours, theirs)
    keys = ours.load_state_dict(theirs.state_dict())
    assert keys == ([], [])
    assert repr(keys) == repr(theirs.load_state_dict(theirs.state_dict())) == "<All keys matched successfully>"
    assert [k for k, _ in ours.state_dict().items()] == [k for k, _ in theirs.state_dict().items()]
    for key, tensor in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[key], tensor.numpy(), strict=True)


def test_loading_replaces_what_plans_compute():
    ours, theirs = nn.Sequential(nn.Linear(3, 4)), whole_numbers(torch.nn.Sequential(torch.nn.Linear(3, 4)))
    x = small_integers(2, 3)
    ours(x)
    ours.load_state_dict(theirs.state_dict())
    assert_same(ours(x), theirs(single(x)))


def test_loaded_arrays_are_copies():
    net = nn.Linear(2, 2)
    shared = np.ones((2, 2), np.float32)
    shared.flags.writeable = False
    net.load_state_dict({"weight": shared, "bias": np.zeros(2)})
    assert not np.shares_memory(net.weight, shared)
    assert net.state_dict()["weight"] is net.weight


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {k: a for k, a in s.items() if k != "fc.weight"},
        lambda s: {k: a for k, a in s.items() if "bn.weight" not in k},
        lambda s: s | {"extra": s["fc.bias"]},
        lambda s: (
            s
            | {"fc.extra": s["fc.bias"], "head.weight": s["fc.bias"], "blocks.0.conv.weight.more": s["fc.bias"], "blocks.7.x": s["fc.bias"]}
        ),
        lambda s: {k.replace("fc.", "classifier."): a for k, a in s.items()},
        lambda s: s | {"fc.weight": s["fc.weight"][:, :5]},
        lambda s: {"odd": s["fc.bias"], "fc.weight": s["fc.bias"], "blocks.2.bn.running_var": s["fc.weight"]},
        lambda s: {},
        lambda s: s | {"blocks.0.conv.bias": s["fc.bias"], "absent": s["fc.bias"], "flatten.x": s["fc.bias"]},
    ],
)
def test_texts_are_pytorchs(change):
    ours, theirs = make(nn), make(torch.nn)
    mine, other = texts(ours, theirs, change(dict(ours.state_dict())))
    assert mine == other


def test_without_strict_only_shapes_matter():
    ours, theirs = make(nn), make(torch.nn)
    state = dict(ours.state_dict())
    del state["fc.bias"]
    state["more"] = np.zeros(1, np.float32)
    state["fc.weight"] = np.ones((2, 12))
    assert ours.load_state_dict(state, strict=False) == (["fc.bias"], ["more"])
    assert (ours.fc.weight == 1).all()
    state["fc.weight"] = np.ones((2, 11), np.float32)
    mine, other = texts(ours, theirs, state, strict=False)
    assert mine == other


def test_dtypes():
    net = nn.BatchNorm2d(2)
    state = {k: a.astype(np.float64) if a.dtype == np.float32 else a.astype(np.int32) for k, a in net.state_dict().items()}
    net.load_state_dict(state)
    assert [str(a.dtype) for a in net.state_dict().values()] == ["float32"] * 4 + ["int64"]
    for key, wrong in (
        ("weight", np.ones(2, int)),
        ("weight", np.ones(2, complex)),
        ("num_batches_tracked", np.array(1.5)),
        ("weight", "ab"),
    ):
        before = net.state_dict()
        with pytest.raises(TypeError, match=key):
            net.load_state_dict({**state, key: wrong})
        assert all(a is before[k] for k, a in net.state_dict().items())


def test_what_is_no_mapping_is_refused():
    with pytest.raises(TypeError, match="dict-like"):
        nn.ReLU().load_state_dict([("weight", np.ones(2))])


def test_buffers_that_are_not_persistent():
    def make(n, ones):
        net = n.Module()
        net.register_buffer("kept", ones())
        net.register_buffer("lost", ones(), persistent=False)
        net.register_buffer("none", None)
        return net

    ours, theirs = make(nn, lambda: np.ones(2, np.float32)), make(torch.nn, lambda: torch.ones(2))
    check_alike(ours, theirs)
    mine, other = texts(ours, theirs, {"lost": np.ones(2, np.float32)})
    assert mine == other


def test_a_shared_module_stands_under_each_of_its_names():
    def make(n):
        layer = n.Linear(2, 2)
        return n.Sequential(layer, n.ReLU(), layer)

    ours, theirs = make(nn), make(torch.nn)
    check_alike(ours, theirs)
    assert list(ours.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    ours.load_state_dict(ours.state_dict())
    assert ours[0].weight is ours[2].weight
