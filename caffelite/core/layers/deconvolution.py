"""Deconvolution: each pixel is spread over a window of the top. Source: layers/deconv_layer.cpp."""

from caffelite.core.layer import Blobs, register_layer
from caffelite.core.layers.shared.base_convolution import BaseConvolutionLayer
from caffelite.core.layers.shared.window import words_of


@register_layer("Deconvolution")
class DeconvolutionLayer(BaseConvolutionLayer):
    """Go the way of a convolution backwards: the tops are its images, the bottoms its outputs.

    bottom[i]: (N..., C, d_1, ..., d_S); `axis` says where C is, S >= 0; all of one shape.
    top[i]:    (N..., num_output, p_1, ..., p_S), p = stride * (d - 1) + dilation * (kernel - 1) + 1 - 2 * pad.
    blobs[0]:  weight (C, num_output / group, kernel_1, ..., kernel_S): channels of the bottom come first.
    blobs[1]:  bias (num_output), if bias_term.

    To enlarge f times: kernel_size 2 f - f mod 2, stride f, pad ceil((f - 1) / 2), num_output and group C, a bilinear
    weight_filler and no bias.
    Raises LayerError if nothing is left of the top, group does not divide the channels, or bottoms differ in shape.
    """

    messages = ("convolution_param",)
    reverse_dimensions = True

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return the formula, with the numbers of the window."""
        words, channels = words_of(self.window), self.channels // self.group
        of_group = self.num_output // self.group
        start, kernel = ("k", "0") if of_group == 1 else (f"(k // {of_group})", f"k % {of_group}")
        first, kernel = ("c", "k") if self.group == 1 else (f"{channels} * {start} + c", kernel)
        places, taps = (", ".join(names) for names in (words.outputs, words.taps))
        pixels = [f"{name} = {read}" for name, read in zip(self._pixels(), words.inputs, strict=True)]
        return (
            f"y[n, k, {', '.join(self._pixels())}] = {'b[k] + ' if self.bias_term else ''}"
            f"sum over c < {channels}, {', '.join(words.bounds)} of w[{first}, {kernel}, {taps}] * "
            f"x[n, {first}, {places}] where {', '.join(pixels)}; k < {self.num_output}"
        ).replace(", ]", "]")

    def _pixels(self) -> list[str]:
        """Return names for the pixels of the top, one for each spatial axis."""
        axes = range(len(self.window.kernel))
        return ["h", "w"] if len(axes) == 2 else [f"d{axis + 1}" for axis in axes]

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the tops' data."""
        for output, image in zip(bottom, top, strict=True):
            self.convolve_back(output.data, image.data)
            if self.bias_term:
                for one in image.data.reshape(self.num, *self.image_shape):
                    self.forward_bias(one, self.blobs[1].data)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Fill the bottoms' diffs; add to the diffs of weight and bias."""
        for image, output, propagate in zip(top, bottom, propagate_down, strict=True):
            if self.bias_term and self.param_propagate_down[1]:
                self.add_bias_diff(image.diff)
            if self.param_propagate_down[0]:
                self.add_weight_diff(image.diff, output.data)
            if propagate:
                self.convolve(image.diff, None, output.diff)
