"""The plans that modules keep: when they are compiled again, how many are kept, from several threads; and names in a trace."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cyconv import functional as F
from cyconv import nn
from cyconv.graph.trace import tracing
from cyconv.nn import plans

from ..functional.helpers import small_integers


@pytest.fixture
def compiled(monkeypatch) -> list:
    """Grows by one with each compilation."""
    count: list = []
    compile_function = plans.compile_function

    def counting(*args, **kwargs):
        count.append(args[1])
        return compile_function(*args, **kwargs)

    monkeypatch.setattr(plans, "compile_function", counting)
    return count


class Net(nn.Module):
    """A little of everything that a change can touch."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(0.5), nn.Dropout())
        self.register_buffer("offset", np.zeros(4))
        self.twice = False

    def forward(self, x):
        y = F.add(self.body(x), self.offset)
        return F.add(y, y) if self.twice else y


X = small_integers(2, 3)


def test_one_compilation_per_shape(compiled):
    net = Net()
    for _ in range(3):
        net(X)
        net(X[:1])
        net(np.asfortranarray(X))
    assert compiled == [((2, 3),), ((1, 3),)]


def test_what_does_not_change_a_network_keeps_its_plans(compiled):
    net = Net()
    net(X)
    other = Net()
    other.offset = np.ones(4)
    net.eval()
    repr(net)
    net.state_dict()
    copy.deepcopy(net)
    pickle.loads(pickle.dumps(net))
    list(net.parameters())
    net(X)
    assert len(compiled) == 1


def test_options_of_calls():
    """They hold until they are set again, and go along with copies and pickles."""
    net = Net()
    net.body[0].weight = np.full((4, 3), 257.0)  # bfloat16 has no such number
    net.body[0].bias = np.zeros(4)
    wide, narrow = 257 * X.sum(1), 256 * X.sum(1)
    assert np.array_equal(net.body[0](X)[:, 0], wide)
    net.body[0].compile(weights="bfloat16")
    assert np.array_equal(net.body[0](X)[:, 0], narrow)
    for twin in (copy.copy(net.body[0]), copy.deepcopy(net.body[0]), pickle.loads(pickle.dumps(net.body[0]))):
        assert np.array_equal(twin(X)[:, 0], narrow)
    assert np.array_equal(nn.Sequential(net.body[0])(X)[:, 0], wide)  # that module has its own
    for wrong, error in (({"weights": "int8"}, ValueError), ({"colour": "red"}, TypeError), ({"winograd": "on"}, ValueError)):
        with pytest.raises(error):
            net.body[0].compile(**wrong)
    assert np.array_equal(net.body[0](X)[:, 0], narrow)
    net.body[0].compile()
    assert np.array_equal(net.body[0](X)[:, 0], wide)
    assert not Net()._compile_options


