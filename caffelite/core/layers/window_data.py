"""WindowData: windows of images, for R-CNN. Source: src/caffe/layers/window_data_layer.cpp."""

from __future__ import annotations

import logging

import numpy as np

from caffelite.core import random
from caffelite.core.blob import Array
from caffelite.core.data.listed_images import Reading
from caffelite.core.data.window_batches import Sampling, Values, WindowBatches
from caffelite.core.data.window_crop import Crop
from caffelite.core.data.window_file import WindowFile, read_window_file
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_string
from caffelite.core.layer import Blobs, Layer, State, register_layer
from caffelite.core.layers.shared.image_files import DATA_PARAM_NOT_READ, batches_ahead_of, read_named
from caffelite.core.layers.shared.prefetching import PrefetchingLayer
from caffelite.core.layers.shared.transforming import OURS, mean_image_of, require_finite
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.proto import caffe_pb2

log = logging.getLogger("caffelite")

CHANNELS = 3
CROP_MODES = ("warp", "square")
AUGMENTATION_NOT_READ = {
    f"transform_param.{field.name}": "WindowData layers crop and mirror, and do nothing else to an image"
    for field in caffe_pb2.TransformationParameter.DESCRIPTOR.fields
    if field.number >= OURS
}


@register_layer("WindowData")
class WindowDataLayer(PrefetchingLayer):
    """Read batches of windows of images, drawn at random, for ever; a thread reads `data_param.prefetch` batches ahead.

    top[0]: (batch_size, 3, crop_size, crop_size).
    top[1]: (batch_size) labels, 0 of background.

    Windows that overlap an object by fg_threshold or more are foreground, those below bg_threshold background; the last
    fg_fraction * batch_size items of each batch are foreground. A window is brought to crop_size x crop_size, with
    context_pad pixels of its surroundings on each side of the crop; in crop_mode square it keeps its form. What lies
    outside of the image is 0. Mirror and draws are the same in TEST. The position is kept in the layer's state, so that
    a resumed run goes on with the next windows (Caffe starts again).

    With on_bad_record "skip" in the context another window of its kind is drawn instead of one that cannot be read.

    Raises LayerError for a missing or empty window file, for one without foreground or background windows, and for
    fields that do not fit together; DataError, with the line, for a window file that is not as it has to be, and for an
    image that cannot be read or does not hold its window (where Caffe gives zeros, or ends the process).
    """

    messages = ("data_param", "transform_param", "window_data_param")
    formula = (
        "y = (window - mean) * {window_data_param.scale:g}; {window_data_param.batch_size} windows of "
        "{window_data_param.source} in each pass, each brought to {transform_param.crop_size} x "
        "{transform_param.crop_size}"
    )
    not_read = {
        "window_data_param.mean_file": "write transform_param.mean_file",
        "window_data_param.crop_size": "write transform_param.crop_size",
        "window_data_param.mirror": "write transform_param.mirror",
        "transform_param.scale": "write window_data_param.scale",
        "transform_param.force_color": "images are read in colour, always",
        "transform_param.force_gray": "images are read in colour, always",
        **AUGMENTATION_NOT_READ,
        **DATA_PARAM_NOT_READ,
    }
    exact_num_top_blobs = 2
    loader: WindowBatches

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the window file; reading images ahead begins with the first forward."""
        self.batches_ahead = batches_ahead_of(self)
        crop, sampling = _crop(self), _sampling(self)
        values = _values(self, crop.size)
        reading, windows = _windows(self)
        cache = self.layer_param.window_data_param.cache_images
        skip = self.context.on_bad_record == "skip"
        self.loader = WindowBatches(windows, reading, sampling, crop, values, _draws_key(self), cache, skip)
        top[0].reshape(sampling.size, CHANNELS, crop.size, crop.size)
        top[1].reshape(sampling.size)
        log.info("output data size: %s", ",".join(map(str, top[0].shape)))

    def set_state(self, state: State) -> None:
        """Go on with the windows after those that were passed, with the draws of the run that passed them."""
        self.loader.key = _draws_key(self)
        super().set_state(state)


def _draws_key(layer: Layer) -> int:
    return random.key(layer.context.seed, layer.name, "windows", layer.context.solver_rank)


def _crop(layer: Layer) -> Crop:
    param, transform = layer.layer_param.window_data_param, layer.layer_param.transform_param
    for field, _ in transform.ListFields():
        if field.number >= OURS:
            raise LayerError(
                f"transform_param.{field.name}", "set", "WindowData layers crop their images by themselves; remove it"
            )
    if transform.crop_size < 1:
        raise LayerError("transform_param.crop_size", transform.crop_size, "use the size of the windows, 1 or more")
    if 2 * param.context_pad >= transform.crop_size:
        raise LayerError(
            "window_data_param.context_pad",
            param.context_pad,
            f"use less than half of crop_size, which is {transform.crop_size}: something of the window must be left",
        )
    if param.crop_mode not in CROP_MODES:
        hint = did_you_mean(param.crop_mode, CROP_MODES)
        raise LayerError("window_data_param.crop_mode", f'"{param.crop_mode}"', f"use warp or square{hint}")
    return Crop(transform.crop_size, param.context_pad, param.crop_mode == "square")


def _sampling(layer: Layer) -> Sampling:
    param = layer.layer_param.window_data_param
    if param.batch_size < 1:
        raise LayerError("window_data_param.batch_size", param.batch_size, "use 1 or more")
    if not 0 <= param.fg_fraction <= 1:
        raise LayerError("window_data_param.fg_fraction", f"{param.fg_fraction:g}", "use a share between 0 and 1")
    num_fg = int(np.float32(param.batch_size) * np.float32(param.fg_fraction))
    return Sampling(param.batch_size, num_fg, layer.layer_param.transform_param.mirror)


def _values(layer: Layer, size: int) -> Values:
    """Return mean and scale; a mean image is taken from its middle, by its width in both directions, as in Caffe."""
    param = layer.layer_param.transform_param
    scale = layer.layer_param.window_data_param.scale
    require_finite("window_data_param.scale", [scale])
    image = mean_image_of(layer)
    if image is not None:
        offset = (image.shape[2] - size) // 2
        if image.shape[0] != CHANNELS or offset < 0 or offset + size > image.shape[1]:
            raise LayerError(
                "transform_param.mean_file",
                f"an image of {shape_string(image.shape)}",
                f"windows need {CHANNELS} channels, and crop_size x crop_size pixels at {offset} in both directions",
            )
        return Values(image[:, offset : offset + size, offset : offset + size], scale)
    if not param.mean_value:
        return Values(None, scale)
    if len(param.mean_value) not in (1, CHANNELS):
        raise LayerError(
            "transform_param.mean_value",
            list(param.mean_value),
            f"Specify either 1 mean_value or as many as channels: {CHANNELS}",
        )
    mean: Array = np.array(param.mean_value, layer.dtype).reshape(-1, 1, 1)
    return Values(np.broadcast_to(mean, (CHANNELS, 1, 1)), scale)


def _windows(layer: Layer) -> tuple[Reading, WindowFile]:
    param: caffe_pb2.WindowDataParameter = layer.layer_param.window_data_param
    path, windows = read_named(
        layer,
        "window_data_param.source",
        param.source,
        "a window file",
        lambda path: read_window_file(path, param.fg_threshold, param.bg_threshold),
    )
    if not windows.paths:
        raise _error(param, "Window file is empty: it begins with `# 0`, a path, channels, height, width")
    log.info("Number of images: %d", len(windows.paths))
    if windows.channels != CHANNELS:
        raise _error(param, f"its last image has {windows.channels} channels: images are read in colour, write 3")
    for kind, of_kind, rule in (
        ("foreground", windows.foreground, f"overlap an object by fg_threshold ({param.fg_threshold:g}) or more"),
        ("background", windows.background, f"overlap objects by less than bg_threshold ({param.bg_threshold:g})"),
    ):
        log.info("Number of %s windows: %d", kind, of_kind.total)
        if not of_kind.total:
            raise _error(param, f"it has no {kind} windows: none {rule}")
    return Reading(path, layer.context.folder, param.root_folder), windows


def _error(param: caffe_pb2.WindowDataParameter, fix: str) -> LayerError:
    return LayerError("window_data_param.source", f'"{param.source}"', fix)
