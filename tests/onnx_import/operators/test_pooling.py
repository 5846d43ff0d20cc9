import numpy as np
import pytest

from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.of_file import from_onnx

# kernel, stride, pad, pixels: windows within the image, reaching out of it, and beginning beyond it
WINDOWS = [
    (2, 2, 1, 5),
    (2, 2, 1, 6),
    (3, 2, 0, 6),
    (3, 2, 1, 6),
    (2, 3, 0, 6),
    (2, 3, 1, 7),
    (3, 5, 1, 9),
    (1, 2, 0, 5),
]


@pytest.mark.usefixtures("onnxruntime_of_today")
@pytest.mark.parametrize("opset", [11, 20, 22])
@pytest.mark.parametrize(("kernel", "stride", "pad", "pixels"), WINDOWS)
def test_rounding_up_makes_no_window_beyond_the_image(kernel, stride, pad, pixels, opset, agrees):
    window = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4, "ceil_mode": 1}
    nodes = [("MaxPool", ["x"], ["a"], window), ("AveragePool", ["x"], ["b"], window), ("Add", ["a", "b"], ["c"], {})]
    assert agrees([*nodes, ("Flatten", ["c"], ["y"], {})], (1, 2, pixels, pixels), opset=opset, outputs=("a", "b", "y"))


@pytest.mark.usefixtures("onnxruntime_of_today")
@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_one_axis_may_reach_out_where_another_does_not(operator, agrees):
    window = {"kernel_shape": [2, 3], "strides": [2, 2], "pads": [1, 0, 1, 0], "ceil_mode": 1}
    assert agrees([(operator, ["x"], ["y"], window)], (1, 2, 5, 6), opset=11)


@pytest.mark.usefixtures("onnxruntime_of_today")
@pytest.mark.parametrize("pads", [[1, 0, 1, 1], [0, 1, 2, 0], [0, 0, 2, 2], [2, 1, 0, 0]])
@pytest.mark.parametrize("stride", [1, 2])
def test_windows_too_many_are_cut_off(stride, pads, agrees):
    window = {"kernel_shape": [3, 3], "strides": [stride, stride], "pads": pads}
    ways = [("MaxPool", {}), ("AveragePool", {}), ("AveragePool", {"count_include_pad": 1})]
    nodes = [(name, ["x"], [f"y{index}"], {**window, **more}) for index, (name, more) in enumerate(ways)]
    assert agrees(nodes, (2, 3, 6, 5), outputs=("y0", "y1", "y2"))


@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize("pads", [[1, 1], [1, 0], [0, 2]])
def test_means_of_a_row(pads, include, agrees):
    window = {"kernel_shape": [3], "strides": [2], "pads": pads, "count_include_pad": include}
    assert agrees([("AveragePool", ["x"], ["y"], window)], (2, 3, 8))


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 4, 5), (1, 3, 2, 4, 3)])
def test_whole_images(operator, shape, agrees):
    assert agrees([(operator, ["x"], ["y"], {})], shape)


def test_refuses_windows_that_see_padding_alone(model_file):
    window = {"kernel_shape": [2, 2], "pads": [0, 0, 2, 2]}
    with pytest.raises(
        OnnxError, match=r"pads is \[0, 0, 2, 2\]; some windows see padding alone|by less than the kernel"
    ):
        from_onnx(model_file([("AveragePool", ["x"], ["y"], window)], (1, 1, 4, 4)))


def test_refuses_to_count_padding_of_windows_larger_than_the_image(model_file):
    window = {"kernel_shape": [3, 3], "pads": [1, 0, 1, 0], "strides": [1, 4], "count_include_pad": 1}
    with pytest.raises(OnnxError, match="kernel_shape is 3 x 3, and the image with its padding 10 x 2; use a smaller"):
        from_onnx(model_file([("AveragePool", ["x"], ["y"], window)], (1, 1, 8, 2)))


def test_a_layer_has_the_name_of_its_node(model_file):
    net = from_onnx(model_file([("MaxPool", ["x"], ["y"], {"kernel_shape": [2, 2]})], (1, 3, 5, 5))).net
    assert (net.layer[1].name, list(net.layer[1].top)) == ("node_0", ["y"])
    assert np.prod(net.layer[0].input_param.shape[0].dim) == 75
