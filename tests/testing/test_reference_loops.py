import numpy as np
import pytest

from caffelite.testing import reference_convolution as reference
from caffelite.testing.reference_loops import convolve_loops, gradients_loops


@pytest.mark.parametrize(("stride", "pad", "kernel"), [(1, 1, (3, 3)), (2, 0, (2, 3)), (3, 2, (4, 2))])
def test_the_loops_are_the_definition(stride, pad, kernel):
    numbers = np.random.default_rng(1).integers
    bottom, weight, bias = (numbers(-4, 5, shape).astype(float) for shape in ((2, 3, 7, 6), (4, 3, *kernel), (4,)))
    expected = reference.convolve(bottom, weight, bias, stride, pad)
    top = np.full(expected.shape, 7.0)
    convolve_loops(bottom, weight, bias, stride, pad, top)
    np.testing.assert_array_equal(top, expected)
    top_diff = numbers(-4, 5, top.shape).astype(float)
    found = [np.full(array.shape, 7.0) for array in (weight, bias, bottom)]
    gradients_loops(bottom, weight, top_diff, stride, pad, *found)
    for ours, theirs in zip(
        found, reference.gradients_by_definition(bottom, weight, top_diff, stride, pad), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
