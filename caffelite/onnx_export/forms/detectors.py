"""Forms of the layers in which YOLO detectors end and Faster R-CNN makes its proposals."""

from __future__ import annotations

import numpy as np

from caffelite.core.blob import Array
from caffelite.core.layers.shared.yolo import BOX
from caffelite.onnx_export.form import form
from caffelite.onnx_export.forms.activations import FLOAT
from caffelite.onnx_export.forms.boxes import LOWEST, or_none
from caffelite.onnx_export.writer import Writer

MOST = 2**31 - 1  # boxes that are kept
BOOL = 9  # ONNX's number


@form("YoloDetectionOutput", "Yolov3DetectionOutput")
def yolo(writer: Writer) -> str:
    """Write the decoding of each map, and NonMaxSuppression of all boxes, whatever their class."""
    found = [_found_in(writer, index) for index in range(len(writer.bottoms))]
    boxes, classes, scores = (
        parts[0] if len(parts) == 1 else writer.op("Concat", *parts, axis=0) for parts in zip(*found, strict=True)
    )
    limit = np.nextafter(np.float32(getattr(writer.param, writer.layer.message).nms_threshold), np.float32(-np.inf))
    chosen = writer.op(
        "NonMaxSuppression",
        *(writer.reshape(boxes, 1, -1, 4), writer.reshape(scores, 1, 1, -1)),
        *(writer.ints(MOST), writer.constant([limit]), writer.constant([0])),
    )
    place = writer.op("Gather", chosen, writer.constant(2, np.int64), axis=1)
    columns = [writer.reshape(writer.op("Gather", values, place, axis=0), -1, 1) for values in (classes, scores)]
    image = writer.op("Mul", columns[0], writer.constant(0))
    label = writer.op("Add", columns[0], writer.constant(1))
    rows = writer.op("Concat", image, label, columns[1], writer.op("Gather", boxes, place, axis=0), axis=1)
    writer.loosen(0, 2)
    return writer.op("Unsqueeze", or_none(writer, rows, writer.bottom_shapes[0][0]), writer.ints(0, 1))


def _found_in(writer: Writer, index: int) -> tuple[str, str, str]:
    """Write the boxes (K, 4) of a map that are there, their classes and scores (K)."""
    layer, (num, _, height, width) = writer.layer, writer.bottom_shapes[index]
    by_anchor = writer.reshape(writer.bottoms[index], num, layer.anchors, BOX + layer.classes, height, width)
    cells = writer.op("Transpose", by_anchor, perm=[0, 3, 4, 1, 2])
    parts = writer.ops_of("Split", [cells, writer.ints(2, 2, 1, layer.classes)], 4, axis=4)
    boxes = _grid_boxes(writer, index, parts[0], parts[1])
    an_object, threshold = writer.op("Sigmoid", parts[2]), getattr(writer.param, layer.message).confidence_threshold
    if writer.param.type == "YoloDetectionOutput":  # one class a box
        shares = writer.op("Softmax", parts[3], axis=4)
        best = writer.op("ArgMax", shares, axis=4, keepdims=0)
        scores = writer.op("Mul", an_object, writer.op("ReduceMax", shares, axes=[4], keepdims=1))
        is_there = writer.op("GreaterOrEqual", scores, writer.constant(threshold))
        place = _places(writer, is_there)
        classes = writer.op("Gather", writer.reshape(writer.op("Cast", best, to=FLOAT), -1), place, axis=0)
        return writer.op("Gather", boxes, place, axis=0), classes, _taken(writer, scores, place)
    scores = writer.op("Mul", writer.op("Sigmoid", parts[3]), an_object)
    place = _places(writer, writer.op("Greater", scores, writer.constant(threshold)))
    box = writer.op("Div", place, writer.ints(layer.classes))
    number = writer.op("Sub", place, writer.op("Mul", box, writer.ints(layer.classes)))
    return writer.op("Gather", boxes, box, axis=0), writer.op("Cast", number, to=FLOAT), _taken(writer, scores, place)


def _places(writer: Writer, is_there: str) -> str:
    """Write where a condition holds, counted through all axes."""
    return writer.reshape(writer.op("NonZero", writer.reshape(is_there, -1)), -1)


def _taken(writer: Writer, values: str, place: str) -> str:
    return writer.op("Gather", writer.reshape(values, -1), place, axis=0)


def _grid_boxes(writer: Writer, index: int, moves: str, ratios: str) -> str:
    """Write corners (N * H * W * anchors, 4) as fractions of the image."""
    height, width = writer.bottom_shapes[index][2:]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)[:, :, None]
    size = writer.constant([width, height])
    centre = writer.op("Div", writer.op("Add", writer.op("Sigmoid", moves), writer.constant(grid)), size)
    half = writer.op("Mul", writer.op("Exp", ratios), writer.constant(_biases(writer, index) / 2))
    corners = writer.op("Concat", writer.op("Sub", centre, half), writer.op("Add", centre, half), axis=4)
    return writer.reshape(corners, -1, 4)