CHANGES = {
    "parameter": lambda net: setattr(net.body[0], "weight", np.ones((4, 3))),
    "parameter removed": lambda net: setattr(net.body[0], "bias", None),
    "buffer": lambda net: setattr(net, "offset", np.ones(4)),
    "option of a layer": lambda net: setattr(net.body[1], "negative_slope", 0.25),
    "attribute": lambda net: setattr(net, "twice", True),
    "child": lambda net: net.body.__setitem__(1, nn.Sigmoid()),
    "child appended": lambda net: net.body.append(nn.Tanh()),
    "child deleted": lambda net: net.body.__delitem__(0),
    "loaded": lambda net: net.load_state_dict({k: a + 1 for k, a in net.state_dict().items()}),
    "loaded in part": lambda net: net.body.load_state_dict({"0.weight": np.ones((4, 3))}, strict=False),
    "applied": lambda net: net.apply(lambda m: setattr(m, "bias", np.ones(4)) if isinstance(m, nn.Linear) else None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(change, compiled):
    """A network that ran before the change computes what a copy without plans does after it."""
    net = Net()
    x = X if change != "child deleted" else small_integers(2, 4)
    first = net(X)
    CHANGES[change](net)
    got = net(x)
    assert len(compiled) == 2
    np.testing.assert_array_equal(got, pickle.loads(pickle.dumps(net))(x))
    assert got.shape != first.shape or not np.array_equal(got, first)
    net(x)
    assert len(compiled) == 3  # by the copy


def test_the_mode_is_seen():
    net = Net()
    net(X)
    net.train()
    with pytest.raises(ValueError, match=r"inference; call eval\(\) first"):
        net(X)
    net.eval()
    net(X)


def test_a_forward_may_leave_attributes(compiled):
    class Remembers(nn.Module):
        def forward(self, x):
            self.shape = x.shape
            self.last = F.relu(x)
            return self.last

    net = Remembers()
    for _ in range(3):
        net(X)
    assert net.shape == X.shape
    assert len(compiled) == 1


def test_the_number_of_plans_is_bounded(compiled):
    net = nn.ReLU()
    shapes = [(n,) for n in range(1, plans.PLANS_PER_MODULE + 2)]
    for shape in shapes[:-1]:
        net(np.ones(shape, np.float32))
    net(np.ones(shapes[0], np.float32))  # the first is now the one used last
    net(np.ones(shapes[-1], np.float32))  # puts out the second
    before = len(compiled)
    net(np.ones(shapes[0], np.float32))
    assert len(compiled) == before
    net(np.ones(shapes[1], np.float32))
    assert len(compiled) == before + 1


def test_the_memory_of_plans_is_bounded(compiled, monkeypatch):
    net = nn.Linear(30, 40)
    one, two = small_integers(1, 30), small_integers(2, 30)
    for x in (one, two, one, two):
        net(x)
    assert len(compiled) == 2
    monkeypatch.setattr(plans, "BYTES_PER_MODULE", 40 * 30 * 4)
    for x in (small_integers(3, 30), one, one, two):
        net(x)
    assert len(compiled) == 5


def test_a_failed_compilation_leaves_nothing(compiled):
    net = Net()
    for _ in range(2):
        with pytest.raises(ValueError, match="weight"):
            net(small_integers(2, 5))
    assert len(compiled) == 2
    assert net(X).shape == (2, 4)


def test_threads_share_one_compilation(compiled):
    net = Net()
    rows = [small_integers(2, 3, seed=i) for i in range(64)]
    want = [pickle.loads(pickle.dumps(net))(x) for x in rows[:1]] + [None] * 63
    compiled.clear()
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(net, rows))
    assert len(compiled) == 1
    np.testing.assert_array_equal(got[0], want[0])
    for y, x in zip(got, rows, strict=True):
        np.testing.assert_array_equal(y, net(x))


def test_threads_that_change_what_others_run():
    """Every result belongs to a state that the network was in."""
    net = nn.Linear(3, 1, bias=False)
    net.weight = np.full((1, 3), 0.0)
    x = np.ones((1, 3), np.float32)

    def change(i: int) -> float:
        if i % 4 == 0:
            net.weight = np.full((1, 3), float(i))
        return float(net(x)[0, 0])

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(change, range(40)))
    assert set(got) <= {3.0 * i for i in range(0, 40, 4)}
    assert net(x)[0, 0] == 3 * net.weight[0, 0]


# Names


def names(net: nn.Module, shape=(2, 3)) -> list[str]:
    """The paths of the nodes that a trace records."""
    with tracing() as trace:
        net(trace.add_input(shape, "input"))
    return [node.name for node in trace.graph.nodes]


def test_nodes_carry_the_paths_of_their_layers():
    assert names(Net()) == ["body.0", "body.1", "body.2", ""]
    assert names(nn.Sequential(Net(), nn.ReLU())) == ["0.body.0", "0.body.1", "0.body.2", "0", "1"]


def test_a_layer_used_again_has_a_number():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()
            self.block = nn.Sequential(nn.Tanh(), self.relu)
            self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(3, 3))])

        def forward(self, x):
            for _ in range(2):
                x = self.relu(self.blocks[0](self.block(x)))
            return self.blocks[0][0](x)

    first = ["block.0", "block.1", "blocks.0.0", "relu"]
    again = ["block:1.0", "block:1.1", "blocks.0:1.0", "relu:1"]
    assert names(Twice()) == [*first, *again, "blocks.0.0:1"]
    assert names(Twice()) == [*first, *again, "blocks.0.0:1"]


def test_a_layer_that_is_not_registered_is_named_by_its_class():
    class Hides(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = [nn.ReLU(), nn.ReLU()]

        def forward(self, x):
            return self.hidden[1](self.hidden[0](x))

    assert names(Hides()) == ["ReLU", "ReLU:1"]


def test_an_error_in_a_forward_leaves_no_name_behind():
    net = nn.Sequential(nn.ReLU(), nn.Linear(5, 5))
    with pytest.raises(ValueError):
        names(net)
    assert names(nn.Sequential(nn.ReLU())) == ["0"]
