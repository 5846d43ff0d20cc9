"""Nets that say boxes themselves, with a DetectionOutput layer at their end: SSD, MobileNet-SSD, YOLO's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from caffelite.boxes.box import Box
from caffelite.core.blob import Array, Shape
from caffelite.core.errors import DataError, UsageError
from caffelite.core.format import shape_string
from caffelite.image_transformer import Transformer
from caffelite.io import LUMINANCE
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

COLUMNS = 7  # of an output: image, label, score, xmin, ymin, xmax, ymax, the corners as parts of the image
NOTHING = -1  # the label of a row that says that nothing was found


class BoxDetector:
    """A net of one input (1, C, H, W) whose output (1, 1, K, 7) has a row for each box; C is 3, or 1 for grey images.

    mean:         of each channel, as the net has them, or None.
    channel_swap: which channel of the image each of the input is: (2, 1, 0) makes BGR of RGB.
    raw_scale:    what the image's values, from 0 to 1, are multiplied by first, input_scale in the end.

    Raises UsageError for a net of other inputs or outputs.
    """

    def __init__(
        self,
        model: str | Path,
        weights: str | Path,
        mean: Array | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = 255.0,
        channel_swap: tuple[int, ...] | None = (2, 1, 0),
        python_layers: bool = True,
    ) -> None:
        self.net = Net(str(model), TEST, weights=str(weights), python_layers=python_layers)
        self.input, self.output = _one_input(self.net, model), _boxes_output(self.net, model)
        self.transformer = Transformer({self.input: self.net.blobs[self.input].shape}, anti_aliasing=True)
        self.transformer.set_transpose(self.input, (2, 0, 1))
        if mean is not None:
            self.transformer.set_mean(self.input, mean)
        if input_scale is not None:
            self.transformer.set_input_scale(self.input, input_scale)
        if raw_scale is not None:
            self.transformer.set_raw_scale(self.input, raw_scale)
        if channel_swap is not None:
            self.transformer.set_channel_swap(self.input, channel_swap)

    def detect(self, image: Array, threshold: float = 0.0) -> list[Box]:
        """Return the boxes in an image (H, W, K), RGB, values from 0 to 1, of a score above `threshold`, best first.

        Images of any size are resized to the net's input; corners are in pixels of the image, inside it. Raises
        DataError if the net's output has nan in it, or a label that is no number.
        """
        blob = self.net.blobs[self.input]
        seen = (image @ np.array(LUMINANCE, image.dtype))[..., np.newaxis] if blob.channels == 1 else image
        blob.data[...] = self.transformer.preprocess(self.input, seen)
        rows = self.net.forward()[self.output].reshape(-1, COLUMNS)
        broken = np.isnan(rows).any(axis=1) | ~np.isfinite(rows[:, 1])
        if broken.any():
            raise DataError(
                f'row {broken.argmax()} of the net\'s output "{self.output}" is {rows[broken.argmax()].tolist()}; such '
                "numbers come of damaged weights, of those of another net, or of a wrong mean or scale"
            )
        height, width = image.shape[:2]
        found = [_box(row, height, width) for row in rows if row[1] != NOTHING]
        return sorted((box for box in found if box.score > threshold), key=lambda box: -box.score)


def _box(row: Array, height: int, width: int) -> Box:
    left, top, right, bottom = (
        float(np.clip(part, 0, 1) * size) for part, size in zip(row[3:], (width, height) * 2, strict=True)
    )
    return Box(int(row[1]), float(row[2]), left, top, right, bottom)


def _one_input(net: Net, model: str | Path) -> str:
    shapes: dict[str, Shape] = {name: net.blobs[name].shape for name in net.inputs}
    images = [name for name, shape in shapes.items() if len(shape) == 4 and shape[0] == 1 and shape[1] in (1, 3)]
    if len(shapes) != 1 or not images:
        given = ", ".join(f"{name} ({shape_string(shape)})" for name, shape in shapes.items()) or "none"
        raise UsageError(f"{model}: the inputs are {given}; to detect, a net needs one, an image (1, 1 or 3, H, W)")
    return images[0]


def _boxes_output(net: Net, model: str | Path) -> str:
    shapes = {name: net.blobs[name].shape for name in net.outputs}
    boxes = [name for name, shape in shapes.items() if len(shape) == 4 and shape[3] == COLUMNS and shape[1] == 1]
    if not boxes:
        given = ", ".join(f"{name} ({shape_string(shape)})" for name, shape in shapes.items())
        raise UsageError(
            f"{model}: no output is (1, 1, K, {COLUMNS}), rows of image, label, score and corners, as a "
            f"DetectionOutput layer makes them; they are {given}"
        )
    return boxes[0]
