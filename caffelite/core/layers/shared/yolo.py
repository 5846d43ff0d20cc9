"""What the outputs of YOLO detectors have in common.

Source: yolo_detection_output_layer.cpp and yolov3_detection_output_layer.cpp of eric612/MobileNet-YOLO.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.errors import LayerError
from caffelite.core.format import shape_or_scalar
from caffelite.core.kernels.nms import kept_boxes
from caffelite.core.layer import Blobs
from caffelite.core.layers.shared.detections import DetectionsLayer, fill_detections, rows_of

BOX = 5  # x, y, width, height and the score of any object, before the classes


class Found(NamedTuple):
    """Boxes (K, 4), their classes and their scores (K)."""

    boxes: Array
    classes: Array
    scores: Array


class YoloLayer(DetectionsLayer):
    """Keeps the best boxes of all maps that do not overlap, whatever their class; a subclass says what boxes there are.

    Subclasses set `classes`, `anchors` (of a pixel) and `message`, the name of their fields, in setup.
    """

    message: str
    classes: int
    anchors: int

    def check_bottoms(self, bottom: Blobs) -> None:
        """Compare the channels with the numbers of anchors and classes."""
        channels = self.anchors * (BOX + self.classes)
        for index, blob in enumerate(bottom):
            if blob.num_axes != 4 or blob.shape[1] != channels or blob.shape[0] != bottom[0].shape[0]:
                raise LayerError(
                    f"bottom[{index}]",
                    shape_or_scalar(blob.shape),
                    f"{self.anchors} boxes of 5 + {self.classes} numbers need (N, {channels}, height, width)",
                )

    def found_in(self, index: int, values: Array, height: int, width: int) -> Found:
        """Return the boxes of bottom[index]; values: (N * height * width * anchors, 5 + classes)."""
        raise NotImplementedError(f"{type(self).__name__} has no found_in")

    @np.errstate(over="ignore", invalid="ignore")  # a net that diverges is the solver's affair
    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Find the boxes and shape the top for them."""
        parts = []
        for index, blob in enumerate(bottom):
            values = blob.data.reshape(-1, self.anchors, BOX + self.classes, *blob.shape[2:])
            values = values.transpose(0, 3, 4, 1, 2).reshape(-1, BOX + self.classes)
            parts.append(self.found_in(index, values, *blob.shape[2:]))
        boxes, classes, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(-scores, kind="stable")
        threshold = getattr(self.layer_param, self.message).nms_threshold
        kept = order[kept_boxes(boxes[order], threshold, strict=True)]
        # the image is 0 whatever it was, and boxes of all images compete, as in the fork: it is for one image
        fill_detections(top[0], [rows_of(0, classes[kept] + 1, scores[kept], boxes[kept])], bottom[0].shape[0])

    def biases_of(self, values: Sequence[float], needed: int) -> Array:
        """Return widths and heights (anchors, 2); LayerError if there are fewer than needed."""
        if len(values) % 2 or len(values) < 2 * needed:
            raise LayerError(
                f"{self.message}.biases", f"given {len(values)} times", f"give width and height of {needed} boxes"
            )
        return np.array(values, self.dtype).reshape(-1, 2)

    def checked_classes(self) -> int:
        """Return num_classes; LayerError unless it is given."""
        param = getattr(self.layer_param, self.message)
        if not param.HasField("num_classes") or not param.num_classes:
            given = 0 if param.HasField("num_classes") else "not given"
            raise LayerError(f"{self.message}.num_classes", given, "give the number of classes, without a background")
        return int(param.num_classes)


def sigmoid(values: Array) -> Array:
    """Return 1 / (1 + exp(-x))."""
    result: Array = 1 / (1 + np.exp(-values))
    return result


def grid_boxes(values: Array, biases: Array, height: int, width: int) -> Array:
    """Return corners (K, 4) as fractions of the image.

    values: (N * height * width * anchors, >= 4): x, y, w, h; x and y are in a cell, through a sigmoid, w and h the
    logarithms of the ratios to biases (anchors, 2), which are fractions of the image.
    """
    cells = values.reshape(-1, height, width, len(biases), values.shape[1])
    centres = sigmoid(cells[..., :2])
    centres[..., 0] += np.arange(width, dtype=values.dtype)[:, None]
    centres[..., 1] += np.arange(height, dtype=values.dtype)[:, None, None]
    centres /= np.array([width, height], values.dtype)
    halves = np.exp(cells[..., 2:4]) * biases / 2
    return np.concatenate([centres - halves, centres + halves], -1).reshape(-1, 4)
