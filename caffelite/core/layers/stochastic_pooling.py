"""Pooling with pool: STOCHASTIC. Source: src/caffe/layers/pooling_layer.cu, since Caffe has it on GPUs only."""

from __future__ import annotations

import numpy as np

from caffelite.core.costs import Reach
from caffelite.core.kernels import pooling, stochastic_pooling
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.pooling import NO_MEAN, Param, formula_of_windows, windows_of
from caffelite.core.layers.shared.pooling_window import reach_of_windows
from caffelite.proto import caffe_pb2


@register_layer("Pooling", when=lambda layer: layer.pooling_param.pool == Param.STOCHASTIC)
class StochasticPoolingLayer(Layer):
    """In TRAIN, draw one pixel of each window with its value as weight; in TEST take the expected value of the draw.

    bottom[0]: (N, C, H, W), values of 0 and more.
    top[0]:    (N, C, PH, PW) as of MAX pooling.

    Which pixel is drawn is a function of seed, layer name, pass and window. The gradient goes to the drawn pixel; in
    TEST it is that of sum(x^2) / sum(x). Raises LayerError for padding, for a bottom of other than 4 axes, and for
    windows that do not fit.
    """

    messages = ("pooling_param",)
    not_read = NO_MEAN
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, which is another one in TEST."""
        what = "one, drawn with its value as weight, over" if self.phase == caffe_pb2.TRAIN else "expected value over"
        return formula_of_windows(what, self.window)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top; make room for the places."""
        self.window, shape = windows_of(self.layer_param.pooling_param, bottom)
        top[0].reshape(*shape)
        self.drawn = np.full(shape, -1, np.int32)  # no pixel, should a pass back come before the first pass forward

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach:
        """Return the window."""
        return reach_of_windows(self.layer_param.pooling_param, self.window)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        if self.phase == caffe_pb2.TRAIN:
            high, low = divmod(self.random_key(), 2**32)
            key = (np.uint32(low), np.uint32(high))
            stochastic_pooling.draw_forward(bottom[0].data, self.window, *key, top[0].data, self.drawn)
        else:
            stochastic_pooling.mean_forward(bottom[0].data, self.window, top[0].data)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the bottom's gradient."""
        if not propagate_down[0]:
            return
        if self.phase == caffe_pb2.TRAIN:
            pooling.max_pool_backward(top[0].diff, self.drawn, bottom[0].diff)
        else:
            stochastic_pooling.mean_backward(bottom[0].data, self.window, top[0].diff, bottom[0].diff)
