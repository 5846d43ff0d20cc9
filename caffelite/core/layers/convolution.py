"""Convolution: each output pixel is a weighted sum of a window of all channels. Source: layers/conv_layer.cpp."""

from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.base_convolution import BaseConvolutionLayer
from caffelite.core.layers.shared.window import words_of


@register_layer("Convolution")
class ConvolutionLayer(BaseConvolutionLayer):
    """Convolve every bottom with the same kernels, without turning them (cross-correlation), zeros around the image.

    bottom[i]: (N..., C, d_1, ..., d_S); `axis` says where C is, S >= 0; all of one shape.
    top[i]:    (N..., num_output, p_1, ..., p_S), p = (d + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1, the
               quotient truncated (pooling rounds it up).
    blobs[0]:  weight (num_output, C / group, kernel_1, ..., kernel_S); zero unless there is a weight_filler.
    blobs[1]:  bias (num_output), if bias_term.

    Raises LayerError if the window does not fit, group does not divide the channels, or bottoms differ in shape.
    """

    messages = ("convolution_param",)

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the numbers of the window."""
        words, channels = words_of(self.window), self.conv_in_channels // self.group
        of_group = self.num_output // self.group
        start = "k" if of_group == 1 else f"(k // {of_group})"
        first = "c" if self.group == 1 else f"{channels} * {start} + c"
        places, taps, pixels = (", ".join(names) for names in (words.outputs, words.taps, words.inputs))
        return (
            f"y[n, k, {places}] = {'b[k] + ' if self.bias_term else ''}"
            f"sum over c < {channels}, {', '.join(words.bounds)} of w[k, c, {taps}] * x[n, {first}, {pixels}], "
            f"k < {self.num_output}"
        ).replace(", ]", "]")

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the tops' data."""
        bias = self.blobs[1].data if self.bias_term else None
        for image, output in zip(bottom, top, strict=True):
            self.convolve(image.data, bias, output.data)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Fill the bottoms' diffs; add to the diffs of weight and bias."""
        for output, image, propagate in zip(top, bottom, propagate_down, strict=True):
            if self.bias_term and self.param_propagate_down[1]:
                self.add_bias_diff(output.diff)
            if self.param_propagate_down[0]:
                self.add_weight_diff(image.data, output.diff)
            if propagate:
                self.convolve_back(output.diff, image.diff)
