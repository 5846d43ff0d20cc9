from math import exp

import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, layer_from, run_backward, run_forward, set_up
from caffelite.testing.reference_boxes import iou

BIASES = (0.75, 0.875, 2.5, 2.75)
FIELDS = f"num_classes: 3 num_box: 2 confidence_threshold: 0.3 biases: [{', '.join(map(str, BIASES))}]"


def yolo(fields=FIELDS):
    return f'type: "YoloDetectionOutput" yolo_detection_output_param {{ {fields} }}'


def sigmoid(x):
    return 1 / (1 + exp(-x))


def plain(bottoms, least=0.3, threshold=0.45, classes=3):
    found = []
    for maps in bottoms:
        images, _, height, width = maps.shape
        for image, j, i, n in np.ndindex(images, height, width, 2):
            tx, ty, tw, th, obj, *scores = maps[image, n * (5 + classes) : (n + 1) * (5 + classes), j, i]
            x, y = (i + sigmoid(tx)) / width, (j + sigmoid(ty)) / height
            w, h = exp(tw) * BIASES[2 * n] / width, exp(th) * BIASES[2 * n + 1] / height
            shares = [exp(score) / sum(map(exp, scores)) for score in scores]
            label = shares.index(max(shares))
            if sigmoid(obj) * shares[label] >= least:
                box = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
                found.append([0, label + 1, sigmoid(obj) * shares[label], *box])
    kept = []
    for row in sorted(found, key=lambda row: -row[2]):
        if all(iou(row[3:], other[3:]) < threshold for other in kept):
            kept.append(row)
    return np.array(kept)


def maps_of(*sizes, images=1, seed=2):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(images, 16, *size)) * 2 for size in sizes]


@pytest.mark.parametrize("sizes", [((5, 5),), ((3, 5), (6, 10))])
@pytest.mark.parametrize("images", [1, 2])
def test_equals_the_plain_loops(sizes, images, dtype):
    maps = maps_of(*sizes, images=images)
    top, wanted = run_forward(yolo(), *(blob_of(values, dtype) for values in maps)), plain(maps)
    assert top.shape == (1, 1, len(wanted), 7) and 5 < len(wanted)
    np.testing.assert_allclose(top.data[0, 0], wanted, rtol=1e-4, atol=1e-5)


def test_one_box_by_hand(dtype):
    maps = blob_of(np.array([0, 0, 0, 0, 50, 1, 3]).reshape(1, 7, 1, 1), dtype)
    top = run_forward(yolo("num_classes: 2 num_box: 1 biases: 0.5 biases: 1"), maps)
    np.testing.assert_allclose(top.data, [[[[0, 2, 1 / (1 + exp(-2)), 0.25, 0, 0.75, 1]]]], rtol=1e-6)


def test_a_score_at_the_threshold_counts():
    maps = np.array([0, 0, 0, 0, 0, 7]).reshape(1, 6, 1, 1)  # an object of 0.5, of the only class
    fields = "num_classes: 1 num_box: 1 biases: 0.5 biases: 1 confidence_threshold: 0.5"
    assert run_forward(yolo(fields), maps).data[0, 0, 0, 2] == 0.5


def test_nothing_found_gives_a_row_an_image_and_the_top_follows():
    layer, bottom = layer_from(yolo()), [blob_of(maps_of((4, 4))[0])]
    top = set_up(layer, bottom)
    assert top[0].shape == (1, 1, 1, 7)
    nothing = np.zeros((3, 16, 2, 2)) - 9
    for maps in (maps_of((4, 4))[0], maps_of((2, 3))[0], nothing):
        bottom[0].reshape(*maps.shape)
        bottom[0].data[...] = maps
        layer.reshape(bottom, top)
        layer.forward(bottom, top)
        if maps is not nothing:
            np.testing.assert_allclose(top[0].data[0, 0], plain([maps]))
    np.testing.assert_array_equal(top[0].data[0, 0], [[image] + [-1] * 6 for image in range(3)])


def test_has_no_gradient():
    layer, bottom = layer_from(yolo()), [blob_of(maps_of((4, 4))[0])]
    with pytest.raises(LayerError, match=r"propagate_down is true; YoloDetectionOutput has no gradient"):
        run_backward(layer, bottom, set_up(layer, bottom), [True])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_classes: 3", "", r"yolo_detection_output_param\.num_classes is not given; give the number of classes"),
        (
            "num_classes: 3",
            "num_classes: 2",
            r"bottom\[0\] is 1 16 4 4 \(256\); 2 boxes of 5 \+ 2 numbers need \(N, 14,",
        ),
        ("num_box: 2", "num_box: 3", r"biases is given 4 times; give width and height of 3 boxes"),
        ("num_box: 2", "num_box: 0", r"num_box is 0; use 1 or more"),
        ("num_box: 2", "num_box: 2 coords: 5", r"coords is 5; a box has 4"),
    ],
)
def test_refuses(old, new, message):
    with pytest.raises(LayerError, match=message):
        run_forward(yolo(FIELDS.replace(old, new)), *maps_of((4, 4)))


def test_values_that_are_not_finite_warn_of_nothing_and_leave_the_other_boxes_as_they_are(dtype):
    (maps,) = maps_of((4, 4))
    spoilt = maps.copy()
    spoilt[0, 4, 1, 1], spoilt[0, 5, 2, 2], spoilt[0, 6, 3, 3] = -1e5, np.inf, np.nan
    clear = maps.copy()
    clear[0, 4, 1, 1] = clear[0, 4, 2, 2] = clear[0, 4, 3, 3] = -1e5  # no box of the first anchor there
    found, wanted = (run_forward(yolo(), blob_of(values, dtype)).data[0, 0] for values in (spoilt, clear))
    finite = found[np.isfinite(found).all(axis=1)]
    assert all((np.abs(finite - row).max(axis=1) < 1e-6).any() for row in wanted)
