"""Random changes of training images: transform_param.augmentation, which is ours. The proto says in which order."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from caffelite.core.blob import Array
from caffelite.core.data.draws import Draws
from caffelite.core.errors import LayerError
from caffelite.core.kernels.augment import add_noise, mix_channels
from caffelite.proto import caffe_pb2

FIELD = "transform_param.augmentation"
LARGEST_ZOOM = 100.0
# Of red, green and blue: grey and two axes of colour (YIQ, NTSC 1953). Grey has no part in the last two.
YIQ = np.array([[0.299, 0.587, 0.114], [0.59590059, -0.27455667, -0.32134392], [0.21153661, -0.52273617, 0.31119955]])
GREY_OF_BGR = YIQ[0, ::-1]
WITH_DEFAULT = ("probability", "min", "max", "count")
OF_GEOMETRY = ("rotation", "zoom", "aspect")
OF_COLOUR = ("saturation", "hue")  # of 3 channels
OF_VALUES = ("brightness", "contrast", *OF_COLOUR, "noise")  # of 8 bits


class Kind(IntEnum):
    """Numbers of the changes, of which their draws are functions: they must stay."""

    ROTATION = 0
    ZOOM = 1
    ASPECT = 2
    BRIGHTNESS = 3
    CONTRAST = 4
    SATURATION = 5
    HUE = 6
    NOISE = 7
    CUTOUT = 8


class Geometry(NamedTuple):
    """How things in the crop are changed about its middle: turned (radians, counter-clockwise), wider, higher."""

    angle: float = 0.0
    width: float = 1.0
    height: float = 1.0

    def source_of(self, middle: tuple[float, float], h_offset: int, w_offset: int) -> npt.NDArray[np.float64]:
        """Return the (2, 3) matrix that leads from x, y in the crop to x, y in the image that is seen there.

        `middle` is the crop's x, y. Things are made wider and higher first, then turned.
        """
        cos, sin = math.cos(self.angle), math.sin(self.angle)  # y points down
        matrix = np.array([[cos / self.width, -sin / self.width], [sin / self.height, cos / self.height]])
        shift = np.array(middle) + (w_offset, h_offset) - matrix @ middle
        return np.column_stack([matrix, shift])


class Values(NamedTuple):
    """How the values of an 8-bit image are changed: factors, an angle in radians, a deviation and the noise's key."""

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    noise: float = 0.0
    noise_key: int = 0

    def apply(self, image: Array) -> None:
        """Change image, (C, h, w) floats of 0 to 255, in place; with 3 channels they are B, G, R.

        Brightness to hue are one linear map, and the result is limited to 0..255 once, after the noise.
        """
        flat = image.reshape(len(image), -1)
        gain, offset = self.brightness * self.contrast, 0.0
        if self.contrast != 1:
            means = flat.mean(axis=1)
            grey = GREY_OF_BGR @ means if len(image) == 3 else means.mean()
            offset = (1 - self.contrast) * self.brightness * float(grey)
        if self.saturation != 1 or self.hue:
            matrix = np.ascontiguousarray(gain * self._colours(), image.dtype)
            mix_channels(flat, matrix, image.dtype.type(offset))
        elif gain != 1 or offset:
            flat *= image.dtype.type(gain)
            flat += image.dtype.type(offset)
        if self.noise:
            low, high = np.uint32(self.noise_key & 0xFFFFFFFF), np.uint32(self.noise_key >> 32)
            add_noise(flat.reshape(-1), image.dtype.type(self.noise), low, high)
        np.clip(flat, 0, 255, out=flat)

    def _colours(self) -> npt.NDArray[np.float64]:
        """Return the matrix of saturation and hue, of B, G, R."""
        cos, sin = self.saturation * math.cos(self.hue), self.saturation * math.sin(self.hue)
        turned = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
        of_rgb: npt.NDArray[np.float64] = np.linalg.inv(YIQ) @ turned @ YIQ
        return of_rgb[::-1, ::-1]


