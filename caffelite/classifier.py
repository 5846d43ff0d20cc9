"""Classifier: a net and the preparation of its images. Source: python/caffe/classifier.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from caffelite.core.blob import Array
from caffelite.core.data.resize import resize_image
from caffelite.core.errors import UsageError
from caffelite.core.layer_files import Paths
from caffelite.image_input_net import FileName, ImageInputNet
from caffelite.io import oversample as ten_crops
from caffelite.proto import caffe_pb2


class Classifier(ImageInputNet):
    """A net that classifies images: a Net in phase TEST with the method `predict`.

    Images are resized to `image_dims` (height, width), or if that is None to the net's input; crops of the input's
    size, `crop_dims`, go through `transformer`, which takes `mean` (as Transformer.set_mean does), `input_scale`,
    `raw_scale` and `channel_swap`. `anti_aliasing` as of resize_image, the other keywords as of Net.

    Raises what Net raises, and UsageError, a ValueError, for a net without an input of images or settings that do not
    fit it.
    """

    def __init__(
        self,
        model_file: FileName | caffe_pb2.NetParameter,
        pretrained_file: FileName | None,
        image_dims: Sequence[int] | None = None,
        mean: npt.ArrayLike | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        *,
        anti_aliasing: bool = False,
        python_layers: bool = True,
        layers: Paths | Iterable[Paths] | None = None,
        allow_unknown_fields: bool = False,
    ) -> None:
        super().__init__(
            *(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap, anti_aliasing),
            python_layers=python_layers,
            layers=layers,
            allow_unknown_fields=allow_unknown_fields,
        )
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims: Any = self.crop_dims if image_dims is None or len(image_dims) == 0 else image_dims
        if len(self.image_dims) != 2:
            raise UsageError(f"image_dims is {image_dims}; give (height, width)")

    def predict(self, inputs: Sequence[npt.ArrayLike], oversample: bool = True) -> Array:
        """Return the net's first output for each image: (N, classes), float32.

        `inputs` are images (H, W, K) of any sizes, values from 0 to 1. With `oversample` the output is the mean over
        ten crops, the corners, the centre and these mirrored; without it, the output for the centre as the net gives
        it. Raises UsageError for an image that does not have the channels of the input.
        """
        name = self.inputs[0]
        channels = self.blobs[name].shape[1]
        images = np.empty((len(inputs), *self.image_dims, channels), np.float32)
        for i, image in enumerate(inputs):
            shape = np.shape(image)
            if len(shape) != 3 or shape[2] != channels:
                raise UsageError(
                    f'image {i} has the shape {shape}; the input "{name}" needs (H, W, {channels}), and `inputs` is a '
                    "list of images"
                )
            images[i] = resize_image(image, self.image_dims, anti_aliasing=self.transformer.anti_aliasing)
        if not len(images):
            raise UsageError("predict is given no image")
        if any(size < crop for size, crop in zip(self.image_dims, self.crop_dims, strict=True)):
            raise UsageError(
                "image_dims is {} x {}; of that no crop of {} x {} can be cut, which the net's input needs".format(
                    *self.image_dims, *self.crop_dims
                )
            )
        crops = ten_crops(list(images), self.crop_dims) if oversample else self._centers(images)
        ready = np.stack([self.transformer.preprocess(name, crop) for crop in crops])
        predictions = self._outputs_of(ready)
        if oversample:
            mean: Array = predictions.reshape(len(images), len(crops) // len(images), -1).mean(1)
            return mean
        return predictions

    def _centers(self, images: Array) -> Array:
        height, width = self.crop_dims
        top, left = (int(size / 2 - crop / 2) for size, crop in zip(self.image_dims, self.crop_dims, strict=True))
        return images[:, top : top + height, left : left + width]
