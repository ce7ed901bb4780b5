"""The graph form: names, links and the check."""

import numpy as np
import pytest

from cyconv.graph.ir import INT64, Graph, Node, Value


def chain() -> tuple[Graph, list[Value]]:
    a, b, c = Value((2, 3), name="a"), Value((2, 3), name="b"), Value((2, 3), name="c")
    graph = Graph()
    graph.inputs, graph.outputs = [a], [c]
    graph.nodes = [Node("relu", [a], [b], {}), Node("add", [b, b], [c], {}, "sum")]
    return graph, [a, b, c]


def test_links():
    graph, (a, b, c) = chain()
    w = graph.add_constant(np.ones((2, 3), np.float32), "w")
    assert (w.shape, w.dtype, w.name) == ((2, 3), "float32", "w")
    relu, add = graph.nodes
    assert graph.producers() == {b: relu, c: add}
    assert list(graph.values()) == [a, w, b, c]


def test_texts():
    graph, (a, _, _) = chain()
    assert repr(a) == "a[2, 3]"
    assert repr(Value((), INT64)) == "value[]"
    assert str(graph).splitlines() == [
        "inputs: [a[2, 3]]",
        "[b[2, 3]] = relu([a[2, 3]], {})",
        "[c[2, 3]] = add([b[2, 3], b[2, 3]], {})",
        "outputs: [c[2, 3]]",
    ]


def test_check():
    graph, (_, b, _) = chain()
    graph.check()
    graph.nodes.reverse()
    with pytest.raises(ValueError, match=r"sum: b.* is read before it is made"):
        graph.check()
    graph.nodes.reverse()
    graph.nodes[1].outputs = [b]
    with pytest.raises(ValueError, match=r"sum: b.* is made twice"):
        graph.check()
    graph, _ = chain()
    graph.outputs.append(Value((1,), name="lost"))
    with pytest.raises(ValueError, match=r"output lost.* never made"):
        graph.check()


def test_shapes_are_plain_ints():
    assert all(type(d) is int for d in Value((np.int64(2), np.int32(3))).shape)
