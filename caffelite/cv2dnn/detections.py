"""PriorBox as OpenCV reads it, and DetectionOutput's boxes as it lays them out.

From modules/dnn/src/layers/prior_box_layer.cpp and detection_output_layer.cpp, observed.
"""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array, Shape
from caffelite.proto.caffe_pb2 import LayerParameter

_IMAGE, _SCORE, _FIELDS = 0, 2, 7


def prior_box(layer: LayerParameter) -> LayerParameter:
    """Return the layer as OpenCV means it: sizes with fractions, no img_size, boxes cut to the image if not told."""
    made = LayerParameter()
    made.CopyFrom(layer)
    param = made.prior_box_param
    param.whole_sizes = False
    param.clip = param.clip if param.HasField("clip") else True
    param.ClearField("img_size")
    return made


def rows_of(layer: LayerParameter, num: int) -> int | None:
    """Return how many rows OpenCV gives for a batch of `num`: as many as keep_top_k allows; None where that is open."""
    keep = layer.detection_output_param.keep_top_k
    return num * keep if keep > 0 else None


def shape_of(layer: LayerParameter, num: int, shape: Shape) -> Shape:
    """Return the shape of OpenCV's boxes, where Caffe has `shape`."""
    rows = rows_of(layer, num)
    return shape if rows is None else (1, 1, rows, _FIELDS)


def as_opencv(layer: LayerParameter, boxes: Array, num: int) -> Array:
    """Return the boxes, (1, 1, K, 7) in Caffe's order, of each image by falling score, then rows of 0.

    Caffe has them by label, and rows of -1 where an image has none. Without keep_top_k, as which OpenCV 4.14 overruns
    its memory, there are as many rows as boxes, and one of 0 if there are none.
    """
    found = boxes.reshape(-1, _FIELDS)
    found = found[found[:, 1] >= 0]  # Caffe's rows of -1 have the label -1
    found = found[np.lexsort((-found[:, _SCORE], found[:, _IMAGE]))]
    rows = rows_of(layer, num)
    made = np.zeros((1, 1, max(len(found), 1) if rows is None else rows, _FIELDS), boxes.dtype)
    made[0, 0, : len(found)] = found
    return made
