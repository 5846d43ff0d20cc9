"""Datum, the record of image databases, to pixels. Source: src/caffe/util/io.cpp, src/caffe/data_transformer.cpp."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from caffelite.core.blob import Array
from caffelite.core.data.image import decode, opencv
from caffelite.core.errors import DataError, LayerError
from caffelite.proto import caffe_pb2

log = logging.getLogger("caffelite")

Label = int | tuple[float, ...]  # of one image: Caffe's whole number, or several numbers


def raw_datum(pixels: Array, label: int) -> bytes:
    """Return the record of `pixels`, (C, H, W) uint8, as Caffe's tools write it."""
    channels, height, width = pixels.shape
    datum = caffe_pb2.Datum(channels=channels, height=height, width=width, data=pixels.tobytes(), label=label)
    return datum.SerializeToString(deterministic=True)


def image_datum(image: Array, label: Label) -> bytes:
    """Return the record of an image, (H, W) or (H, W, C) uint8; the record's order is C, H, W."""
    pixels = image[np.newaxis] if image.ndim == 2 else image.transpose(2, 0, 1)
    channels, height, width = pixels.shape
    datum = caffe_pb2.Datum(channels=channels, height=height, width=width, data=pixels.tobytes(), **_labelled(label))
    datum.encoded = False  # Caffe's convert_imageset writes it, too
    return datum.SerializeToString(deterministic=True)


def encoded_datum(data: bytes, label: Label) -> bytes:
    """Return the record of the bytes of an image file."""
    return caffe_pb2.Datum(data=data, encoded=True, **_labelled(label)).SerializeToString(deterministic=True)


def _labelled(label: Label) -> dict[str, Any]:
    """Return the fields of a Datum that hold a label; of several, Caffe sees the first, as far as it is an integer."""
    if isinstance(label, int):
        return {"label": label}
    return {"label": max(-(2**31), min(int(label[0]), 2**31 - 1)), "labels": label}


def float_datum(values: Array) -> bytes:
    """Return the record of float32 values, (C, H, W), without a label."""
    channels, height, width = values.shape
    datum = caffe_pb2.Datum(channels=channels, height=height, width=width, float_data=values.ravel().tolist())
    return datum.SerializeToString(deterministic=True)


def label_of(datum: caffe_pb2.Datum) -> Label:
    """Return the label, or the labels, of a record."""
    return tuple(datum.labels) or datum.label


def label_array(labels: Sequence[Label], keys: Sequence[bytes], first: Label) -> Array:
    """Return the labels of N records as (N) or, of k labels each, (N, k), as many as those of `first`.

    Raises DataError for a record that has not.
    """
    count = _count(first)
    if count or {type(label) for label in labels} != {int}:
        for label, key in zip(labels, keys, strict=True):
            if _count(label) != count:
                raise DataError(
                    f'record "{key.decode(errors="backslashreplace")}" has {_counted(label)}, and the first of its '
                    f"batch has {_counted(first)}; give all records equally many"
                )
    return np.array(labels)


def _count(label: Label) -> int:
    return 0 if isinstance(label, int) else len(label)


def _counted(label: Label) -> str:
    return f"{_count(label)} labels" if _count(label) else "a single label"


class DatumReader:
    """Turns the records of one database into pixels and labels.

    Encoded images keep their channels unless `force_color` or `force_gray`. They are never turned by their EXIF
    orientation: the OpenCV of Caffe's time did not know it.
    """

    def __init__(self, source: str, force_color: bool = False, force_gray: bool = False) -> None:
        self.source = source
        self._force_color, self._force_gray = force_color, force_gray
        self._said_not_encoded = False

    @property
    def forces_channels(self) -> bool:
        """Whether images are decoded as colour or grey whatever they are."""
        return self._force_color or self._force_gray

    def read(self, key: bytes, value: bytes) -> tuple[Array, Label]:
        """Return the pixels, (C, H, W) uint8 or float32 and read-only, and the label, or labels, of a record.

        Raises DataError, naming source and key, for what is not a Datum, is too short, or cannot be decoded; an image
        that claims too many pixels is not even tried.
        """
        try:
            datum = caffe_pb2.Datum.FromString(value)
        except DecodeError:
            raise self._error(key, "it is not a Datum") from None
        pixels = self._decoded(key, datum.data) if datum.encoded else self._raw(key, datum)
        return pixels, label_of(datum)

    def _raw(self, key: bytes, datum: caffe_pb2.Datum) -> Array:
        if self.forces_channels:
            self._say_not_encoded()
        shape = (datum.channels, datum.height, datum.width)
        if min(shape) < 1:
            raise self._error(key, f"a Datum of {shape[0]} channels, height {shape[1]}, width {shape[2]} has no pixels")
        count = shape[0] * shape[1] * shape[2]
        data = datum.data
        values: Array = np.frombuffer(data, np.uint8) if data else np.array(datum.float_data, np.float32)
        if values.size < count:
            raise self._error(key, f"a Datum of {shape} needs {count} values of data or float_data, not {values.size}")
        if number := _looks_like(len(data), count):
            raise self._error(
                key,
                f"a Datum of {shape} needs {count} values of data, one byte each; its {len(data)} bytes look like "
                f"{number}: put numbers other than uint8 into float_data",
            )
        return values[:count].reshape(shape)

    def _say_not_encoded(self) -> None:
        if not self._said_not_encoded:
            log.error("force_color and force_gray only for encoded datum")
        self._said_not_encoded = True  # once, not once per image

    def _decoded(self, key: bytes, data: bytes) -> Array:
        cv2 = opencv()
        if self._force_color and self._force_gray:
            raise LayerError(
                "transform_param.force_gray", "true", "cannot set both force_color and force_gray; leave one out"
            )
        mode = cv2.IMREAD_UNCHANGED
        if self.forces_channels:
            mode = cv2.IMREAD_COLOR if self._force_color else cv2.IMREAD_GRAYSCALE
            mode |= cv2.IMREAD_IGNORE_ORIENTATION  # "unchanged" never turns, and has no room for flags
        try:
            image = decode(data, mode)
        except DataError as err:
            raise self._error(key, f"Could not decode datum: {err}") from None
        if image.dtype != np.uint8:
            raise self._error(
                key,
                f"Image data type must be unsigned byte, not {image.dtype}; convert it, or force_color it to 8 bits",
            )
        return image[np.newaxis] if image.ndim == 2 else image.transpose(2, 0, 1)

    def _error(self, key: bytes, problem: str) -> DataError:
        return DataError(f'{self.source}: record "{key.decode(errors="backslashreplace")}": {problem}')


def _looks_like(size: int, count: int) -> str:
    """Return the number type of which `size` bytes hold `count` numbers; "" if there is none but uint8."""
    return {2 * count: "uint16 or float16", 4 * count: "float32", 8 * count: "float64"}.get(size, "")
