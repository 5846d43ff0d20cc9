import numpy as np
import pytest

from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.of_file import from_onnx

SHAPE = (1, 2, 6, 5)
PLACES = ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners", "half_pixel_symmetric")
ROUNDING = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")


def floats(*values):
    return np.array(values, np.float32)


@pytest.mark.parametrize("scale", [0.5, 1.5, 2.0, 2.7])
@pytest.mark.parametrize("places", PLACES)
def test_each_pixel_is_the_one_that_onnx_copies(places, scale, agrees):
    how = {"mode": "nearest", "coordinate_transformation_mode": places}
    nodes = [("Resize", ["x", "", "s"], [rounding], {**how, "nearest_mode": rounding}) for rounding in ROUNDING]
    types = agrees(nodes, SHAPE, {"s": floats(1, 1, scale, scale)}, outputs=ROUNDING)
    assert ("Upsample" in types) == (scale == 2)


@pytest.mark.parametrize(("opset", "name", "scale"), [(9, "Upsample", 2.5), (10, "Resize", 2.5), (10, "Resize", 0.7)])
def test_old_operators(opset, name, scale, agrees):
    assert agrees(
        [(name, ["x", "s"], ["y"], {"mode": "nearest"})], (1, 2, 6, 5), {"s": floats(1, 1, scale, 3)}, opset=opset
    )


@pytest.mark.parametrize("scale", [0.5, 1.5, 2.0, 2.7])
@pytest.mark.parametrize("places", PLACES)
def test_each_pixel_is_a_mix_of_two(places, scale, agrees):
    how = {"mode": "linear", "coordinate_transformation_mode": places}
    types = agrees([("Resize", ["x", "", "s"], ["y"], how)], SHAPE, {"s": floats(1, 1, scale, 2 * scale)})
    assert "Interp" in types if places == "align_corners" else "Convolution" in types


@pytest.mark.usefixtures("onnxruntime_of_today")
def test_a_place_that_is_the_middle_of_two_but_for_rounding(agrees):
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}  # 8 / float32(16 / 7) is 3.4999998
    nodes = [("Resize", ["x", "", "", "s"], [rounding], {**how, "nearest_mode": rounding}) for rounding in ROUNDING]
    assert agrees(nodes, (1, 2, 7, 7), {"s": np.array([1, 2, 16, 38])}, outputs=ROUNDING)


@pytest.mark.parametrize("axis", [2, 3])
def test_the_pixels_of_an_axis_move_though_they_are_as_many(axis, agrees):
    how = {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}
    scales = np.array([1, 1, 2, 2], np.float32)
    scales[axis] = 1.3
    assert agrees([("Resize", ["x", "", "s"], ["y"], how)], (2, 2, 2, 2), {"s": scales})


def test_a_row_and_a_pixel_are_mixed_too(agrees):
    how = {"mode": "linear"}
    assert agrees([("Resize", ["x", "", "s"], ["y"], how)], (2, 3, 5), {"s": floats(1, 1, 2)})
    assert agrees([("Resize", ["x", "", "s"], ["y"], how)], (2, 3, 1, 1), {"s": floats(1, 1, 4, 3)})
    assert agrees([("Upsample", ["x", "s"], ["y"], how)], SHAPE, {"s": floats(1, 1, 2, 3)}, opset=9)


@pytest.mark.parametrize("axes", [[2, 3], [3], [1, 2]])
def test_axes_and_sizes(axes, agrees):
    sizes = {"sizes": np.array([9] * len(axes))}
    assert agrees([("Resize", ["x", "", "", "sizes"], ["y"], {"mode": "nearest", "axes": axes})], SHAPE, sizes)


@pytest.mark.parametrize("how", [{"mode": "linear"}, {"mode": "cubic", "antialias": 1}, {"mode": "nearest"}])
def test_the_same_size_is_the_image(how, agrees):
    assert agrees([("Resize", ["x", "", "", "sizes"], ["y"], how)], SHAPE, {"sizes": np.array(SHAPE)})


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"mode": "cubic"}, "attribute mode is cubic; use nearest or linear"),
        ({"mode": "linear", "antialias": 1}, "attribute antialias is 1; leave it out"),
        ({"coordinate_transformation_mode": "tf_crop_and_resize"}, "is tf_crop_and_resize; cut with a Slice"),
        ({"keep_aspect_ratio_policy": "not_larger"}, 'keep_aspect_ratio_policy is "not_larger"; give the sizes'),
    ],
)
def test_refuses(how, message, model_file):
    sizes = {"roi": floats(0, 0, 0, 0, 1, 1, 1, 1), "sizes": np.array([1, 2, 3, 9])}
    with pytest.raises(OnnxError, match=message):
        from_onnx(model_file([("Resize", ["x", "roi", "", "sizes"], ["y"], how)], SHAPE, sizes))
