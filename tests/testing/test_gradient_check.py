"""The checker is tried on layers of our own that are right or wrong in one known way."""

import re

import numpy as np
import pytest

from caffelite.core.layer import BlobSpec, Context, Layer
from caffelite.core.layers.shared.loss import LossLayer
from caffelite.proto import caffe_pb2
from caffelite.testing import check_gradient, spread_values


class ScaledSquares(Layer):
    """Two tops, weight * x^2 and x; each attribute `wrong` breaks something else."""

    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 2
    wrong = ""

    def setup(self, bottom, top):
        self.init_params([BlobSpec((1,), caffe_pb2.FillerParameter(value=3))])

    def reshape(self, bottom, top):
        for blob in top:
            blob.reshape_like(bottom[0])

    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data * bottom[0].data ** 2
        top[1].data[...] = bottom[0].data

    def backward(self, top, propagate_down, bottom):
        if self.param_propagate_down[0] and self.wrong != "parameter overwritten":
            self.blobs[0].diff[...] += (top[0].diff * bottom[0].data ** 2).sum()
        elif self.param_propagate_down[0]:
            self.blobs[0].diff[...] = (top[0].diff * bottom[0].data ** 2).sum()
        if not propagate_down[0]:
            return
        diff = 2 * self.blobs[0].data * bottom[0].data * top[0].diff + top[1].diff
        if self.wrong == "one place":
            diff[1, 2] *= 1.01
        if self.wrong == "nan":
            diff[0, 0] = np.nan
        if self.wrong == "added":
            diff += bottom[0].diff
        bottom[0].diff[...] = diff


def squares(wrong=""):
    layer = ScaledSquares(caffe_pb2.LayerParameter(name="squares"), Context(dtype=np.dtype(np.float64)))
    layer.wrong = wrong
    return layer


@pytest.mark.parametrize("objective", ["exhaustive", "simple"])
def test_right_gradients_pass(objective):
    check_gradient(squares(), [spread_values((2, 3))], objective=objective)


def test_names_input_place_gradients_and_step():
    bottom = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    message = (
        "wrong gradient of twice top[0][1, 2] in bottom[0][1, 2], which is 6: "
        "backward gives 72.72, differences give 72 (step 0.01); 2 of 72 differ"
    )
    with pytest.raises(AssertionError, match=re.escape(message)):
        check_gradient(squares("one place"), [bottom], threshold=1e-3, check_top=[0, 1])


@pytest.mark.parametrize("wrong", ["one place", "nan", "added"])
@pytest.mark.parametrize("objective", ["exhaustive", "simple"])
def test_wrong_bottom_gradients_are_caught(wrong, objective):
    with pytest.raises(AssertionError, match=r"in bottom\[0\]\["):
        check_gradient(squares(wrong), [spread_values((2, 3))], objective=objective)


def test_a_parameter_diff_that_is_overwritten_is_caught():
    with pytest.raises(AssertionError, match=r"in blobs\[0\]\[0\], which is 3"):
        check_gradient(squares("parameter overwritten"), [spread_values((2, 3))], check_bottom=[])


def test_what_is_not_checked_may_be_wrong():
    check_gradient(squares("one place"), [spread_values((2, 3))], check_bottom=[])
    check_gradient(squares("parameter overwritten"), [spread_values((2, 3))], check_params=False)


def test_a_kink_is_left_out():
    class Absolute(ScaledSquares):
        def forward(self, bottom, top):
            top[0].data[...] = abs(bottom[0].data)
            top[1].data[...] = 0

        def backward(self, top, propagate_down, bottom):
            bottom[0].diff[...] = np.sign(bottom[0].data) * top[0].diff

    def layer():
        return Absolute(caffe_pb2.LayerParameter(), Context(dtype=np.dtype(np.float64)))

    bottom = np.array([[0.001, 1, -1]])
    with pytest.raises(AssertionError, match=r"bottom\[0\]\[0, 0\], which is 0.001"):
        check_gradient(layer(), [bottom])
    check_gradient(layer(), [bottom], kink=0, kink_range=0.01)


class Distance(LossLayer):
    type = "Distance"

    def forward(self, bottom, top):
        top[0].data[...] = ((bottom[0].data - bottom[1].data) ** 2).sum()

    def backward(self, top, propagate_down, bottom):
        self.refuse_label_gradient(propagate_down)
        bottom[0].diff[...] = self.loss_weight(top) * 2 * (bottom[0].data - bottom[1].data)


@pytest.mark.parametrize("objective", ["loss", "exhaustive", "simple"])
@pytest.mark.parametrize("weight", [None, 0.5])
def test_losses_are_checked_without_their_labels(objective, weight):
    layer_param = caffe_pb2.LayerParameter(loss_weight=[] if weight is None else [weight])
    layer = Distance(layer_param, Context(dtype=np.dtype(np.float64)))
    check_gradient(layer, [spread_values((2, 3)), spread_values((2, 3), seed=1)], objective=objective)


def test_masks_repeat():
    class Noise(ScaledSquares):
        exact_num_top_blobs = 1

        def forward(self, bottom, top):
            rng = np.random.default_rng(self.random_key())
            top[0].data[...] = bottom[0].data * rng.random(bottom[0].shape)
            self.context.passes += 1

        def backward(self, top, propagate_down, bottom):
            self.context.passes -= 1
            rng = np.random.default_rng(self.random_key())
            self.context.passes += 1
            bottom[0].diff[...] = top[0].diff * rng.random(bottom[0].shape)

    check_gradient(Noise(caffe_pb2.LayerParameter(), Context(dtype=np.dtype(np.float64))), [spread_values((2, 3))])
