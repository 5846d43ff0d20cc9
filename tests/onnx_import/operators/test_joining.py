import numpy as np
import pytest

SHAPE = (2, 4, 6, 5)


@pytest.mark.parametrize(
    "places", [[0, 2], [3, 2, 1, 0], [1, 1, 2], [-1, 0], [2, 3], [[0, 1], [3, 0]], 2, [0, 1, 2, 3]]
)
@pytest.mark.parametrize("axis", [0, 1, 3])
def test_gather(places, axis, agrees):
    shape = (4, 4, 3, 4)
    assert agrees([("Gather", ["x", "places"], ["y"], {"axis": axis})], shape, {"places": np.array(places)})


@pytest.mark.parametrize(("start", "end", "step"), [(-1, -99, -1), (0, 99, 2), (4, 0, -2), (1, 3, 1), (2, -1, 1)])
def test_slice_takes_every_step(start, end, step, agrees):
    where = {"start": [start, 0], "end": [end, 3], "axes": [2, 1], "steps": [step, 1]}
    constants = {name: np.array(value) for name, value in where.items()}
    types = agrees([("Slice", ["x", *constants], ["cut"], {}), ("Relu", ["cut"], ["y"], {})], SHAPE, constants)
    assert ("Reverse" in types) == (step == -1)


def test_what_is_taken_has_the_tensors_name(agrees):
    nodes = [("Gather", ["x", "places"], ["taken"], {"axis": 1}), ("Relu", ["taken"], ["y"], {})]
    assert agrees(nodes, SHAPE, {"places": np.array([2, 0])}, outputs=("taken", "y"))
