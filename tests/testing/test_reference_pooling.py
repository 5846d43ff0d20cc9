import numpy as np
import pytest

from caffelite.testing import blob_of, layer_from, run_backward, set_up, spread_values
from caffelite.testing import reference_pooling as reference

CASES = [((2, 3, 6, 8), 2, 2), ((2, 1, 5, 7), 3, 2), ((1, 2, 5, 5), 3, 1)]


def by_loops(kind, bottom, top_diff, kernel, stride):
    top, places, bottom_diff = np.empty_like(top_diff), np.empty(top_diff.shape, int), np.full(bottom.shape, 7.0)
    if kind == "MAX":
        reference.max_pool(bottom, kernel, stride, top, places)
        reference.max_pool_backward(top_diff, places, bottom_diff)
    else:
        reference.average_pool(bottom, kernel, stride, top)
        reference.average_pool_backward(top_diff, kernel, stride, bottom_diff)
    return top, bottom_diff


def by_im2col(kind, bottom, top_diff, kernel, stride):
    if kind == "MAX":
        top, rows = reference.max_pool_im2col(bottom, kernel, stride)
        return top, reference.max_pool_backward_im2col(top_diff, rows, bottom.shape, kernel, stride)
    top = reference.average_pool_im2col(bottom, kernel, stride)
    return top, reference.average_pool_backward_im2col(top_diff, bottom.shape, kernel, stride)


@pytest.mark.parametrize("ways", [by_loops, by_im2col])
def test_by_hand(ways):
    bottom = np.array([[[[1.0, 5, 5], [4, 2, 0], [3, 3, 9]]]])
    top_diff = np.array([[[[10.0, 20], [30, 40]]]])
    top, bottom_diff = ways("MAX", bottom, top_diff, 2, 1)
    np.testing.assert_array_equal(top, [[[[5, 5], [4, 9]]]])
    np.testing.assert_array_equal(bottom_diff, [[[[0, 30, 0], [30, 0, 0], [0, 0, 40]]]])  # of the two 5 the first
    top, bottom_diff = ways("AVE", bottom, top_diff, 2, 1)
    np.testing.assert_array_equal(top, [[[[3, 3], [3, 3.5]]]])
    np.testing.assert_array_equal(bottom_diff, [[[[2.5, 7.5, 5], [10, 25, 15], [7.5, 17.5, 10]]]])


@pytest.mark.parametrize(("shape", "kernel", "stride"), CASES)
@pytest.mark.parametrize("kind", ["MAX", "AVE"])
def test_both_ways_are_the_layers(kind, shape, kernel, stride):
    layer = layer_from(f'type: "Pooling" pooling_param {{ pool: {kind} kernel_size: {kernel} stride: {stride} }}')
    bottoms = [blob_of(spread_values(shape))]
    tops = set_up(layer, bottoms)
    layer.forward(bottoms, tops)
    assert tops[0].shape == reference.pooled_shape(shape, kernel, stride)
    tops[0].diff[...] = spread_values(tops[0].shape, seed=2)
    run_backward(layer, bottoms, tops)
    for way in (by_loops, by_im2col):
        top, bottom_diff = way(kind, bottoms[0].data, tops[0].diff, kernel, stride)
        np.testing.assert_allclose(top, tops[0].data, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(bottom_diff, bottoms[0].diff, rtol=1e-12, atol=1e-12)
