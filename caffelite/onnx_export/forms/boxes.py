"""Forms of the detectors' layers: priors, regions, and the choice among boxes by NonMaxSuppression."""

from __future__ import annotations

import numpy as np

from caffelite.onnx_export.form import form
from caffelite.onnx_export.forms.activations import FLOAT, INT64
from caffelite.onnx_export.writer import Writer
from caffelite.proto.caffe_pb2 import PriorBoxParameter

LOWEST = float(np.finfo(np.float32).min)


@form("PriorBox")
def prior_box(writer: Writer) -> str:
    """Write the boxes as a constant: they depend on sizes alone, which are fixed by that."""
    return writer.constant(writer.layer.values)


@form("ROIPooling")
def roi_pooling(writer: Writer) -> str:
    """Write MaxRoiPool."""
    layer = writer.layer
    across, down = layer.scales
    if across != down:
        raise writer.error("roi_pooling_param.spatial_scale_h", f"{down:g}", f"use {across:g}, as across")
    regions = writer.reshape(writer.bottoms[1], -1, 5)
    shape = [layer.pooled_h, layer.pooled_w]
    return writer.op("MaxRoiPool", writer.bottom, regions, pooled_shape=shape, spatial_scale=across)


@form("ROIAlign")
def roi_align(writer: Writer) -> str:
    """Write RoiAlign."""
    param = writer.param.roi_align_param
    regions = writer.reshape(writer.bottoms[1], -1, 5)
    image, corners = writer.ops_of("Split", [regions, writer.ints(1, 4)], 2, axis=1)
    number = writer.op("Cast", writer.reshape(image, -1), to=INT64)
    return writer.op(
        "RoiAlign",
        *(writer.bottom, corners, number),
        output_height=param.pooled_h,
        output_width=param.pooled_w,
        sampling_ratio=max(param.sampling_ratio, 0),
        spatial_scale=param.spatial_scale,
    )


@form("DetectionOutput")
def detection_output(writer: Writer) -> str:
    """Write the decoding of the boxes and, for each image of the batch, whose number that fixes, the choice."""
    layer = writer.layer
    if layer.nms.eta != 1:
        raise writer.error("detection_output_param.nms_param.eta", f"{layer.nms.eta:g}", "use 1, or leave it out")
    num = writer.bottom_shapes[0][0]
    boxes, scores = _boxes(writer, num), _scores(writer, num)
    rows = [
        _of_image(writer, image, *(_part(writer, value, image, num) for value in (boxes, scores)))
        for image in range(num)
    ]
    joined = rows[0] if num == 1 else writer.op("Concat", *rows, axis=0)
    writer.loosen(0, 2)
    return writer.op("Unsqueeze", or_none(writer, joined, num), writer.ints(0, 1))


def _part(writer: Writer, value: str, image: int, num: int) -> str:
    if num == 1:
        return value
    return writer.op("Slice", value, writer.ints(image), writer.ints(image + 1), writer.ints(0))


def _boxes(writer: Writer, num: int) -> str:
    """Write the boxes of all priors: (num, L, P, 4), L being 1 or the number of classes."""
    layer = writer.layer
    both = writer.reshape(writer.bottoms[2], 2, 1, layer.priors, 4)
    priors, variances = writer.ops_of("Split", [both, writer.ints(1, 1)], 2, axis=0)
    spread = None if layer.param.variance_encoded_in_target else variances
    if len(writer.bottoms) > 4:
        offsets = writer.reshape(writer.bottoms[4], num, 1, layer.priors, 4)
        priors = _decoded(writer, offsets, priors, spread)
    offsets = writer.reshape(writer.bottom, num, layer.priors, layer.locations, 4)
    boxes = _decoded(writer, writer.op("Transpose", offsets, perm=[0, 2, 1, 3]), priors, spread)
    return writer.op("Clip", boxes, writer.constant(0), writer.constant(1)) if layer.param.clip else boxes


def _decoded(writer: Writer, offsets: str, priors: str, variances: str | None) -> str:
    """Write the boxes that offsets say, all (N, L, P, 4); see layers/shared/box_coding.py."""
    code_type = writer.layer.param.code_type
    scaled = offsets if variances is None else writer.op("Mul", offsets, variances)
    if code_type == PriorBoxParameter.CORNER:
        return writer.op("Add", priors, scaled)
    halves = writer.ints(2, 2)
    low, high = writer.ops_of("Split", [priors, halves], 2, axis=3)
    sizes = writer.op("Sub", high, low)
    if code_type == PriorBoxParameter.CORNER_SIZE:
        both = writer.op("Concat", sizes, sizes, axis=3)
        return writer.op("Add", priors, writer.op("Mul", scaled, both))
    half = writer.constant(0.5)
    move, ratio = writer.ops_of("Split", [scaled, halves], 2, axis=3)
    middle = writer.op("Mul", writer.op("Add", low, high), half)
    centre = writer.op("Add", middle, writer.op("Mul", move, sizes))
    reach = writer.op("Mul", writer.op("Mul", writer.op("Exp", ratio), sizes), half)
    return writer.op("Concat", writer.op("Sub", centre, reach), writer.op("Add", centre, reach), axis=3)


