"""Im2col: the windows of a convolution as channels. Source: layers/im2col_layer.cpp."""

from __future__ import annotations

from math import prod

from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, Layer, register_layer
from caffelite.core.layers.shared.columns import Columns
from caffelite.core.layers.shared.window import window_from_param


@register_layer("Im2col")
class Im2colLayer(Layer):
    """Copy every window of the image, as a convolution would read it.

    bottom[0]: (N..., C, d_1, ..., d_S), S >= 1; `axis` says where C is.
    top[0]:    (N..., C * taps, p_1, ..., p_S): channel c * taps + t holds tap t of channel c, kernel positions counted
               row by row; sizes as of Convolution.

    Reads kernel, stride, pad, dilation, axis and force_nd_im2col of convolution_param. Raises LayerError if the window
    does not fit or there is no spatial axis.
    """

    messages = ("convolution_param",)
    not_read = {
        "convolution_param.num_output": "it is for layers with weights",
        "convolution_param.bias_term": "it is for layers with weights",
        "convolution_param.group": "it is for layers with weights",
        "convolution_param.weight_filler": "it is for layers with weights",
        "convolution_param.bias_filler": "it is for layers with weights",
    }
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        param = self.layer_param.convolution_param
        axis = self.canonical_axis(bottom[0], param.axis, "convolution_param.axis")
        batch, (channels, *spatial) = bottom[0].shape[:axis], bottom[0].shape[axis:]
        if not spatial:
            raise LayerError("convolution_param.axis", param.axis, "there must be a spatial axis after it")
        window = window_from_param(param, len(spatial))
        self.num = prod(batch)
        self.columns = Columns(channels, tuple(spatial), window, param.force_nd_im2col)
        top[0].reshape(*batch, self.columns.shape[0], *window.convolved(tuple(spatial)))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top's data."""
        columns = top[0].data.reshape(self.num, *self.columns.shape)
        for image, column in zip(bottom[0].data.reshape(self.num, *self.columns.image_shape), columns, strict=True):
            self.columns.im2col(image, column)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Fill the bottom's diff: each pixel's is the sum over the windows that hold it."""
        if not propagate_down[0]:
            return
        columns = top[0].diff.reshape(self.num, *self.columns.shape)
        for image, column in zip(bottom[0].diff.reshape(self.num, *self.columns.image_shape), columns, strict=True):
            self.columns.col2im(column, image)
