"""Detector: classify windows of images, as R-CNN does. Source: python/caffe/detector.py."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from caffelite.core.blob import Array
from caffelite.core.data.resize import resize_image
from caffelite.core.errors import UsageError
from caffelite.core.layer_files import Paths
from caffelite.image_input_net import FileName, ImageInputNet
from caffelite.io import load_image
from caffelite.proto import caffe_pb2

Window = Sequence[float]  # ymin, xmin, ymax, xmax
Detection = dict[str, Any]


class Detector(ImageInputNet):
    """A net that classifies windows of images: a Net in phase TEST with the methods `detect_...`.

    Each window is resized to the net's input, through `transformer`, which takes `mean` (as Transformer.set_mean does),
    `input_scale`, `raw_scale` and `channel_swap`. `context_pad` is how many pixels of the input, on each side, show
    what lies around the window; beyond the image that is the mean. `anti_aliasing` as of resize_image, the other
    keywords as of Net.

    Raises what Net raises, and UsageError, a ValueError, for a net without an input of images or settings that do not
    fit it.
    """

    def __init__(
        self,
        model_file: FileName | caffe_pb2.NetParameter,
        pretrained_file: FileName | None,
        mean: npt.ArrayLike | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
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
        self.configure_crop(context_pad)

    def detect_windows(self, images_windows: Iterable[tuple[FileName, Iterable[Window]]]) -> list[Detection]:
        """Return a dict for each window of each image, with `filename`, `window` and `prediction`.

        `images_windows` are pairs of an image's path and its windows, (ymin, xmin, ymax, xmax) in pixels. A prediction
        is the row of the net's first output. Raises what load_image raises, and UsageError for a window outside of its
        image.
        """
        return list(self.detections(images_windows))

    def detections(self, images_windows: Iterable[tuple[FileName, Iterable[Window]]]) -> Iterator[Detection]:
        """Give what detect_windows returns, batch by batch."""
        name = self.inputs[0]
        crops = self._crops(images_windows)
        while batch := list(islice(crops, self.blobs[name].shape[0])):
            predictions = self._outputs_of(np.stack([self.transformer.preprocess(name, crop) for *_, crop in batch]))
            for (filename, window, _), prediction in zip(batch, predictions, strict=True):
                yield {"window": window, "prediction": prediction, "filename": filename}

    def _crops(
        self, images_windows: Iterable[tuple[FileName, Iterable[Window]]]
    ) -> Iterator[tuple[FileName, Window, Array]]:
        color = self.crop_dims[2] != 1
        for filename, windows in images_windows:
            image = load_image(filename, color)
            for window in windows:
                try:
                    yield filename, window, self.crop(image, window)
                except UsageError as err:
                    raise UsageError(f"{os.fspath(filename)}: {err.message()}") from None

    def detect_selective_search(self, image_fnames: Iterable[FileName]) -> list[Detection]:
        """Do detect_windows with the windows that selective search finds.

        It takes the module selective_search_ijcv_with_python, which needs MATLAB; ImportError without it.
        """
        return self.detect_windows(selective_search(image_fnames))

    def crop(self, im: npt.ArrayLike, window: Window) -> Array:
        """Return the window (ymin, xmin, ymax, xmax) of an image (H, W, K), with context if `context_pad` is set.

        Coordinates are cut to whole numbers, and to the image. Raises UsageError if nothing is left.
        """
        image = np.asarray(im)
        if len(window) != 4:
            raise UsageError(f"window {_text(window)} is not ymin, xmin, ymax, xmax")
        inside = _Box(*(int(edge) for edge in window)).within(image)
        if inside.is_empty():
            raise UsageError(
                f"window {_text(window)} (ymin, xmin, ymax, xmax) has no pixel in an image of {image.shape[0]} x "
                f"{image.shape[1]}"
            )
        return self._with_context(image, window) if self.context_pad else inside.of(image)

    def _with_context(self, image: Array, window: Window) -> Array:
        """Return the window with what is around it in the size of the net's input.

        The box is centred at the window and larger by size / (size - 2 * context_pad). Of it, what lies in the image
        is resized to its share, and set into the mean.
        """
        height, width, _ = self.crop_dims
        top, left, bottom, right = (float(edge) for edge in window)
        half_h, half_w = (bottom - top + 1) / 2, (right - left + 1) / 2
        grown_h, grown_w = half_h * self._context_scale(height), half_w * self._context_scale(width)
        box = _Box(
            round(top + half_h - grown_h),
            round(left + half_w - grown_w),
            round(top + half_h + grown_h),
            round(left + half_w + grown_w),
        )
        scale_h, scale_w = height / (box.bottom - box.top + 1), width / (box.right - box.left + 1)
        pad_y, pad_x = round(max(0, -box.top) * scale_h), round(max(0, -box.left) * scale_w)
        clipped = box.within(image)
        part_h = min(round((clipped.bottom - clipped.top + 1) * scale_h), height - pad_y)
        part_w = min(round((clipped.right - clipped.left + 1) * scale_w), width - pad_x)
        context = np.empty(self.crop_dims, np.float32)
        context[...] = self.crop_mean
        if part_h > 0 and part_w > 0 and not clipped.is_empty():
            context[pad_y : pad_y + part_h, pad_x : pad_x + part_w] = resize_image(
                clipped.of(image), (part_h, part_w), anti_aliasing=self.transformer.anti_aliasing
            )
        return context

    def _context_scale(self, size: int) -> float:
        return size / (size - 2.0 * (self.context_pad or 0))

    def configure_crop(self, context_pad: int | None) -> None:
        """Set how many pixels of the input show what is around a window; None or 0 for none.

        Sets `context_pad`, `crop_dims` (height, width and channels of the input) and, with a pad, `crop_mean`: the mean
        as an image is, (H, W, K) or (1, 1, K). UsageError for a pad that leaves no pixel.
        """
        name = self.inputs[0]
        channels, height, width = self.blobs[name].shape[1:]
        self.crop_dims = np.array([height, width, channels])
        self.context_pad = context_pad
        if not context_pad:
            return
        if not 0 < 2 * context_pad < min(height, width):
            raise UsageError(
                f"context_pad is {context_pad}; of an input of {height} x {width} it leaves no pixel: use 0 to "
                f"{(min(height, width) - 1) // 2}"
            )
        self.crop_mean = np.zeros(self.crop_dims, np.float32)
        if name in self.transformer.mean:
            # scales and the order of channels undone, but not the taking off of the mean itself
            raw = np.broadcast_to(self.transformer.mean[name], (channels, *self.transformer.mean[name].shape[1:]))
            if name in self.transformer.channel_swap:
                raw = raw[np.argsort(self.transformer.channel_swap[name])]
            self.crop_mean = (raw / self.transformer.raw_scale.get(name, 1)).transpose(1, 2, 0)


class _Box(NamedTuple):
    """Edges in pixels; the lower and the right one are the first outside."""

    top: int
    left: int
    bottom: int
    right: int

    def within(self, image: Array) -> _Box:
        """Return the part of the box that lies in an image."""
        height, width = image.shape[:2]
        return _Box(
            *(int(np.clip(edge, 0, most)) for edge, most in zip(self, (height, width, height, width), strict=True))
        )

    def is_empty(self) -> bool:
        """Whether there is no pixel in it."""
        return self.bottom <= self.top or self.right <= self.left

    def of(self, image: Array) -> Array:
        """Return the pixels of a box that lies in the image."""
        return image[self.top : self.bottom, self.left : self.right]


def _text(window: Window) -> str:
    return f"({', '.join(f'{edge:g}' for edge in window)})"


def selective_search(image_fnames: Iterable[FileName]) -> list[tuple[str, Iterable[Window]]]:
    """Return the images' absolute paths and the windows that selective search finds in each."""
    try:
        search = import_module("selective_search_ijcv_with_python")
    except ImportError:
        raise ImportError(
            "detect_selective_search needs the module selective_search_ijcv_with_python (and MATLAB); "
            "give windows from elsewhere to detect_windows"
        ) from None
    names = [os.path.abspath(os.fspath(name)) for name in image_fnames]
    return list(zip(names, search.get_windows(names, cmd="selective_search_rcnn"), strict=True))