def _scores(writer: Writer, num: int) -> str:
    """Write the scores (num, P, classes); those of priors without an object are 0, their background 1."""
    layer = writer.layer
    scores = writer.reshape(writer.bottoms[1], num, layer.priors, layer.classes)
    if len(writer.bottoms) < 4:
        return scores
    objects = writer.reshape(writer.bottoms[3], num, layer.priors, 2)
    score = writer.op("Slice", objects, writer.ints(1), writer.ints(2), writer.ints(2))
    empty = writer.op("Less", score, writer.constant(layer.param.objectness_score))
    background = np.arange(layer.classes) == layer.param.background_label_id
    return writer.op("Where", empty, writer.constant(background), scores)


def _of_image(writer: Writer, image: int, boxes: str, scores: str) -> str:
    """Write the rows (K, 7) of an image, from its boxes (1, L, P, 4) and scores (1, P, classes)."""
    layer = writer.layer
    labels = [label for label in range(layer.classes) if label != layer.param.background_label_id]
    scores = writer.op("Gather", writer.op("Transpose", scores, perm=[0, 2, 1]), writer.ints(*labels), axis=1)
    shared = layer.param.share_location
    if not shared:  # to NonMaxSuppression each class is an image
        boxes = writer.op("Gather", boxes, writer.ints(*labels), axis=1)
        scores = writer.op("Transpose", scores, perm=[1, 0, 2])
    chosen = _suppressed(writer, writer.reshape(boxes, -1, layer.priors, 4), scores)
    label, prior = (writer.op("Gather", chosen, writer.constant(at, np.int64), axis=1) for at in (int(shared), 2))
    place = writer.op("Add", writer.op("Mul", label, writer.ints(layer.priors)), prior)
    columns = [
        writer.op("Gather", writer.constant(labels), label, axis=0),
        writer.op("Gather", writer.reshape(scores, -1), place, axis=0),
    ]
    columns = [writer.reshape(column, -1, 1) for column in columns]
    number = writer.op("Add", writer.op("Mul", columns[0], writer.constant(0)), writer.constant(image))
    corners = writer.op("Gather", writer.reshape(boxes, -1, 4), prior if shared else place, axis=0)
    return _best(writer, writer.op("Concat", number, *columns, corners, axis=1), columns[1])


def _suppressed(writer: Writer, boxes: str, scores: str) -> str:
    """Write which boxes are kept, class by class, the best first; before that only top_k of each class are left."""
    layer = writer.layer
    least = LOWEST if np.isinf(layer.least) else layer.least
    if 0 <= layer.top_k < layer.priors:
        values, places = writer.ops_of("TopK", [scores, writer.ints(layer.top_k)], 2, axis=2)
        nothing = writer.op("Expand", writer.constant(LOWEST), writer.op("Shape", scores))
        scores = writer.op("ScatterElements", nothing, places, values, axis=2)
    limits = writer.ints(layer.priors), writer.constant([layer.nms.nms_threshold]), writer.constant([least])
    return writer.op("NonMaxSuppression", boxes, scores, *limits)


def _best(writer: Writer, rows: str, scores: str) -> str:
    """Write the rows of the keep_top_k best scores, in their order.

    A row more, with the least of scores, is there until the end: OpenCV sorts nothing that is empty.
    """
    keep = writer.layer.param.keep_top_k
    if keep < 0:
        return rows
    flat = writer.reshape(scores, -1)
    count = writer.op("Min", writer.op("Shape", flat), writer.ints(keep))
    some = writer.op("Max", count, writer.ints(1))
    flat = writer.op("Concat", flat, writer.constant([LOWEST]), axis=0)
    rows = writer.op("Concat", rows, writer.constant(np.zeros((1, 7))), axis=0)
    _, places = writer.ops_of("TopK", [flat, some], 2, axis=0)
    ordered, _ = writer.ops_of("TopK", [writer.op("Cast", places, to=FLOAT), some], 2, axis=0, largest=0)
    best = writer.op("Gather", rows, writer.op("Cast", ordered, to=INT64), axis=0)
    return writer.op("Slice", best, writer.ints(0), count)


def or_none(writer: Writer, rows: str, num: int) -> str:
    """Write the rows, or if there are none Caffe's -1 with the number of each image."""
    nothing = np.full((num, 7), -1)
    nothing[:, 0] = np.arange(num)
    count = writer.op("Slice", writer.op("Shape", rows), writer.ints(0), writer.ints(1))
    is_none = writer.op("Cast", writer.op("Equal", count, writer.ints(0)), to=INT64)
    end = writer.op("Add", count, writer.op("Mul", is_none, writer.ints(num)))
    return writer.op("Slice", writer.op("Concat", rows, writer.constant(nothing), axis=0), writer.ints(0), end)
