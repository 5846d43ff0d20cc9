import numpy as np
import pytest

from caffelite.testing import blob_of, layer_from, run_backward, set_up
from caffelite.testing import reference_convolution as reference

# stride, pad, kernel: among them windows that leave pixels over and kernels that are not square
CASES = [(1, 0, (2, 2)), (1, 1, (3, 3)), (2, 0, (3, 3)), (2, 1, (3, 2)), (3, 2, (2, 4)), (3, 0, (1, 1))]


def of_small_numbers(*shape, seed):
    """Whole numbers, so that sums are exact in any order."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(float)


def case(kernel):
    return of_small_numbers(2, 3, 7, 8, seed=1), of_small_numbers(4, 3, *kernel, seed=2), of_small_numbers(4, seed=3)


def test_a_window_by_hand():
    bottom, weight = np.arange(9.0).reshape(1, 1, 3, 3), np.arange(4.0).reshape(1, 1, 2, 2)
    top = [[[[0 * 0 + 1 * 1 + 2 * 3 + 3 * 4, 25], [37, 43]]]]
    np.testing.assert_array_equal(reference.convolve(bottom, weight), top)
    np.testing.assert_array_equal(reference.convolve(bottom, weight, np.array([2.0])), np.add(top, 2))


def test_gradients_by_hand():
    bottom, weight = np.arange(9.0).reshape(1, 1, 3, 3), np.arange(4.0).reshape(1, 1, 2, 2)
    for gradients in (reference.gradients_by_definition, reference.gradients_im2col):
        found = gradients(bottom, weight, weight)
        np.testing.assert_array_equal(found.weight, [[[[19, 25], [37, 43]]]])
        np.testing.assert_array_equal(found.bias, [6])
        np.testing.assert_array_equal(found.bottom, [[[[0, 0, 1], [0, 4, 6], [4, 12, 9]]]])


def test_columns_by_hand():
    columns = reference.im2col(np.arange(9.0).reshape(1, 3, 3), (2, 2))
    np.testing.assert_array_equal(columns, [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]])
    counts = reference.col2im(np.ones((4, 4)), (1, 3, 3), (2, 2))
    np.testing.assert_array_equal(counts, [[[1, 2, 1], [2, 4, 2], [1, 2, 1]]])


def test_zeros_between():
    np.testing.assert_array_equal(
        reference.with_zeros_between(np.array([[1, 2], [3, 4]]), 3), [[1, 0, 0, 2], [0] * 4, [0] * 4, [3, 0, 0, 4]]
    )


@pytest.mark.parametrize(("stride", "pad", "kernel"), CASES)
def test_both_ways_are_the_layers(stride, pad, kernel):
    bottom, weight, bias = case(kernel)
    layer = layer_from(
        f'type: "Convolution" convolution_param {{ num_output: 4 stride: {stride} pad: {pad} '
        f"kernel_h: {kernel[0]} kernel_w: {kernel[1]} }}"
    )
    blobs = [blob_of(bottom)]
    tops = set_up(layer, blobs)
    layer.blobs[0].data[...], layer.blobs[1].data[...] = weight, bias
    layer.forward(blobs, tops)
    tops[0].diff[...] = top_diff = of_small_numbers(*tops[0].shape, seed=4)
    run_backward(layer, blobs, tops)
    for convolve in (reference.convolve, reference.convolve_im2col):
        np.testing.assert_array_equal(convolve(bottom, weight, bias, stride, pad), tops[0].data)
    for gradients in (reference.gradients_by_definition, reference.gradients_im2col):
        found = gradients(bottom, weight, top_diff, stride, pad)
        np.testing.assert_array_equal(found.weight, layer.blobs[0].diff)
        np.testing.assert_array_equal(found.bias, layer.blobs[1].diff)
        np.testing.assert_array_equal(found.bottom, blobs[0].diff)
