"""Input: blobs that the user fills. Source: src/caffe/layers/input_layer.cpp."""

from __future__ import annotations

from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, Layer, register_layer


@register_layer("Input")
class InputLayer(Layer):
    """Give the net blobs to be filled, and reshaped, by whoever runs it; forward leaves them alone.

    top[i]: the i-th `shape`, or the only one; without any, top[i] has no shape until the user reshapes it.

    Raises LayerError for another number of shapes.
    """

    messages = ("input_param",)
    formula = "y = what the user writes into the blob"
    exact_num_bottom_blobs = 0
    min_top_blobs = 1
    is_input = True
    has_backward = False

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Shape the tops."""
        shapes = [tuple(shape.dim) for shape in self.layer_param.input_param.shape]
        if len(shapes) not in (0, 1, len(top)):
            raise LayerError(
                "input_param.shape",
                f"given {len(shapes)} times",
                "Must specify 'shape' once, once per top blob, or not at all: "
                f"{len(top)} tops vs. {len(shapes)} shapes.",
            )
        for blob, shape in zip(top, shapes * (len(top) if len(shapes) == 1 else 1), strict=False):
            blob.reshape(*shape)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Do nothing: the tops keep the shape the user gave them."""

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Do nothing: the tops keep what the user wrote."""