def _biases(writer: Writer, index: int) -> Array:
    """Return width and height of each anchor of a map, as fractions of the image."""
    layer, (height, width) = writer.layer, writer.bottom_shapes[index][2:]
    size = np.array([width, height], np.float32)
    if writer.param.type == "YoloDetectionOutput":
        return np.asarray(layer.biases / size)
    scale = writer.param.yolov3_detection_output_param.anchors_scale[index]
    return np.asarray(layer.biases[index] / (size * scale))


@form("Proposal")
def proposal(writer: Writer) -> list[str]:
    """Write the anchors as a constant, what moves and clips them, and for each image the choice."""
    num = writer.bottom_shapes[0][0]
    boxes = _proposed(writer, num)
    scores = _scores_of_large(writer, boxes, num)
    parts = [_of_image(writer, image, boxes, scores) for image in range(num)]
    joined = [part[0] if num == 1 else writer.op("Concat", *part, axis=0) for part in zip(*parts, strict=True)]
    for top in range(len(writer.top_shapes)):
        writer.loosen(top, 0)
    return joined[: len(writer.top_shapes)]


def _proposed(writer: Writer, num: int) -> str:
    """Write the clipped boxes of all anchors, (num, H * W * A, 4)."""
    (height, width), proposer = writer.bottom_shapes[0][2:], writer.layer.proposer
    anchors = proposer._anchors_at(height, width, np.dtype(np.float32))
    sizes = anchors[:, 2:] - anchors[:, :2] + 1
    deltas = writer.reshape(writer.op("Transpose", writer.bottoms[1], perm=[0, 2, 3, 1]), num, len(anchors), 4)
    move, ratio = writer.ops_of("Split", [deltas, writer.ints(2, 2)], 2, axis=2)
    side = writer.constant(sizes)
    centre = writer.op("Add", writer.constant(anchors[:, :2] + sizes / 2), writer.op("Mul", move, side))
    half = writer.op("Mul", writer.op("Exp", ratio), writer.constant(sizes / 2))
    corners = writer.op("Concat", writer.op("Sub", centre, half), writer.op("Add", centre, half), axis=2)
    across_and_down = _columns(writer, num, [1, 0, 1, 0])
    last = writer.op("Sub", across_and_down, writer.constant(1))
    return writer.op("Min", writer.op("Max", corners, writer.constant(0)), last)


def _columns(writer: Writer, num: int, columns: list[int]) -> str:
    """Write numbers about each image, (num, 1, columns)."""
    return writer.op("Gather", writer.reshape(writer.bottoms[2], num, 1, -1), writer.ints(*columns), axis=2)


def _scores_of_large(writer: Writer, boxes: str, num: int) -> str:
    """Write the scores (num, H * W * A), the least of all for boxes that are too small."""
    count, columns = writer.layer.count, int(np.prod(writer.bottom_shapes[2][1:]))
    objects = writer.op("Slice", writer.bottom, writer.ints(count), writer.ints(2 * count), writer.ints(1))
    scores = writer.reshape(writer.op("Transpose", objects, perm=[0, 2, 3, 1]), num, -1)
    low, high = writer.ops_of("Split", [boxes, writer.ints(2, 2)], 2, axis=2)
    sides = writer.op("Add", writer.op("Sub", high, low), writer.constant(1))
    scales = _columns(writer, num, [3, 2] if columns > 3 else [2, 2])
    least = writer.op("Mul", scales, writer.constant(writer.param.proposal_param.min_size))
    fits = writer.op("Cast", writer.op("GreaterOrEqual", sides, least), to=FLOAT)
    is_large = writer.op("Cast", writer.op("ReduceMin", fits, axes=[2], keepdims=0), to=BOOL)
    return writer.op("Where", is_large, scores, writer.constant(LOWEST))


def _of_image(writer: Writer, image: int, boxes: str, scores: str) -> tuple[str, str]:
    """Write the rows (R, 5) of an image and their scores (R)."""
    proposer, at = writer.layer.proposer, writer.constant(image, np.int64)
    mine, best = (writer.op("Gather", value, at, axis=0) for value in (boxes, scores))
    if 0 < proposer.pre_nms < writer.layer.count * int(np.prod(writer.bottom_shapes[0][2:])):
        best, places = writer.ops_of("TopK", [best, writer.ints(proposer.pre_nms)], 2, axis=0)
        mine = writer.op("Gather", mine, places, axis=0)
    # corners belong to the box: it is a pixel larger than their difference
    whole = writer.op("Add", mine, writer.constant([0, 0, 1, 1]))
    chosen = writer.op(
        "NonMaxSuppression",
        *(writer.reshape(whole, 1, -1, 4), writer.reshape(best, 1, 1, -1)),
        *(writer.ints(proposer.post_nms or MOST), writer.constant([proposer.threshold]), writer.constant([LOWEST])),
    )
    place = writer.op("Gather", chosen, writer.constant(2, np.int64), axis=1)
    kept, score = (writer.op("Gather", value, place, axis=0) for value in (mine, best))
    number = writer.op("Mul", writer.reshape(score, -1, 1), writer.constant(0))
    return writer.op("Concat", writer.op("Add", number, writer.constant(image)), kept, axis=1), score
