"""Sequential and ModuleList against PyTorch's."""

from __future__ import annotations

import operator
from collections import OrderedDict

import numpy as np
import pytest
import torch

from cyconv import nn

from ..functional.helpers import assert_same, both_refuse, single, small_integers
from .helpers import check_alike, whole_numbers


def layers(n) -> list:
    """The same list of layers from our ``nn`` or PyTorch's."""
    return [n.Conv2d(3, 4, 3), n.ReLU(), n.MaxPool2d(2), n.Flatten(), n.Linear(36, 5)]


def test_sequential_runs_in_order():
    ours, theirs = nn.Sequential(*layers(nn)), whole_numbers(torch.nn.Sequential(*layers(torch.nn)))
    check_alike(ours, theirs)
    ours.load_state_dict(theirs.state_dict())
    x = small_integers(2, 3, 8, 8)
    assert_same(ours(x), theirs(single(x)))


@pytest.mark.parametrize("mapping", [OrderedDict, dict])
def test_sequential_from_a_mapping(mapping):
    ours = nn.Sequential(mapping(first=nn.Linear(3, 4), second=nn.ReLU()))
    theirs = torch.nn.Sequential(OrderedDict(first=torch.nn.Linear(3, 4), second=torch.nn.ReLU()))
    check_alike(ours, theirs)
    check_alike(ours[:1], theirs[:1])
    assert ours.second is ours[1]


def test_empty_containers():
    check_alike(nn.Sequential(), torch.nn.Sequential())
    check_alike(nn.ModuleList(), torch.nn.ModuleList())
    x = small_integers(2, 3)
    np.testing.assert_array_equal(nn.Sequential()(x), x)


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_list_operations(kind):
    def make(n):
        return getattr(n, kind)(*layers(n)) if kind == "Sequential" else getattr(n, kind)(layers(n))

    ours, theirs = make(nn), make(torch.nn)
    children = list(ours)
    assert len(ours) == 5
    assert [ours[i] for i in (0, -1, np.int64(2))] == [children[0], children[4], children[2]]
    for part in (slice(1, 3), slice(None, -1), slice(None, None, 2), slice(4, 2)):
        check_alike(ours[part], theirs[part])
        assert list(ours[part]) == children[part]
    for n, container in ((nn, ours), (torch.nn, theirs)):
        container[1] = n.Sigmoid()
        container[-1] = n.Tanh()
        del container[2]
        assert container.append(n.ReLU()) is container
        container.extend([n.ReLU(), n.ReLU6()])
        container.insert(1, n.Identity())
        check_alike(ours, theirs) if container is theirs else None
    for n, container in ((nn, ours), (torch.nn, theirs)):
        del container[1:3]
        container.insert(0, n.GELU())
    check_alike(ours, theirs)


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_sums_and_pop(kind):
    def make(n):
        return getattr(n, kind)(*layers(n)) if kind == "Sequential" else getattr(n, kind)(layers(n))

    ours, theirs = make(nn), make(torch.nn)
    check_alike(ours + ours[:2], theirs + theirs[:2])
    child = ours[-2]
    assert ours.pop(-2) is child
    theirs.pop(-2)
    check_alike(ours, theirs)
    ours += make(nn)
    theirs += make(torch.nn)
    check_alike(ours, theirs)
    both_refuse(lambda: ours.pop(20), lambda: theirs.pop(20), "out of range", IndexError)
    if kind == "Sequential":
        with pytest.raises(TypeError):
            operator.add(ours, [nn.ReLU()])


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_refusals(kind):
    ours, theirs = getattr(nn, kind)(), getattr(torch.nn, kind)()
    both_refuse(lambda: ours[0], lambda: theirs[0], "out of range", IndexError)
    both_refuse(lambda: ours.append(3), lambda: theirs.append(3), "int is not a Module subclass")
    ours.append(nn.ReLU())
    with pytest.raises(TypeError, match="str is not a Module subclass"):
        ours.insert(0, "x")
    assert len(ours) == 1
    with pytest.raises(TypeError):
        ours["0"]
    both_refuse(lambda: nn.Sequential(3), lambda: torch.nn.Sequential(3), "int is not a Module subclass")


def test_module_list_has_no_forward():
    with pytest.raises(NotImplementedError, match=r'Module \[ModuleList\] is missing the required "forward" function'):
        nn.ModuleList([nn.ReLU()])(small_integers(2, 3))


def test_equal_neighbours_are_printed_once():
    def make(n):
        block = [n.Sequential(n.Linear(2, 2), n.ReLU()) for _ in range(3)]
        return n.Sequential(n.ModuleList([*block, n.ReLU(), n.ReLU(), n.Tanh()]), n.ModuleList([n.ModuleList()]))

    check_alike(make(nn), make(torch.nn))
