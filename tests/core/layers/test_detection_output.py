from time import perf_counter

import numpy as np
import pytest

import caffelite
from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, layer_from, run_backward, run_forward, set_up
from caffelite.testing.reference_boxes import reference_detections

NMS = "nms_param { nms_threshold: 0.45 top_k: 400 }"


def detection(fields):
    return f'type: "DetectionOutput" detection_output_param {{ {fields} }}'


def boxes_for(count, images=2, classes=3, locations=1, seed=1):
    """Offsets, scores and priors, of which some overlap."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 0.6, (count, 2))
    priors = np.stack([np.concatenate([corners, corners + rng.uniform(0.2, 0.4, (count, 2))], 1), np.empty((count, 4))])
    priors[1] = rng.uniform(0.05, 0.3, (count, 4))
    loc = rng.normal(size=(images, count * locations * 4))
    conf = rng.permutation(images * count * classes).reshape(images, -1) / (images * count * classes)
    return loc, conf, priors.reshape(1, 2, -1)


@pytest.mark.parametrize("code_type", ["CORNER", "CENTER_SIZE", "CORNER_SIZE"])
@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ("", {}),
        ("confidence_threshold: 0.5", {"least": 0.5}),
        ("nms_param { nms_threshold: 0.45 top_k: 7 } keep_top_k: 5", {"threshold": 0.45, "top_k": 7, "keep": 5}),
        ("nms_param { nms_threshold: 0.9 eta: 0.7 }", {"threshold": 0.9, "eta": 0.7}),
        ("variance_encoded_in_target: true background_label_id: 2", {"encoded": True, "background": 2}),
        ("background_label_id: -1", {"background": -1}),
        ("clip: true", {"clip": True}),
        ("share_location: false keep_top_k: 12", {"share": False, "keep": 12}),
    ],
)
def test_equals_the_plain_loops(fields, options, code_type, dtype):
    loc, conf, priors = boxes_for(20, locations=1 if options.get("share", True) else 3)
    top = run_forward(
        detection(f"num_classes: 3 code_type: {code_type} {fields}"), *(blob_of(a, dtype) for a in (loc, conf, priors))
    )
    wanted = reference_detections(loc, conf, priors, classes=3, code_type=code_type, **options)
    assert top.shape == (1, 1, len(wanted), 7)
    np.testing.assert_allclose(top.data[0, 0], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("offsets", [False, True])
def test_refinedet_moves_the_priors_and_leaves_out_those_without_an_object(offsets, dtype):
    loc, conf, priors = boxes_for(20)
    rng = np.random.default_rng(5)
    arm = [rng.uniform(size=(2, 40)), *([rng.normal(size=(2, 80))] if offsets else [])]
    fields = "num_classes: 3 code_type: CENTER_SIZE objectness_score: 0.5 confidence_threshold: 0.1"
    top = run_forward(detection(fields), *(blob_of(a, dtype) for a in (loc, conf, priors, *arm)))
    options = {"classes": 3, "code_type": "CENTER_SIZE", "least": 0.1}
    wanted = reference_detections(loc, conf, priors, arm, objectness=0.5, **options)
    assert 0 < len(wanted) < len(reference_detections(loc, conf, priors, **options))
    np.testing.assert_allclose(top.data[0, 0], wanted, rtol=1e-4, atol=1e-5)


def test_rows_by_hand():
    priors = [[0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1, 0, 0, 0.5, 0.5], [0.1] * 12]
    loc = np.zeros(12)
    loc[:4] = 1  # the first prior moves by 0.1
    conf = [0.1, 0.9, 0.8, 0.2, 0.3, 0.7]
    top = run_forward(detection("num_classes: 2 confidence_threshold: 0.15"), [loc], [conf], [priors])
    wanted = [[0, 1, 0.9, 0.1, 0.1, 0.6, 0.6], [0, 1, 0.2, 0.5, 0.5, 1, 1]]  # 0.16 / 0.34 of the third overlaps
    np.testing.assert_allclose(top.data[0, 0], wanted)


def test_of_equal_scores_the_first_prior_comes_first():
    priors = [[0, 0, 0.1, 0.1, 0.3, 0.3, 0.4, 0.4, 0.6, 0.6, 0.7, 0.7], [0.1] * 12]
    top = run_forward(detection("num_classes: 2 keep_top_k: 2"), np.zeros((1, 12)), [[0.5, 0.5] * 3], [priors])
    np.testing.assert_allclose(top.data[0, 0, :, 3], [0, 0.3])


def test_a_score_at_the_threshold_is_left_out():
    bottom = np.zeros((1, 4)), [[0, 0.5]], [[[0, 0, 1, 1], [0.1] * 4]]
    assert run_forward(detection("num_classes: 2 confidence_threshold: 0.5"), *bottom).data[0, 0, 0, 1] == -1
    assert run_forward(detection("num_classes: 2 confidence_threshold: 0.499"), *bottom).data[0, 0, 0, 1] == 1


def test_no_box_gives_a_row_an_image(dtype):
    loc, conf, priors = (blob_of(a, dtype) for a in boxes_for(5, images=3))
    top = run_forward(detection("num_classes: 3 confidence_threshold: 2"), loc, conf, priors)
    np.testing.assert_array_equal(top.data, [[[[image] + [-1] * 6 for image in range(3)]]])


def test_no_priors_give_no_box():
    top = run_forward(detection("num_classes: 3"), np.zeros((2, 0)), np.zeros((2, 0)), np.zeros((1, 2, 0)))
    np.testing.assert_array_equal(top.data[0, 0], [[0] + [-1] * 6, [1] + [-1] * 6])


def test_the_top_follows_the_number_of_boxes_and_of_priors():
    layer = layer_from(detection("num_classes: 3"))
    bottom = [blob_of(a) for a in boxes_for(8)]
    top = set_up(layer, bottom)
    assert top[0].shape == (1, 1, 1, 7)
    for count, images in ((8, 2), (30, 1), (4, 3), (8, 2)):
        values = boxes_for(count, images)
        for blob, array in zip(bottom, values, strict=True):
            blob.reshape(*array.shape)
            blob.data[...] = array
        layer.reshape(bottom, top)
        layer.forward(bottom, top)
        np.testing.assert_allclose(top[0].data[0, 0], reference_detections(*values, classes=3))


def test_is_fast_enough_for_ssd300():
    loc, conf, priors = boxes_for(8732, images=1, classes=21)
    fields = f"num_classes: 21 code_type: CENTER_SIZE keep_top_k: 200 confidence_threshold: 0.01 {NMS}"
    layer, bottom = layer_from(detection(fields), np.float32), [blob_of(a, np.float32) for a in (loc, conf, priors)]
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    start = perf_counter()
    layer.forward(bottom, top)
    assert perf_counter() - start < 2  # 0.04 s on an idle core
    assert top[0].shape == (1, 1, 200, 7)


def test_has_no_gradient():
    layer, bottom = layer_from(detection("num_classes: 3")), [blob_of(a) for a in boxes_for(4)]
    top = set_up(layer, bottom)
    with pytest.raises(LayerError, match=r"propagate_down is true; DetectionOutput has no gradient"):
        run_backward(layer, bottom, top, [True, False, False])


SSD_NET = """
layer {{ name: "data" type: "Input" top: "data" top: "map" top: "loc" top: "conf" input_param {{
  shape {{ dim: 1 dim: 3 dim: 40 dim: 40 }} shape {{ dim: 1 dim: 2 dim: 2 dim: 2 }}
  shape {{ dim: 1 dim: 16 }} shape {{ dim: 1 dim: 8 }} }} }}
