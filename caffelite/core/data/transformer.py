"""DataTransformer: crop, mean, scale, mirror; augmentation. Source: src/caffe/data_transformer.cpp."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from caffelite.core.blob import Array, Shape
from caffelite.core.data.augmentation import Augmentation
from caffelite.core.data.draws import record_bits
from caffelite.core.data.warp import check_opencv, warped
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_string
from caffelite.core.kernels.transform import transform_interleaved, transform_planes
from caffelite.proto import caffe_pb2

HALF = 2**31 - 1


class _Plan(NamedTuple):
    """What is the same for all images of one shape: both shapes, (C, H, W), and the mean as the kernels take it."""

    image_shape: Shape
    out_shape: Shape
    mean: Array


class DataTransformer:
    """Makes net input of images, as a TransformationParameter says: (pixels - mean) * scale, cropped and mirrored.

    `training` as in TRAIN: crops are at random, else in the middle, and images are augmented, else not. Draws are a
    function of `key`, 64 bits, and the number of the record, whoever asks and whenever. `mean_image` is (C, H, W) of
    number type `dtype`. Any number of threads may use it at once. Raises LayerError for a field of augmentation that
    cannot be used.
    """

    def __init__(
        self,
        param: caffe_pb2.TransformationParameter,
        training: bool,
        dtype: np.dtype[Any],
        key: int,
        mean_image: Array | None = None,
    ) -> None:
        self._crop_size, self._mirror = param.crop_size, param.mirror
        self._training = training
        self._dtype = dtype
        self._scale = dtype.type(param.scale)
        self._mean_values = list(param.mean_value)
        self._mean_image = mean_image
        augmentation = Augmentation(param.augmentation)
        self._augmentation = augmentation if training and not augmentation.is_empty else None
        if self._augmentation is not None and augmentation.resamples:
            check_opencv()
        self.key = key
        self._plan: _Plan | None = None
        self._planning = threading.Lock()  # the first image decides on the number of mean values

    def shape_of(self, image_shape: Shape) -> Shape:
        """Return the (C, H, W) that images of this (C, H, W) become.

        Raises LayerError for an image smaller than the crop, or that mean or augmentation do not fit.
        """
        return self._plan_for(image_shape).out_shape

    @property
    def is_random(self) -> bool:
        """Whether images are mirrored, cropped or augmented each in its own way."""
        return self._mirror or bool(self._training and self._crop_size) or self._augmentation is not None

    def transform(self, image: Array, record: int, out: Array) -> None:
        """Fill `out`, of the net's number type and the shape `shape_of` gives, from the pixels of record `record`.

        `image` is (C, H, W); one that is a view of OpenCV's (H, W, C) is as fast. `out` is C-contiguous. Unless
        `is_random`, both may have an axis more: many images at once. Raises LayerError as `shape_of` does, and for an
        `out` of another shape.
        """
        plan = self._plan_for(image.shape[-3:])
        if plan.out_shape != out.shape[-3:]:
            raise LayerError(
                "transform_param.crop_size",
                self._crop_size,
                f"images of one batch must be equally large after it: one gives {shape_string(plan.out_shape)}, "
                f"the first gave {shape_string(out.shape[-3:])}; set crop_size, or batch_size: 1",
            )
        if image.shape[:-3] != out.shape[:-3]:
            raise ValueError(f"images {image.shape} and out {out.shape} differ in number")
        if self._augmentation is not None:
            self._augmentation.check_type(image.dtype)
        if image.dtype.type is not np.uint8 and image.dtype != self._dtype:  # for which kernels are compiled
            image = image.astype(self._dtype)
        if out.dtype != self._dtype or not out.flags.c_contiguous:
            filled = np.empty(out.shape, self._dtype)
            self.transform(image, record, filled)
            out[...] = filled
            return
        draws = record_bits(self.key, record) if self.is_random else 0
        if self._augmentation is None:
            _fill(image, self._offsets(plan, draws), plan.mean, self._scale, self._mirrors(draws), out)
        else:
            self._augment(self._augmentation, plan, image, record, draws, out)

    def transform_all(self, images: Array, records: Sequence[int], out: Array) -> None:
        """Do the same for many images, (N, C, H, W), of these records; at once if nothing is drawn."""
        if not self.is_random:
            self.transform(images, 0, out)
            return
        for image, record, transformed in zip(images, records, out, strict=True):
            self.transform(image, record, transformed)

    def _augment(
        self, augmentation: Augmentation, plan: _Plan, image: Array, record: int, draws: int, out: Array
    ) -> None:
        height, width = plan.out_shape[1:]
        offsets, mirror, mean = self._offsets(plan, draws), self._mirrors(draws), plan.mean
        under_crop = _window(mean, offsets, height, width)
        if geometry := augmentation.geometry(self.key, record):
            means = [float(value) for value in mean.mean(axis=(1, 2), dtype=np.float64)]
            image = warped(image, geometry, offsets, (height, width), augmentation.border, means)
            offsets, mean = (0, 0), _read_only(np.ascontiguousarray(under_crop))
        if values := augmentation.values(self.key, record):
            nothing = np.zeros((len(out), 1, image.shape[-1]), self._dtype)
            _fill(image, offsets, _read_only(nothing), self._dtype.type(1), mirror, out)
            values.apply(out)
            out -= under_crop[..., :: -1 if mirror else 1]
            out *= self._scale
        else:
            _fill(image, offsets, mean, self._scale, mirror, out)
        for rows, columns in augmentation.squares(self.key, record, height, width):
            out[:, rows, columns] = 0

    def pictures(self, batch: Array, records: Iterable[int]) -> npt.NDArray[np.uint8]:
        """Return transformed images, (N, C, h, w), as pictures that can be shown, (N, h, w, C) uint8: the way back.

        `records` are the numbers that `transform` got, and the last image transformed had the shape of all: with a mean
        file, the crops' places are needed. Mean and scale are undone, crop, mirror and augmentation are left to be
        seen. Channels keep their order: of images read by OpenCV, B, G, R. Values are rounded and limited to 0..255.
        Raises LayerError for a scale of 0.
        """
        if self._scale == 0:
            raise LayerError("transform_param.scale", 0, "no picture can be made of images times 0")
        plan = self._plan
        if plan is None:
            raise ValueError("no image has been transformed yet")
        height, width = plan.out_shape[1:]
        pictures = np.empty((len(batch), height, width, plan.out_shape[0]), np.uint8)
        for image, record, picture in zip(batch, records, pictures, strict=True):
            draws = record_bits(self.key, record) if self.is_random else 0
            mean = _window(plan.mean, self._offsets(plan, draws), height, width)
            values = image / self._scale + mean[..., :: -1 if self._mirrors(draws) else 1]
            picture[...] = np.clip(np.rint(values), 0, 255).transpose(1, 2, 0)
        return pictures

    def _offsets(self, plan: _Plan, draws: int) -> tuple[int, int]:
        """Return row and column where the crop begins: anywhere in TRAIN, else in the middle, rounded down."""
        _, height, width = plan.image_shape
        size = self._crop_size
        if not size:
            return 0, 0
        if self._training:
            return (draws & HALF) * (height - size + 1) >> 31, (draws >> 31 & HALF) * (width - size + 1) >> 31
        return (height - size) // 2, (width - size) // 2

    def _mirrors(self, draws: int) -> bool:
        return bool(self._mirror and draws >> 63)

    def _plan_for(self, image_shape: Shape) -> _Plan:
        plan = self._plan  # once: another thread may change it
        if plan is None or plan.image_shape != image_shape:
            with self._planning:
                plan = self._plan = self._new_plan(image_shape)
        return plan

    def _new_plan(self, image_shape: Shape) -> _Plan:
        channels, height, width = image_shape
        size = self._crop_size
        if size > min(height, width):
            raise LayerError(
                "transform_param.crop_size", size, f"an image of {height} x {width} is smaller; use at most that"
            )
        mean = self._mean_for(image_shape)
        out_shape = (channels, size or height, size or width)
        if self._augmentation is not None:
            self._augmentation.check_image(*out_shape)
        return _Plan(image_shape, out_shape, _read_only(mean))

    def _mean_for(self, image_shape: Shape) -> Array:
        """Return what is subtracted from images of this shape: (C, H, W), or (C, 1, W) for all rows."""
        if self._mean_image is not None:
            if self._mean_image.shape != image_shape:
                raise LayerError(
                    "transform_param.mean_file",
                    f"an image of {shape_string(self._mean_image.shape)}",
                    f"the images are {shape_string(image_shape)} before cropping; compute the mean of these",
                )
            return np.ascontiguousarray(self._mean_image)
        channels, _, width = image_shape
        if not self._mean_values:
            return np.zeros((channels, 1, width), self._dtype)
        if len(self._mean_values) == 1:
            self._mean_values *= channels  # and stays so, as in Caffe: later images must have as many channels
        if len(self._mean_values) != channels:
            raise LayerError(
                "transform_param.mean_value",
                self._mean_values,
                f"Specify either 1 mean_value or as many as channels: {channels}",
            )
        values = np.array(self._mean_values, self._dtype).reshape(channels, 1, 1)
        return np.repeat(values, width, axis=2)


def _fill(image: Array, offsets: tuple[int, int], mean: Array, scale: Any, mirror: bool, out: Array) -> None:
    """Fill out with (image - mean) * scale, both from these offsets on; of one image, or of many."""
    pixels, fill = image, transform_planes
    if not image.flags.c_contiguous:
        pixels = image.swapaxes(-3, -2).swapaxes(-2, -1)
        fill = transform_interleaved
        if not pixels.flags.c_contiguous:
            pixels, fill = np.ascontiguousarray(image), transform_planes
    if pixels.ndim == 3:
        pixels, out = pixels[np.newaxis], out[np.newaxis]
    fill(_read_only(pixels), *offsets, mean, scale, mirror, out)


def _window(mean: Array, offsets: tuple[int, int], height: int, width: int) -> Array:
    """Return what of a plan's mean lies under the crop that begins at these offsets."""
    h_offset, w_offset = offsets if mean.shape[1] > 1 else (0, offsets[1])
    return mean[:, h_offset : h_offset + height, w_offset : w_offset + width]


def _read_only(array: Array) -> Array:
    """Return a view that cannot be written to: numba compiles anew for arrays that differ in this."""
    if not array.flags.writeable:
        return array
    view = array[...]
    view.flags.writeable = False
    return view
