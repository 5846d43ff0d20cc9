import pytest


@pytest.mark.parametrize("opset", [7, 9, 10, 11])
def test_axes_from_the_end(opset, agrees):
    nodes = [
        ("Squeeze", ["x"], ["row"], {"axes": [-1]}),
        ("Concat", ["row", "row"], ["wide"], {"axis": -1}),
        ("Unsqueeze", ["wide"], ["y"], {"axes": [-2, 0]}),
        ("Concat", ["y", "y"], ["z"], {"axis": -2}),
    ]
    assert agrees(nodes, (2, 3, 1), outputs=("y", "z"), opset=opset)


def test_pieces_of_axes_from_the_end(agrees):
    piece = {"axes": [-2, -1], "starts": [0, 1], "ends": [2, 3]}
    assert agrees([("Slice", ["x"], ["y"], piece)], (1, 2, 3, 4), opset=9)
