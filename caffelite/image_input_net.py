"""What Classifier and Detector share: a net of one image input, and the Transformer for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from caffelite.core.blob import Array
from caffelite.core.errors import UsageError
from caffelite.image_transformer import Transformer
from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net

FileName = str | os.PathLike[str]


class ImageInputNet(Net):
    """A net in phase TEST whose first input takes images, through `transformer`: (H, W, K) to (K, H, W)."""

    def __init__(
        self,
        model_file: FileName | caffe_pb2.NetParameter,
        pretrained_file: FileName | None,
        mean: npt.ArrayLike | None,
        input_scale: float | None,
        raw_scale: float | None,
        channel_swap: Sequence[int] | None,
        anti_aliasing: bool,
        **of_net: Any,
    ) -> None:
        """`of_net` are further keywords of Net."""
        super().__init__(model_file, caffe_pb2.TEST, weights=pretrained_file, **of_net)
        kind = type(self).__name__
        if not self.inputs:
            raise UsageError(
                f'{kind}: net "{self.name}" has no input; give its deploy.prototxt, which begins with a layer of type '
                "Input"
            )
        name = self.inputs[0]
        shape = self.blobs[name].shape
        if len(shape) != 4:
            raise UsageError(f'{kind}: input "{name}" has the shape {shape}; images need (N, C, H, W)')
        self.transformer = Transformer({name: shape}, anti_aliasing=anti_aliasing)
        self.transformer.set_transpose(name, (2, 0, 1))
        if mean is not None:
            self.transformer.set_mean(name, mean)
        if input_scale is not None:
            self.transformer.set_input_scale(name, input_scale)
        if raw_scale is not None:
            self.transformer.set_raw_scale(name, raw_scale)
        if channel_swap is not None:
            self.transformer.set_channel_swap(name, channel_swap)

    def _outputs_of(self, images: Array) -> Array:
        """Return the first output for images (N, C, H, W) that are ready for the net."""
        return self.forward_all(None, **{self.inputs[0]: images})[self.outputs[0]]
