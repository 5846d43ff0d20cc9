"""Boxes as OpenCV 4.14 lays them out: by score within an image, then rows of 0 up to keep_top_k an image."""

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.cv2dnn.detections import as_opencv, prior_box, shape_of
from caffelite.proto.caffe_pb2 import LayerParameter

NONE = [-1.0] * 6  # Caffe's row of an image without boxes, behind the image's number


def layer(keep):
    return text_format.Parse(f"detection_output_param {{ num_classes: 3 {keep} }}", LayerParameter())


def caffes(*rows):
    return np.array([[[[*row, 0.1, 0.1, 0.4, 0.4][:7] for row in rows]]], np.float32)


@pytest.mark.parametrize(
    ("keep", "num", "rows", "expected", "count"),
    [
        ("keep_top_k: 5", 1, [(0, 1, 0.8), (0, 2, 0.6), (0, 2, 0.9)], [(0, 2, 0.9), (0, 1, 0.8), (0, 2, 0.6)], 5),
        ("keep_top_k: 2", 2, [(0, 1, 0.8), (1, 1, 0.6), (1, 2, 0.6)], [(0, 1, 0.8), (1, 1, 0.6), (1, 2, 0.6)], 4),
        ("keep_top_k: 5", 1, [[0, *NONE]], [], 5),
        ("keep_top_k: 3", 2, [[0, *NONE], [1, *NONE]], [], 6),
        ("", 1, [(0, 1, 0.5), (0, 2, 0.7)], [(0, 2, 0.7), (0, 1, 0.5)], 2),
        ("", 1, [[0, *NONE]], [], 1),
    ],
)
def test_by_score_then_rows_of_zero(keep, num, rows, expected, count):
    boxes = caffes(*rows)
    made = as_opencv(layer(keep), boxes, num)
    assert made.shape == (1, 1, count, 7)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made[0, 0, : len(expected), :3], np.reshape(expected, (-1, 3)))
    assert not made[0, 0, len(expected) :].any()
    if keep:
        assert shape_of(layer(keep), num, boxes.shape) == made.shape


@pytest.mark.parametrize(("given", "clip"), [("", True), ("clip: false", False), ("clip: true", True)])
def test_priors_are_clipped_unless_told_not_to_and_keep_their_fractions(given, clip):
    before = text_format.Parse(f"prior_box_param {{ min_size: 10.4 img_size: 100 {given} }}", LayerParameter())
    param = prior_box(before).prior_box_param
    assert (param.clip, param.whole_sizes, param.HasField("img_size")) == (clip, False, False)
    assert before.prior_box_param.whole_sizes and before.prior_box_param.img_size == 100  # the net's own stays
