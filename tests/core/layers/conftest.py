"""What tests of several layers need."""

import numpy as np
import pytest

from caffelite.testing import blob_of, layer_from, run_backward, set_up


def _run(layer, values, top_diff, in_place, overwritten):
    """Forward and backward, with the first bottom as top; `overwritten`: by another layer in place, in between."""
    bottom = [blob_of(array, layer.dtype) for array in values]
    top = set_up(layer, bottom)
    if in_place:
        top = bottom[:1]
        layer.reshape(bottom, top)
    layer.forward(bottom, top)
    computed = [top[0].data.copy()]
    if in_place and overwritten:
        top[0].data[...] = 7
    top[0].diff[...] = top_diff(top[0].shape)
    run_backward(layer, bottom, top)
    return computed + [blob.diff.copy() for blob in [*bottom, *layer.blobs]]


@pytest.fixture
def check_in_place():
    """check_in_place(text, *bottoms): is a layer the same in place as with a top of its own?

    Also when another layer has overwritten the top, unless `overwritten` is false: the gradient is made from the top.
    """

    def check(text, *values, dtype=np.float64, phase=0, overwritten=True):
        def top_diff(shape):
            return np.random.default_rng(2).normal(size=shape)

        layers = [layer_from(text, dtype, phase) for _ in range(2)]
        apart = _run(layers[0], values, top_diff, False, overwritten)
        within = _run(layers[1], values, top_diff, True, overwritten)
        for one, other in zip(apart, within, strict=True):
            np.testing.assert_array_equal(one.ravel(), other.ravel())

    return check
