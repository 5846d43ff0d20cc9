import numpy as np

from caffelite.onnx_export.graph import Graph, Op


def graph(value=1.0, **attributes):
    return Graph(ops=[Op("Mul", ["x", "c"], ["y"], attributes, "m")], constants={"c": np.float32([value])})


def test_graphs_are_the_same_if_operators_and_constants_are():
    assert graph().says_the_same(graph())
    assert not graph().says_the_same(graph(2.0))
    assert not graph().says_the_same(graph(axis=1))
    other = graph()
    other.taken.append((5, 5))
    assert not graph().says_the_same(other)


def test_what_nobody_reads_goes():
    one = graph()
    one.weights["w"] = np.zeros(3, np.float32)
    one.drop_unread()
    assert list(one.values()) == ["c"]


def test_readers_count_operators_and_outputs():
    one = graph()
    one.outputs.append("y")
    assert [one.readers(name) for name in ("x", "y", "z")] == [1, 1, 0]