class Augmentation:
    """What is drawn for each record. Raises LayerError for a field that cannot be used.

    Any number of threads may ask at once: nothing changes after it is made.
    """

    def __init__(self, param: caffe_pb2.AugmentationParameter) -> None:
        self._param = caffe_pb2.AugmentationParameter()
        self._param.CopyFrom(param)  # the caller's may change
        self.border = param.border
        self._written = [field.name for field, _ in param.ListFields() if field.message_type is not None]
        for name in self._written:
            self._check(name, "probability", 0, 1, "0 (never) to 1 (each record)")
        for name in ("rotation", "hue"):
            self._check(name, "degrees", 0, 180, "0 to 180, to either side")
        for name in ("brightness", "contrast", "saturation"):
            self._check(name, "amount", 0, 1, "0 to 1: 0.2 is for factors of 0.8 to 1.2")
        self._check("noise", "std", 0, 255, "0 to 255 grey levels")
        self._check("zoom", "min", 1 / LARGEST_ZOOM, LARGEST_ZOOM, "0.01 to 100: 0.5 makes things half as large")
        self._check(
            "zoom",
            "max",
            param.zoom.min,
            LARGEST_ZOOM,
            f"zoom.min, {param.zoom.min:g}, to 100: 2 makes things twice as large",
        )
        self._check("aspect", "ratio", 1, LARGEST_ZOOM, "1 to 100: 1.33 is for 3:4 to 4:3")
        self._check("cutout", "size", 1, math.inf, "1 or more: the square's side in pixels")
        self._check("cutout", "count", 1, math.inf, "1 or more squares, or leave cutout out")

    def _check(self, name: str, field: str, lowest: float, highest: float, use: str) -> None:
        """Raise LayerError for a field that has no default and is not written, or whose value is not between these."""
        if name not in self._written:
            return
        part = getattr(self._param, name)
        value = getattr(part, field)
        is_known = part.HasField(field) or field in WITH_DEFAULT
        if not (is_known and np.float32(lowest) <= value <= highest):  # the field holds 0.01 as float32
            raise LayerError(f"{FIELD}.{name}.{field}", f"{value:g}" if is_known else "not written", f"use {use}")

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return not self._written

    @property
    def resamples(self) -> bool:
        """Whether images are turned or zoomed, for which OpenCV is needed."""
        return any(name in self._written for name in OF_GEOMETRY)

    def check_image(self, channels: int, height: int, width: int) -> None:
        """Raise LayerError if images of so many channels, and of this size after cropping, cannot be changed so."""
        for name in OF_COLOUR:
            if name in self._written and channels != 3:
                raise LayerError(
                    f"{FIELD}.{name}",
                    "set",
                    f"it is for 3 channels, B, G and R, and the images have {channels}: leave it out",
                )
        if "cutout" in self._written and self._param.cutout.size >= max(height, width):
            raise LayerError(
                f"{FIELD}.cutout.size",
                self._param.cutout.size,
                f"the images are {height} x {width} after cropping: use less, or nothing could be left of them",
            )

    def check_type(self, dtype: np.dtype[np.generic]) -> None:
        """Raise LayerError if values of this number type cannot be changed so."""
        for name in OF_VALUES:
            if name in self._written and dtype != np.uint8:
                raise LayerError(
                    f"{FIELD}.{name}",
                    "set",
                    f"it is for images of 8 bits, values 0 to 255, and these are {dtype}: leave it out",
                )

    def geometry(self, key: int, record: int) -> Geometry | None:
        """Return how the record's crop is turned and zoomed; None if it is not."""
        param = self._param
        angle, zoom, wider = 0.0, 1.0, 1.0
        if draws := self._drawn(Kind.ROTATION, key, record):
            angle = math.radians(draws.uniform(-param.rotation.degrees, param.rotation.degrees))
        if draws := self._drawn(Kind.ZOOM, key, record):
            zoom = draws.log_uniform(param.zoom.min, param.zoom.max)
        if draws := self._drawn(Kind.ASPECT, key, record):
            wider = math.sqrt(draws.log_uniform(1 / param.aspect.ratio, param.aspect.ratio))
        drawn = Geometry(angle, zoom * wider, zoom / wider)
        return None if drawn == Geometry() else drawn

    def values(self, key: int, record: int) -> Values | None:
        """Return how the record's values are changed; None if they are not."""
        param = self._param
        drawn = Values()
        for kind in (Kind.BRIGHTNESS, Kind.CONTRAST, Kind.SATURATION):
            if draws := self._drawn(kind, key, record):
                name = kind.name.lower()
                amount = getattr(param, name).amount
                factors: dict[str, Any] = {name: draws.uniform(1 - amount, 1 + amount)}
                drawn = drawn._replace(**factors)
        if draws := self._drawn(Kind.HUE, key, record):
            drawn = drawn._replace(hue=math.radians(draws.uniform(-param.hue.degrees, param.hue.degrees)))
        if (draws := self._drawn(Kind.NOISE, key, record)) and param.noise.std:
            drawn = drawn._replace(noise=param.noise.std, noise_key=draws.bits())
        return None if drawn == Values() else drawn

    def squares(self, key: int, record: int, height: int, width: int) -> list[tuple[slice, slice]]:
        """Return the rows and columns of the squares that are cut out of an image of this size."""
        draws = self._drawn(Kind.CUTOUT, key, record)
        if not draws:
            return []
        size, squares = self._param.cutout.size, []
        for _ in range(self._param.cutout.count):
            top, left = (int(draws.uniform(0, length)) - size // 2 for length in (height, width))
            squares.append((slice(max(top, 0), top + size), slice(max(left, 0), left + size)))
        return squares

    def _drawn(self, kind: Kind, key: int, record: int) -> Draws | None:
        """Return the record's draws of a kind of change; None if it is not asked for or does not happen."""
        name = kind.name.lower()
        if name not in self._written:
            return None
        draws = Draws(key, kind, record)
        return draws if draws.happens(getattr(self._param, name).probability) else None