layer {{ name: "prior" type: "PriorBox" bottom: "map" bottom: "data" top: "prior" prior_box_param {{ min_size: 10 }} }}
layer {{ name: "found" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "prior" top: "found"
  detection_output_param {{ num_classes: 2 confidence_threshold: 0.5 {fields} }} }}
layer {{ name: "twice" type: "Power" bottom: "found" top: "found" power_param {{ scale: 2 }} }}
"""


def test_in_a_net_an_in_place_layer_above_follows_its_shape(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(SSD_NET.format(fields=""))
    net = caffelite.Net(str(path), caffelite.TEST)
    for scores, count in (([0, 1] * 4, 4), ([0, 0] * 4, 1), ([0, 1] * 2 + [0, 0] * 2, 2)):
        net.blobs["conf"].data[...] = [scores]
        found = net.forward()["found"]
        assert found.shape == (1, 1, count, 7)
        np.testing.assert_array_equal(found[0, 0, :, 1], [2 if any(scores) else -2] * count)


def test_says_that_it_writes_no_files(tmp_path, caplog):
    path = tmp_path / "net.prototxt"
    path.write_text(SSD_NET.format(fields='save_output_param { output_directory: "out" } visualize: true'))
    caffelite.Net(str(path), caffelite.TEST)
    text = "\n".join(caplog.messages)
    assert text.count("detection_output_param.save_output_param has no effect; results are not written to files") == 1
    assert text.count("detection_output_param.visualize has no effect; nothing is shown on a screen") == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", r"detection_output_param\.num_classes is not given; give the number of classes"),
        ("num_classes: 0", r"detection_output_param\.num_classes is 0;"),
        ("num_classes: 3 nms_param { nms_threshold: -1 }", r"nms_param\.nms_threshold is -1; use 0 or more"),
        ("num_classes: 3 nms_param { eta: 0 }", r"nms_param\.eta is 0; use more than 0, at most 1"),
        ("num_classes: 4", r"bottom\[1\] is 2 12 \(24\); 4 priors need N x 16 values, 4 each"),
        ("num_classes: 3 share_location: false", r"bottom\[0\] is 2 16 \(32\); 4 priors need N x 48 values, 12 each"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(detection(fields), *boxes_for(4))


def test_refuses_priors_of_another_shape():
    loc, conf, priors = boxes_for(4)
    with pytest.raises(LayerError, match=r"bottom\[2\] is 2 16 \(32\); priors are \(1, 2, P \* 4\)"):
        run_forward(detection("num_classes: 3"), loc, conf, priors[0])
    with pytest.raises(LayerError, match=r"bottom\[3\] is 2 4 \(8\); 4 priors need N x 8 values, 2 each"):
        run_forward(detection("num_classes: 3"), loc, conf, priors, np.zeros((2, 4)))


def test_values_that_are_not_finite_warn_of_nothing(dtype):
    priors = [[0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1, 0, 0, 0, 0], [0.1] * 12]
    loc = np.zeros((1, 12))
    loc[0, 2], loc[0, 11] = 1e4, np.inf  # the first box is as wide as can be, the last one nan
    bottom = [blob_of(values, dtype) for values in (loc, [[0, 0.9, 0, np.nan, 0, 0.5]], [priors])]
    fields = "num_classes: 2 code_type: CENTER_SIZE confidence_threshold: 0.1"
    found = run_forward(detection(fields), *bottom).data[0, 0]
    np.testing.assert_allclose(found[:, 2], [0.9, 0.5], rtol=1e-6)  # nan is not above the threshold
    assert found[0, 5] == np.inf and np.isnan(found[1, 6])
