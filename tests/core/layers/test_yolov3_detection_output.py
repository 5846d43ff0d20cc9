from math import exp

import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, layer_from, run_backward, run_forward, set_up
from caffelite.testing.reference_boxes import iou

BIASES = (10, 14, 23, 27, 37, 58, 81, 82)
FIELDS = (
    "num_classes: 3 num_box: 2 mask_group_num: 2 mask: [2, 3, 0, 1] anchors_scale: 32 anchors_scale: 16 "
    f"confidence_threshold: 0.3 biases: [{', '.join(map(str, BIASES))}]"
)


def yolo(fields=FIELDS):
    return f'type: "Yolov3DetectionOutput" yolov3_detection_output_param {{ {fields} }}'


def sigmoid(x):
    return 1 / (1 + exp(-x))


def plain(bottoms, least=0.3, threshold=0.45, mask=((2, 3), (0, 1)), scales=(32, 16), classes=3):
    found = []
    for maps, anchors, scale in zip(bottoms, mask, scales, strict=False):
        images, _, height, width = maps.shape
        for image, j, i, number in np.ndindex(images, height, width, len(anchors)):
            tx, ty, tw, th, obj, *scores = maps[image, number * (5 + classes) : (number + 1) * (5 + classes), j, i]
            bias_w, bias_h = BIASES[2 * anchors[number] : 2 * anchors[number] + 2]
            x, y = (i + sigmoid(tx)) / width, (j + sigmoid(ty)) / height
            w, h = exp(tw) * bias_w / (width * scale), exp(th) * bias_h / (height * scale)
            for label, score in enumerate(scores):
                if sigmoid(obj) * sigmoid(score) > least:
                    box = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
                    found.append([0, label + 1, sigmoid(obj) * sigmoid(score), *box])
    kept = []
    for row in sorted(found, key=lambda row: -row[2]):
        if all(iou(row[3:], other[3:]) < threshold for other in kept):
            kept.append(row)
    return np.array(kept)


def maps_of(*sizes, images=1, seed=2):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(images, 16, *size)) for size in sizes]


@pytest.mark.parametrize("sizes", [((3, 3), (6, 6)), ((2, 4), (4, 8))])
@pytest.mark.parametrize("images", [1, 2])
def test_equals_the_plain_loops(sizes, images, dtype):
    maps = maps_of(*sizes, images=images)
    top, wanted = run_forward(yolo(), *(blob_of(values, dtype) for values in maps)), plain(maps)
    assert top.shape == (1, 1, len(wanted), 7) and 5 < len(wanted)
    np.testing.assert_allclose(top.data[0, 0], wanted, rtol=1e-4, atol=1e-5)


def test_one_map():
    fields = FIELDS.replace("mask_group_num: 2 mask: [2, 3, 0, 1]", "mask_group_num: 1 mask: [2, 3]")
    maps = maps_of((4, 4))
    top = run_forward(yolo(f"{fields} nms_threshold: 0.2"), *maps)
    np.testing.assert_allclose(top.data[0, 0], plain(maps, threshold=0.2))


def test_boxes_of_different_classes_compete(dtype):
    maps = np.full((1, 8, 1, 1), -9.0)
    maps[0, :5] = 0
    maps[0, 4:7] = 9  # an object, of two classes
    fields = "num_classes: 3 num_box: 1 mask_group_num: 1 mask: 0 anchors_scale: 32 biases: 16 biases: 32"
    top = run_forward(yolo(fields), blob_of(maps, dtype))
    np.testing.assert_allclose(top.data, [[[[0, 1, sigmoid(9) ** 2, 0.25, 0, 0.75, 1]]]], rtol=1e-5)


def test_nothing_found_gives_a_row_an_image_and_the_top_follows():
    layer, bottom = layer_from(yolo()), [blob_of(values) for values in maps_of((2, 2), (4, 4))]
    top = set_up(layer, bottom)
    assert top[0].shape == (1, 1, 1, 7)
    for maps in (maps_of((2, 2), (4, 4)), [values * 0 - 9 for values in maps_of((1, 1), (2, 2), images=3)]):
        for blob, values in zip(bottom, maps, strict=True):
            blob.reshape(*values.shape)
            blob.data[...] = values
        layer.reshape(bottom, top)
        layer.forward(bottom, top)
        if len(maps[0]) == 1:
            np.testing.assert_allclose(top[0].data[0, 0], plain(maps))
    np.testing.assert_array_equal(top[0].data[0, 0], [[image] + [-1] * 6 for image in range(3)])


def test_has_no_gradient():
    layer, bottom = layer_from(yolo()), [blob_of(values) for values in maps_of((2, 2), (4, 4))]
    with pytest.raises(LayerError, match=r"propagate_down is true; Yolov3DetectionOutput has no gradient"):
        run_backward(layer, bottom, set_up(layer, bottom), [True, False])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_classes: 3", "", r"yolov3_detection_output_param\.num_classes is not given; give the number of classes"),
        ("num_classes: 3", "num_classes: 0", r"num_classes is 0; give"),
        (
            "num_classes: 3",
            "num_classes: 4",
            r"bottom\[0\] is 1 16 2 2 \(64\); 2 boxes of 5 \+ 4 numbers need \(N, 18,",
        ),
        ("mask_group_num: 2", "mask_group_num: 3", r"mask_group_num is 3; there are 2 bottoms"),
        ("mask: [2, 3, 0, 1]", "mask: [2, 3, 0]", r"mask is given 3 times; num_box 2 and 2 bottoms need 4"),
        ("num_box: 2", "num_box: 0", r"mask is given 4 times; num_box 0 and 2 bottoms need 0, and 1 or more"),
        ("anchors_scale: 16", "", r"anchors_scale is \[32\]; give pixels of the image for one of each bottom"),
        ("mask: [2, 3, 0, 1]", "mask: [2, 4, 0, 1]", r"biases is given 8 times; give width and height of 5 boxes"),
        ("num_box: 2", "num_box: 2 gaussian_box: true", r"gaussian_box is true; only plain boxes are known here"),
    ],
)
def test_refuses(old, new, message):
    with pytest.raises(LayerError, match=message):
        run_forward(yolo(FIELDS.replace(old, new)), *maps_of((2, 2), (4, 4)))


def test_values_that_are_not_finite_warn_of_nothing_and_leave_the_other_boxes_as_they_are(dtype):
    maps = maps_of((2, 2), (4, 4))
    maps[0][0, 4, 0, 0] = maps[1][0, 4, 0, 0] = -1e5  # no box of the first anchor there
    spoilt = [values.copy() for values in maps]
    spoilt[0][0, 2, 0, 0], spoilt[1][0, 3, 0, 0] = 1e5, np.nan
    found, wanted = (run_forward(yolo(), *(blob_of(one, dtype) for one in all_)).data for all_ in (spoilt, maps))
    np.testing.assert_array_equal(found, wanted)
