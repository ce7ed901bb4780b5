"""Module against PyTorch's: attributes, walks over the tree, modes, text, copies; and calling with arrays."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from cyconv import functional as F
from cyconv import nn
from cyconv.nn.compiling import compile

from ..functional.helpers import both_refuse, small_integers
from .helpers import check_alike


class Scale(nn.Module):
    """Multiplies by a parameter and adds a buffer."""

    def __init__(self, factor: float = 2.0):
        super().__init__()
        self.register_parameter("factor", np.full((1,), factor))
        self.register_buffer("offset", np.zeros(1))
        self.power = 1

    def forward(self, x):
        for _ in range(self.power):
            x = F.add(F.mul(x, self.factor), self.offset)
        return x


class Pair(nn.Module):
    """Two inputs, two outputs."""

    def __init__(self):
        super().__init__()
        self.scale = Scale()

    def forward(self, a, b):
        return self.scale(a), F.add(a, b)


def nested(n):
    """A tree with a module used twice, a None child, and names that are numbers."""
    shared = n.ReLU()
    net = n.Sequential(n.Conv2d(3, 4, 3), shared, n.Sequential(n.BatchNorm2d(4), shared), n.ModuleList([n.Linear(2, 2)]))
    net.nothing = None
    net.register_parameter("none", None)
    net.add_module("hole", None)
    return net


# Attributes


def test_walks_are_pytorchs():
    ours, theirs = nested(nn), nested(torch.nn)
    check_alike(ours, theirs)
    for walk in ("named_modules", "named_children", "named_parameters", "named_buffers"):
        assert [name for name, _ in getattr(ours, walk)()] == [name for name, _ in getattr(theirs, walk)()]
    for walk in ("modules", "children", "parameters", "buffers"):
        assert len(list(getattr(ours, walk)())) == len(list(getattr(theirs, walk)()))
    for walk in ("named_parameters", "named_buffers"):
        for options in ({"prefix": "net"}, {"recurse": False}, {"remove_duplicate": False}):
            assert [name for name, _ in getattr(ours, walk)(**options)] == [name for name, _ in getattr(theirs, walk)(**options)]
    options = {"prefix": "net", "remove_duplicate": False}
    assert [name for name, _ in ours.named_modules(**options)] == [name for name, _ in theirs.named_modules(**options)]


def test_get_by_path():
    net = nested(nn)
    assert net.get_submodule("") is net
    assert net.get_submodule("2.0") is net[2][0]
    assert net.get_parameter("0.weight") is net[0].weight
    assert net.get_buffer("2.0.running_mean") is net[2][0].running_mean
    for get, path in (
        (net.get_submodule, "2.7"),
        (net.get_submodule, "hole"),
        (net.get_parameter, "0.mass"),
        (net.get_parameter, "none"),
        (net.get_buffer, "0.weight"),
    ):
        with pytest.raises(AttributeError, match=path.split(".")[-1]):
            get(path)


def test_arrays_are_read_only_and_replaced_by_assignment():
    net = Scale()
    with pytest.raises(ValueError, match="read-only"):
        net.factor[0] = 3
    given = np.array([3.0])
    net.factor = given
    given[0] = 4
    assert net.factor == 3 and net.factor.dtype == np.float32
    net.offset = np.ones(1, np.float16)
    np.testing.assert_array_equal(net(np.float32([1, 2])), [4, 7])
    other = Scale()
    other.factor = net.factor
    assert other.factor is net.factor
    with pytest.raises(ValueError, match=r"parameter 'factor': expected an array of shape \[1\], got shape \[2\]"):
        net.factor = np.ones(2)
    with pytest.raises(TypeError, match="parameter 'factor'"):
        net.factor = 3.0
    with pytest.raises(TypeError, match=r"buffer 'offset'.*floating-point"):
        net.offset = np.ones(1, int)
    net.factor = None
    assert net.factor is None and "factor" not in net.state_dict()
    net.factor = np.ones((5, 1))
    assert net.factor.shape == (5, 1)


def test_attributes_move_between_tables():
    net = nn.Module()
    net.x = 3
    net.x = nn.ReLU()
    assert [name for name, _ in net.named_children()] == ["x"]
    assert "x" in dir(net)
    with pytest.raises(TypeError, match="cannot assign 'int' as child module 'x'"):
        net.x = 3
    net.x = None
    assert net.x is None
    for name, make in (
        ("w", lambda: net.register_parameter("w", np.ones(1))),
        ("b", lambda: net.register_buffer("b", np.ones(1), persistent=False)),
    ):
        make()
        assert hasattr(net, name)
        delattr(net, name)
        assert not hasattr(net, name)
    net.register_buffer("b", np.ones(1))
    assert list(net.state_dict()) == ["b"]
    net.b = nn.ReLU()
    assert list(net.state_dict()) == []
    del net.x
    with pytest.raises(AttributeError, match="'Module' object has no attribute 'x'"):
        net.x  # noqa: B018
    with pytest.raises(AttributeError):
        del net.x


def test_refusals():
    ours, theirs = nn.ReLU(), torch.nn.ReLU()
    for name in ("", "a.b", "inplace"):
        both_refuse(
            lambda: ours.register_parameter(name, None), lambda: theirs.register_parameter(name, None), "parameter|exists", KeyError
        )
        both_refuse(lambda: ours.register_buffer(name, None), lambda: theirs.register_buffer(name, None), "buffer|exists", KeyError)
        both_refuse(lambda: ours.add_module(name, None), lambda: theirs.add_module(name, None), "module|exists", KeyError)
    both_refuse(lambda: ours.register_buffer(3, None), lambda: theirs.register_buffer(3, None), "string")
    both_refuse(lambda: ours.add_module("x", 3), lambda: theirs.add_module("x", 3), "int is not a Module subclass")
    both_refuse(lambda: ours.train("yes"), lambda: theirs.train("yes"), "boolean")
    with pytest.raises(TypeError, match="parameter 'w'"):
        ours.register_parameter("w", np.ones(2, int))
    with pytest.raises(TypeError, match="buffer 'w'"):
        ours.register_buffer("w", np.ones(2, bool))


def test_forgetting_the_constructor_of_the_base():
    class Bad(nn.Module):
        def __init__(self):
            self.layer = nn.ReLU()

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Bad()


def test_modes():
    net = nested(nn)
    assert all(not m.training for m in net.modules())
    assert net.train() is net and all(m.training for m in net.modules())
    assert net[2].eval() is net[2] and not net[2][0].training and net.training
    assert net.eval() is net and all(not m.training for m in net.modules())


def test_apply_visits_children_first():
    net, seen = nested(nn), []
    assert net.apply(seen.append) is net
    assert seen[-1] is net
    assert seen.index(net[2][0]) < seen.index(net[2])


# Text


def test_text_of_modules_with_lines_of_their_own():
    def make(n):
        class Odd(n.Module):
            def __init__(self, child: bool):
                super().__init__()
                if child:
                    self.child = n.Sequential(n.ReLU())

            def extra_repr(self) -> str:
                return "one\ntwo"

        return n.Sequential(Odd(True), Odd(False), n.Module())

    assert repr(make(nn)) == repr(make(torch.nn))


# Copies


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_independent(duplicate):
    net = Pair()
    a, b = np.float32([1, 2]), np.float32([10, 20])
    net(a, b)
    net.scale.register_buffer("lost", np.ones(1), persistent=False)
    again = duplicate(net)
    again.scale = Scale(5.0)
    assert net.scale.factor == 2
    again = duplicate(net)
    assert list(again.state_dict()) == list(net.state_dict())
    assert not again.scale.factor.flags.writeable
    for got, want in zip(again(a, b), net(a, b), strict=True):
        np.testing.assert_array_equal(got, want)
    if duplicate is not copy.copy:
        again.scale.factor = np.array([7.0])
        np.testing.assert_array_equal(again(a, b)[0], 7 * a)
        np.testing.assert_array_equal(net(a, b)[0], 2 * a)


def test_copies_keep_what_is_shared():
    net = nested(nn)
    again = copy.deepcopy(net)
    assert again[1] is again[2][1] and again[1] is not net[1]
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    assert len(list(tied.parameters())) == 3
    assert len(list(pickle.loads(pickle.dumps(tied)).parameters())) == 3


# Calling


def test_several_inputs_and_outputs():
    a, b = np.float32([1, 2]), np.float32([10, 20])
    for run in (Pair(), compile(Pair(), [(2,), (2,)])):
        scaled, total = run(a, b)
        np.testing.assert_array_equal(scaled, [2, 4])
        np.testing.assert_array_equal(total, [11, 22])


def test_arrays_that_are_not_plain():
    net, x = nn.Conv2d(3, 4, 3), small_integers(2, 3, 5, 6)
    want = net(x)
    read_only = x.copy()
    read_only.flags.writeable = False
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    for odd in (np.asfortranarray(x), np.repeat(x, 2, axis=3)[..., ::2], read_only, unaligned, x.astype(">f4")):
        np.testing.assert_array_equal(net(odd), want)


@pytest.mark.parametrize("x", [np.zeros((1, 3, 5, 5)), np.zeros((1, 3, 5, 5), int), np.zeros((1, 3, 5, 5), np.float16)])
def test_other_dtypes_are_refused_with_the_conversion(x):
    with pytest.raises(TypeError, match=rf"input must be float32, got {x.dtype}.*astype\(np.float32\)"):
        nn.Conv2d(3, 4, 3)(x)


def test_other_refusals_of_calls():
    net = nn.Linear(2, 2)
    for x in ([[1.0, 2.0]], "ab", None):
        with pytest.raises(TypeError, match="input must be a NumPy array"):
            net(x)
    with pytest.raises(TypeError, match="input1 must be float32"):
        Pair()(np.zeros(2, np.float32), np.zeros(2))
    with pytest.raises(TypeError, match="by position"):
        net()
    with pytest.raises(TypeError, match="by position"):
        net(input=np.zeros((1, 2), np.float32))
    with pytest.raises(TypeError, match="positional argument"):
        net(np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32))


def test_compile():
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), small_integers(2, 3, 5, 6)
    for shape in (x.shape, list(x.shape), np.array(x.shape)):
        np.testing.assert_array_equal(compile(net, shape, num_threads=1)(x), net(x))
    plan, before = compile(net, x.shape), net(x)
    net[0].weight = np.zeros_like(net[0].weight)
    np.testing.assert_array_equal(plan(x), before)
    with pytest.raises(TypeError, match="module"):
        compile(F.relu, (1, 2))
    for shape in (3, (1, 2.5), "ab", None, [(1, 2), 3]):
        with pytest.raises(TypeError, match="input_shape"):
            compile(net, shape)
    with pytest.raises(ValueError, match="input_shape"):
        compile(net, (1, -3, 5, 5))
    with pytest.raises(ValueError, match="channels"):
        compile(net, (1, 2, 5, 5))
    with pytest.raises(ValueError, match="num_threads"):
        compile(net, x.shape, num_threads=0)
