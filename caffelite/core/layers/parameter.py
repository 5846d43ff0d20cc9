"""Parameter: a learned blob as a top. Source: include/caffe/layers/parameter_layer.hpp."""

from __future__ import annotations

from caffelite.core.layer import Blobs, BlobSpec, Layer, TopMemory, register_layer
from caffelite.proto import caffe_pb2


@register_layer("Parameter")
class ParameterLayer(Layer):
    """Give a learned blob of shape parameter_param.shape, which starts as zeros, to other layers.

    bottom: none.
    top[0]: that shape; its data is the parameter's memory.
    blobs[0]: the parameter. The top's gradient is added to its gradient, where Caffe's are one: over several passes
        (iter_size) Caffe keeps the last one only.
    """

    messages = ("parameter_param",)
    formula = "y = w, a learned blob"
    exact_num_bottom_blobs = 0
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make the parameter."""
        shape = tuple(self.layer_param.parameter_param.shape.dim)
        self.init_params([BlobSpec(shape, caffe_pb2.FillerParameter())])

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        top[0].reshape_like(self.blobs[0])

    def top_memory(self, top_index: int) -> TopMemory:
        """Say that the top is the parameter's memory."""
        return TopMemory.KEPT

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Let the top use the parameter's memory, which may have moved since the last pass."""
        top[0].share_data(self.blobs[0])

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Add to the parameter's gradient."""
        if self.param_propagate_down[0]:
            self.blobs[0].diff[...] += top[0].diff
