"""Scale: a product with a blob that is broadcast. Source: src/caffe/layers/scale_layer.cpp."""

from __future__ import annotations

from caffelite.core.blob import Blob
from caffelite.core.kernels import broadcast, elementwise
from caffelite.core.layer import Blobs, BlobSpec, Layer, register_layer
from caffelite.core.layers.shared.kept_bottom import KeptBottom
from caffelite.core.layers.shared.learned_operand import around, operand_shape
from caffelite.proto import caffe_pb2


@register_layer("Scale")
class ScaleLayer(Layer):
    """Multiply the bottom by a learned scale, or by bottom[1], along some axes; add a bias there if bias_term.

    bottom[0]: any shape.
    bottom[1]: optional, the scale; its shape is that of bottom[0] from `axis` on, or () for one number.
    top[0]:    the shape of bottom[0], or bottom[0] itself (in place).
    blobs:     the scale unless there is a bottom[1], num_axes of bottom[0] from `axis` on (-1: all; 0: one number), and
               the bias, of the scale's shape. Without a filler the scale is 1, the bias 0.

    The scale's gradient is always added to what was there; Caffe overwrites it if there is one item before `axis`. In
    place, each backward after a forward is right. Raises LayerError for axes or sizes that do not fit.
    """

    messages = ("scale_param",)
    formula = (
        "y[i, s, j] = a[s] * x[i, s, j] (+ b[s]), s < {layer._around[1]}; i < {layer._around[0]} before, j < "
        "{layer._around[2]} behind; bias_term: {scale_param.bias_term}"
    )
    handles_in_place = True
    min_bottom_blobs = 1
    max_bottom_blobs = 2
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make scale and bias."""
        param = self.layer_param.scale_param
        specs = []
        if len(bottom) == 1:
            shape = operand_shape(self, bottom, param.axis, param.num_axes, "scale_param")
            one = caffe_pb2.FillerParameter(value=1)
            specs.append(BlobSpec(shape, param.filler if param.HasField("filler") else one))
        else:
            shape = bottom[1].shape
        if param.bias_term:
            specs.append(BlobSpec(shape, param.bias_filler))
        self.init_params(specs)

    def _scale(self, bottom: Blobs) -> Blob:
        return bottom[1] if len(bottom) == 2 else self.blobs[0]

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check that the scale fits and shape the top."""
        scale = self._scale(bottom)
        self._around = around(self, bottom, scale.shape, self.layer_param.scale_param.axis, "scale_param")
        top[0].reshape_like(bottom[0])
        self._kept = KeptBottom(self, bottom, top)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        x, y = (blob.data.reshape(self._around) for blob in (bottom[0], top[0]))
        scale, kept = self._scale(bottom).data, self._kept.data(bottom, self._around)
        if self.layer_param.scale_param.bias_term:
            broadcast.forward(broadcast.MultiplyAdd(), x, scale, self.blobs[-1].data, kept, y)
        else:
            broadcast.forward(broadcast.Multiply(), x, scale, scale, kept, y)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Overwrite the gradients of the bottoms; add to those of scale and bias."""
        x, dy = self._kept.data(bottom, self._around), top[0].diff.reshape(self._around)
        scale = self._scale(bottom)
        scale_diff = scale.diff if len(bottom) == 1 and self.param_propagate_down[0] else None
        if len(bottom) == 2 and propagate_down[1]:
            if scale.count == bottom[0].count:
                elementwise.multiply(x, dy, scale.diff)
            else:
                scale_diff = scale.diff
                scale_diff.fill(0)
        bias_term = self.layer_param.scale_param.bias_term
        bias_diff = self.blobs[-1].diff if bias_term and self.param_propagate_down[-1] else None
        dx = bottom[0].diff.reshape(self._around) if propagate_down[0] else None
        broadcast.backward(broadcast.Multiply(), x, scale.data, dy, scale_diff, bias_diff, dx)
