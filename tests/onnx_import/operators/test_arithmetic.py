import numpy as np
import pytest

OPERATORS = ("Add", "Sub", "Mul")
SMALL = [(3, 1, 1), (3, 6, 5), (6, 5), (1, 6, 5), (5,), (6, 1), (3, 1, 5), (1,), (), (1, 3, 1, 1), (1, 1, 6, 5)]


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("shape", [*SMALL, (2, 1, 1, 1), (2, 3, 1, 1)])
def test_a_computed_blob_is_repeated(shape, batch, agrees):
    if shape[:1] == (2,) and batch == 1:
        shape = (1, *shape[1:])
    nodes = [(name, inputs, [f"{name}{inputs[0]}"], {}) for name in OPERATORS for inputs in (["x", "z"], ["z", "x"])]
    assert agrees(nodes, {"x": (batch, 3, 6, 5), "z": shape}, outputs=[node[2][0] for node in nodes])


@pytest.mark.parametrize("shape", [(3, 1, 1), (6, 5), (3, 1, 5), ()])
def test_division(shape, agrees):
    for inputs in (["x", "e"], ["e", "x"]):
        nodes = [("Exp", [name], [f"e{name}"], {}) for name in "xz"]
        inputs = [{"x": "ex", "e": "ez"}[name] for name in inputs]
        assert agrees([*nodes, ("Div", inputs, ["y"], {})], {"x": (2, 3, 6, 5), "z": shape})


@pytest.mark.parametrize("shapes", [((2, 3, 6, 1), (1, 1, 5)), ((2, 3, 1, 1), (2, 1, 6, 5)), ((3, 1), (4,))])
def test_both_are_repeated(shapes, agrees):
    nodes = [(name, ["x", "z"], [name], {}) for name in OPERATORS]
    assert agrees(nodes, dict(zip("xz", shapes, strict=True)), outputs=OPERATORS)


@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 3, 6, 5), (1,), (), (6, 5)])
def test_several_with_a_constant(shape, agrees):
    constant = {"k": np.random.default_rng(1).standard_normal(shape).astype(np.float32)}
    several = ("Max", "Min", "Sum", "Mean")
    nodes = [(name, ["x", "k"], [name], {}) for name in several]
    nodes += [(name, ["z", "x", "k"], [f"{name}3"], {}) for name in several]
    assert agrees(nodes, {"x": (2, 3, 6, 5), "z": (3, 1, 1)}, constant, outputs=[node[2][0] for node in nodes])
