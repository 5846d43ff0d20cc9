"""Bias: a sum with a blob that is broadcast. Source: src/caffe/layers/bias_layer.cpp."""

from __future__ import annotations

from caffelite.core.blob import Blob
from caffelite.core.kernels import broadcast, elementwise
from caffelite.core.layer import Blobs, BlobSpec, Layer, register_layer
from caffelite.core.layers.shared.learned_operand import around, operand_shape


@register_layer("Bias")
class BiasLayer(Layer):
    """Add a learned bias, or bottom[1], to the bottom along some axes.

    bottom[0]: any shape.
    bottom[1]: optional, the bias; its shape is that of bottom[0] from `axis` on, or () for one number.
    top[0]:    the shape of bottom[0], or bottom[0] itself (in place).
    blobs:     the bias unless there is a bottom[1]: num_axes of bottom[0] from `axis` on (-1: all; 0: one number).

    Raises LayerError for axes or sizes that do not fit.
    """

    messages = ("bias_param",)
    formula = (
        "y[i, s, j] = x[i, s, j] + b[s], s < {layer._around[1]}; i < {layer._around[0]} before, j < "
        "{layer._around[2]} behind"
    )
    handles_in_place = True
    min_bottom_blobs = 1
    max_bottom_blobs = 2
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make the bias."""
        param = self.layer_param.bias_param
        if len(bottom) == 1:
            shape = operand_shape(self, bottom, param.axis, param.num_axes, "bias_param")
            self.init_params([BlobSpec(shape, param.filler)])

    def _bias(self, bottom: Blobs) -> Blob:
        return bottom[1] if len(bottom) == 2 else self.blobs[0]

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check that the bias fits and shape the top."""
        bias = self._bias(bottom)
        self._around = around(self, bottom, bias.shape, self.layer_param.bias_param.axis, "bias_param")
        top[0].reshape_like(bottom[0])

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        x, y = (blob.data.reshape(self._around) for blob in (bottom[0], top[0]))
        bias = self._bias(bottom).data
        broadcast.forward(broadcast.Add(), x, bias, bias, x, y)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Add to the learned bias's gradient; overwrite those of the bottoms."""
        bias, bias_diff = self._bias(bottom), None
        if len(bottom) == 2 and propagate_down[1]:
            bias.diff.fill(0)
            bias_diff = bias.diff
        elif len(bottom) == 1 and self.param_propagate_down[0]:
            bias_diff = bias.diff
        if bias_diff is not None:
            dy = top[0].diff.reshape(self._around)
            broadcast.backward(broadcast.Multiply(), dy, bias.data, dy, None, bias_diff, None)
        if propagate_down[0] and top[0] is not bottom[0]:
            elementwise.scale(1, top[0].diff, bottom[0].diff)
