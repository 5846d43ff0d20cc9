import numpy as np
import pytest

from caffelite.onnx_import.of_file import from_onnx


def test_an_output_that_nothing_computes_keeps_its_name(model_file):
    nodes = [("Relu", ["x"], ["a"], {}), ("Dropout", ["a"], ["y"], {})]
    net = from_onnx(model_file(nodes, (1, 3))).net
    assert [list(layer.top) for layer in net.layer] == [["x"], ["y"]]


def test_names_are_kept_and_made_legal(model_file):
    nodes = [("Relu", ["x"], ["/a b/out"], {}), ("Tanh", ["/a b/out"], ["y"], {})]
    net = from_onnx(model_file(nodes, (1, 3))).net
    assert [list(layer.top) for layer in net.layer] == [["x"], ["a_b/out"], ["y"]]


def test_a_number_is_an_output_without_axes(agrees):
    nodes = [("Relu", ["x"], ["y"], {}), ("Identity", ["k"], ["z"], {})]
    assert agrees(nodes, (1, 3), {"k": np.float32(3)}, outputs=("y", "z"))


@pytest.mark.parametrize("read", [False, True])
def test_inputs_and_constants_are_outputs_too(read, agrees):
    nodes = [("Mul", ["x", "k"], ["y"], {}) if read else ("Relu", ["x"], ["y"], {})]
    assert agrees(nodes, (2, 3), {"k": np.arange(6, dtype=np.float32).reshape(2, 3)}, outputs=("x", "y", "k"))


def test_an_input_that_is_given_sizes_is_an_output_too(model_file):
    path = model_file([("Relu", ["x"], ["y"], {})], ("N", 3, "w"), outputs=("x", "y"))
    assert from_onnx(path, "bvlc", {"x": (2, 3, 4)}).comments[0].endswith("x 2x3x4 in; x 2x3x4, y 2x3x4 out.")


def test_an_output_that_is_listed_twice_is_one(model_file):
    assert (
        from_onnx(model_file([("Relu", ["x"], ["y"], {})], (2, 3), outputs=("y", "y")))
        .comments[0]
        .endswith("x 2x3 in; y 2x3 out.")
    )
