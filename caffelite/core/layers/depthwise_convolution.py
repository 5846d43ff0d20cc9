"""Convolutions with a group for each channel. Source: yonghenglh6/DepthwiseConvolution, farmingyard/caffe-mobilenet."""

from __future__ import annotations

from typing import ClassVar

from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.convolution import ConvolutionLayer


@register_layer("DepthwiseConvolution")
class DepthwiseConvolutionLayer(ConvolutionLayer):
    """Convolve each channel by itself; a Convolution whose `group` is the bottom's channels unless it is written.

    bottom[i]: (N..., C, d_1, ..., d_S), as of Convolution.
    top[i]:    (N..., num_output, p_1, ..., p_S), as of Convolution.
    blobs[0]:  weight (num_output, C / group, kernel_1, ..., kernel_S), which is (num_output, 1, ...) without `group`.
    blobs[1]:  bias (num_output), if bias_term.

    The same kernels run as for a Convolution with that group, and files of weights fit either type. Raises LayerError
    as Convolution does, and without `group` if num_output is no multiple of the channels.
    """

    messages = ("convolution_param",)
    fork: ClassVar[str] = "yonghenglh6/DepthwiseConvolution"

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Write the group down, so that whoever looks at the layer finds what it does; then as Convolution."""
        param = self.layer_param.convolution_param
        if not param.HasField("group"):
            channels = bottom[0].shape[self.canonical_axis(bottom[0], param.axis, "convolution_param.axis")]
            if channels and param.num_output % channels:
                raise LayerError(
                    "convolution_param.num_output",
                    param.num_output,
                    f"without a group each of the bottom's {channels} channels is convolved by itself: use a multiple "
                    f"of {channels}, or write group",
                )
            param.group = channels
        super().setup(bottom, top)


@register_layer("ConvolutionDepthwise")
class ConvolutionDepthwiseLayer(DepthwiseConvolutionLayer):
    """Convolve each channel by itself: farmingyard's name of DepthwiseConvolution, whose files have no `group`.

    bottom[i]: (N..., C, d_1, ..., d_S), as of Convolution. top[i]: (N..., num_output, p_1, ..., p_S).
    """

    messages = ("convolution_param",)
    fork: ClassVar[str] = "farmingyard/caffe-mobilenet"


@register_layer("DepthwiseConvolutionLayer")
class NamedLayerDepthwiseConvolutionLayer(DepthwiseConvolutionLayer):
    """Convolve each channel by itself: a third name of DepthwiseConvolution.

    bottom[i]: (N..., C, d_1, ..., d_S), as of Convolution. top[i]: (N..., num_output, p_1, ..., p_S).
    """

    messages = ("convolution_param",)
    fork: ClassVar[str] = "copies of yonghenglh6/DepthwiseConvolution"
