"""PReLU: negative values are multiplied by a learned slope. Source: src/caffe/layers/prelu_layer.cpp."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels import broadcast
from caffelite.core.layer import Blobs, BlobSpec, Layer, register_layer
from caffelite.core.layers.shared.kept_bottom import KeptBottom
from caffelite.proto import caffe_pb2


@register_layer("PReLU")
class PReLULayer(Layer):
    """Keep x where it is positive, multiply it by its channel's slope elsewhere.

    bottom[0]: (N, C, ...), the channels on axis 1; more than 4 axes work, too, which Caffe refuses.
    top[0]:    the same shape, or the bottom itself (in place).
    blobs[0]:  the slopes (C), or one () for all channels if channel_shared; 0.25 without a filler.

    Raises LayerError for a bottom without channels, and if their number changes.
    """

    messages = ("prelu_param",)
    formula = (
        "y = x where x > 0, else a[c] * x; {layer.blobs[0].count} slopes a, channel_shared: "
        "{prelu_param.channel_shared}"
    )
    handles_in_place = True
    exact_num_bottom_blobs = 1
    exact_num_top_blobs = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make the slopes."""
        param = self.layer_param.prelu_param
        if bottom[0].num_axes < 2:
            raise LayerError(
                "bottom[0]", shape_or_scalar(bottom[0].shape), "channels are on axis 1; use (N, C) or (N, C, ...)"
            )
        self.channels = bottom[0].shape[1]
        shape = () if param.channel_shared else (self.channels,)
        quarter = caffe_pb2.FillerParameter(value=0.25)
        self.init_params([BlobSpec(shape, param.filler if param.HasField("filler") else quarter)])

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the top."""
        if bottom[0].num_axes < 2 or bottom[0].shape[1] != self.channels:
            raise LayerError(
                "bottom[0]", shape_or_scalar(bottom[0].shape), f"the slopes are of {self.channels} channels on axis 1"
            )
        top[0].reshape_like(bottom[0])
        shared = self.layer_param.prelu_param.channel_shared
        channels = (bottom[0].shape[0], self.channels, bottom[0].count_between(2))
        self._around = (1, 1, bottom[0].count) if shared else channels
        self._kept = KeptBottom(self, bottom, top)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the top."""
        x, y = (blob.data.reshape(self._around) for blob in (bottom[0], top[0]))
        slope = self.blobs[0].data
        broadcast.forward(broadcast.Rectify(), x, slope, slope, self._kept.data(bottom, self._around), y)

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Add to the slopes' gradient; overwrite the bottom's."""
        dy = top[0].diff.reshape(self._around)
        dx = bottom[0].diff.reshape(self._around) if propagate_down[0] else None
        slope_diff = self.blobs[0].diff if self.param_propagate_down[0] else None
        kept = self._kept.data(bottom, self._around)
        broadcast.backward(broadcast.Rectify(), kept, self.blobs[0].data, dy, slope_diff, None, dx)
