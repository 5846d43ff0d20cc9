import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.proto.caffe_pb2 import TEST
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up, spread_values


def spp(fields):
    return f'type: "SPP" spp_param {{ {fields} }}'


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("spp")


@pytest.mark.parametrize(
    ("shape", "height", "wanted"),
    [
        ((2, 3, 9, 8), 3, (2, 63)),
        ((4, 3, 102, 76), 5, (4, 1023)),
        ((10, 3, 7, 7), 3, (10, 63)),
        ((2, 3, 9, 8), 1, (2, 3, 1, 1)),
    ],
)
def test_shapes(shape, height, wanted):
    assert run_forward(spp(f"pyramid_height: {height}"), np.ones(shape)).shape == wanted


def test_largest_of_the_image_then_of_its_quarters(dtype):
    image = np.arange(16).reshape(1, 1, 4, 4)
    top = run_forward(spp("pyramid_height: 3"), blob_of(image, dtype))
    np.testing.assert_array_equal(top.data, [[15, 5, 7, 13, 15, *range(16)]])


def test_means(dtype):
    image = np.arange(32).reshape(1, 2, 4, 4)
    top = run_forward(spp("pyramid_height: 2 pool: AVE"), blob_of(image, dtype))
    np.testing.assert_array_equal(top.data, [[7.5, 23.5, 2.5, 4.5, 10.5, 12.5, 18.5, 20.5, 26.5, 28.5]])


def test_stochastic_in_the_test_phase():
    layer = layer_from(spp("pyramid_height: 2 pool: STOCHASTIC"), phase=TEST)
    np.testing.assert_allclose(run_forward(layer, [[[[1.0, 3.0], [0.0, 0.0]]]]).data, [[2.5, 1, 3, 0, 0]])


@pytest.mark.parametrize("fields", ["pyramid_height: 3", "pyramid_height: 3 pool: AVE", "pyramid_height: 1"])
def test_gradient(fields):
    check_gradient(spp(fields), [spread_values((2, 1, 9, 8))], step=1e-4, threshold=1e-6)


def test_takes_images_of_another_size():
    layer, bottom = layer_from(spp("pyramid_height: 2")), blob_of(spread_values((2, 3, 9, 8)))
    top = set_up(layer, [bottom])
    bottom.reshape(1, 3, 20, 31)
    bottom.data[...] = spread_values((1, 3, 20, 31))
    layer.reshape([bottom], top)
    layer.forward([bottom], top)
    np.testing.assert_array_equal(top[0].data[:, :3], bottom.data.max((2, 3)))


def test_leaves_the_gradient_that_nobody_wants():
    layer, bottom = layer_from(spp("pyramid_height: 2")), blob_of(np.ones((1, 1, 4, 4)))
    top = set_up(layer, [bottom])
    bottom.diff[...] = 9
    run_backward(layer, [bottom], top, [False])
    assert (bottom.diff == 9).all()


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ("", (1, 1, 4, 4), r"spp_param\.pyramid_height is 0; use 1 to 12 levels"),
        ("pyramid_height: 2", (1, 4, 4), r"bottom\[0\] is 1 4 4 \(16\); Input must have 4 axes"),
        ("pyramid_height: 2", (1, 1, 0, 4), r"bottom\[0\] is 1 1 0 4 \(0\)"),
        ("pyramid_height: 3", (1, 1, 5, 8), r"pyramid_height is 3; 4 x 4 bins do not fit an image of 5 x 8"),
        ("pyramid_height: 2 pool: STOCHASTIC", (1, 1, 5, 4), r"pool is STOCHASTIC; 2 x 2 bins need padding of 5 x 4"),
    ],
)
def test_refusals(fields, shape, message):
    with pytest.raises(LayerError, match=message):
        run_forward(spp(fields), np.ones(shape))
