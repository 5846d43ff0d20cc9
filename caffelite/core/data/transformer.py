"""DataTransformer: crop, mean, scale, mirror. Source: src/caffe/data_transformer.cpp."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_string
from caffelite.proto import caffe_pb2

MASK = 2**64 - 1
HALF = 2**31 - 1


class DataTransformer:
    """Makes net input of images, as a TransformationParameter says: (pixels - mean) * scale, cropped and mirrored.

    `crop_at_random` as in TRAIN, else in the middle. Draws are a function of `key`, 64 bits, and the number of the
    record, whoever asks and whenever. `mean_image` is (C, H, W) of number type `dtype`. One thread at a time.
    """

    def __init__(
        self,
        param: caffe_pb2.TransformationParameter,
        crop_at_random: bool,
        dtype: np.dtype[Any],
        key: int,
        mean_image: Array | None = None,
    ) -> None:
        self._crop_size, self._mirror = param.crop_size, param.mirror
        self._random_crop = crop_at_random
        self._dtype = dtype
        self._scale = dtype.type(param.scale)
        self._mean_values = list(param.mean_value)
        self._mean_image = mean_image
        self.key = key
        self._mean: Array | None = None
        self._image_shape: Shape = ()
        self._out_shape: Shape = ()

    def shape_of(self, image_shape: Shape) -> Shape:
        """Return the (C, H, W) that images of this (C, H, W) become.

        Raises LayerError for an image smaller than the crop, or that the mean does not fit.
        """
        if image_shape != self._image_shape:
            self._prepare(image_shape)
        return self._out_shape

    @property
    def is_random(self) -> bool:
        """Whether images are mirrored or cropped each in its own way."""
        return self._mirror or bool(self._random_crop and self._crop_size)

    def transform(self, image: Array, record: int, out: Array) -> None:
        """Fill `out`, of the net's number type and the shape `shape_of` gives, from the pixels of record `record`.

        Unless `is_random`, both may have an axis more: many images at once.
        """
        if self.shape_of(image.shape[-3:]) != out.shape[-3:]:
            raise LayerError(
                "transform_param.crop_size",
                self._crop_size,
                f"images of one batch must be equally large after it: one gives {shape_string(self._out_shape)}, "
                f"the first gave {shape_string(out.shape[-3:])}; set crop_size, or batch_size: 1",
            )
        mean = self._mean
        draws = _draws(self.key, record) if self.is_random else 0
        if self._crop_size:
            window = self._window(draws)
            image = image[window]
            if self._mean_image is not None and mean is not None:
                mean = mean[window]  # it moves with the crop
        if self._mirror and draws >> 63:
            out = out[..., ::-1]
        # dtype: numpy 1 would compute in float16, since all values of uint8 fit into it.
        if mean is not None:
            np.subtract(image, mean, out=out, dtype=self._dtype)
            if self._scale != 1:
                out *= self._scale
        elif self._scale != 1:
            np.multiply(image, self._scale, out=out, dtype=self._dtype)
        else:
            out[...] = image

    def _window(self, draws: int) -> tuple[Any, slice, slice]:
        """Where the crop lies: anywhere in TRAIN, else in the middle, rounded down."""
        _, height, width = self._image_shape
        size = self._crop_size
        h_offset, w_offset = (height - size) // 2, (width - size) // 2
        if self._random_crop:
            h_offset = (draws & HALF) * (height - size + 1) >> 31
            w_offset = (draws >> 31 & HALF) * (width - size + 1) >> 31
        return ..., slice(h_offset, h_offset + size), slice(w_offset, w_offset + size)

    def _prepare(self, image_shape: Shape) -> None:
        channels, height, width = image_shape
        size = self._crop_size
        if size > min(height, width):
            raise LayerError(
                "transform_param.crop_size", size, f"an image of {height} x {width} is smaller; use at most that"
            )
        self._mean = self._mean_for(image_shape)
        self._image_shape = image_shape
        self._out_shape = (channels, size or height, size or width)

    def _mean_for(self, image_shape: Shape) -> Array | None:
        """Return what is subtracted from images of this shape: an image, a number a channel, or nothing."""
        if self._mean_image is not None:
            if self._mean_image.shape != image_shape:
                raise LayerError(
                    "transform_param.mean_file",
                    f"an image of {shape_string(self._mean_image.shape)}",
                    f"the images are {shape_string(image_shape)} before cropping; compute the mean of these",
                )
            return self._mean_image
        if not self._mean_values:
            return None
        channels = image_shape[0]
        if len(self._mean_values) == 1:
            self._mean_values *= channels  # and stays so, as in Caffe: later images must have as many channels
        if len(self._mean_values) != channels:
            raise LayerError(
                "transform_param.mean_value",
                self._mean_values,
                f"Specify either 1 mean_value or as many as channels: {channels}",
            )
        return np.array(self._mean_values, self._dtype).reshape(channels, 1, 1)


def _draws(random_key: int, record: int) -> int:
    """Return 64 bits for this record: bit 63 mirrors, 31 bits each choose row and column (the mixer of splitmix64)."""
    bits = (random_key + record * 0x9E3779B97F4A7C15) & MASK
    bits = ((bits ^ bits >> 30) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ bits >> 27) * 0x94D049BB133111EB) & MASK
    return bits ^ bits >> 31
