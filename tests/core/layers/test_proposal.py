import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.core.layers.shared.proposals import make_anchors
from caffelite.testing import blob_of, layer_from, run_backward, run_forward, set_up
from caffelite.testing.reference_boxes import reference_proposals

SIZES = "ratio: 0.5 ratio: 2 scale: 1 scale: 2"
FIELDS = f"{SIZES} base_size: 8 feat_stride: 8 min_size: 4 nms_thresh: 0.5"
INFO = np.array([[40.0, 45.0, 1.5, 2.0], [32.0, 48.0, 1.0, 1.0]])


def proposal(fields):
    return f'type: "Proposal" proposal_param {{ {fields} }}'


def network_output(height=5, width=6, images=2, anchors=4, seed=3):
    rng = np.random.default_rng(seed)
    shape = (images, 2 * anchors, height, width)
    count = int(np.prod(shape))
    scores = rng.permutation(count).reshape(shape) / count
    return scores, rng.normal(size=(images, 4 * anchors, height, width)) * 0.3, INFO[:images]


def expected(scores, deltas, info, pre=6000, post=300):
    """Rows image, x1, y1, x2, y2, score."""
    anchors = make_anchors(8, (0.5, 2), (1, 2), lambda value: int(value + 0.5))
    rows = []
    for image in range(len(scores)):
        least = (4 * info[image, 2], 4 * info[image, 3])
        args = (scores[image, 4:], deltas[image], anchors, 8, info[image, :2], least)
        rows += [[image, *row] for row in reference_proposals(*args, pre, post, 0.5)]
    return np.array(rows)


@pytest.mark.parametrize(
    ("fields", "options"),
    [("", {}), ("pre_nms_topn: 30", {"pre": 30}), ("pre_nms_topn: 50 post_nms_topn: 7", {"pre": 50, "post": 7})],
)
def test_equals_the_plain_loop(fields, options, dtype):
    values = network_output()
    rois, scores = run_forward(proposal(f"{FIELDS} {fields}"), *(blob_of(a, dtype) for a in values), top_count=2)
    wanted = expected(*values, **options)
    assert rois.shape == (len(wanted), 5) and scores.shape == (len(wanted),)
    np.testing.assert_allclose(rois.data, wanted[:, :5], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(scores.data, wanted[:, 5], rtol=1e-6)


def test_one_anchor_by_hand(dtype):
    scores, deltas, info = np.array([[[[0.2]], [[0.8]]]]), np.zeros((1, 4, 1, 1)), [[100, 100, 1]]
    scores, deltas, info = (blob_of(values, dtype) for values in (scores, deltas, info))
    top = run_forward(proposal("ratio: 1 scale: 2"), scores, deltas, info)
    # 32 pixels around 7.5 are -8 to 23; with the half of a width that is one pixel more, 24; then cut at 0
    np.testing.assert_allclose(top.data, [[0, 0, 0, 24, 24]])


def test_three_columns_of_the_image_scale_both_sides():
    scores, deltas, info = network_output()
    same = np.column_stack([info[:, :3], info[:, 2]])
    one, other = (run_forward(proposal(FIELDS), scores, deltas, rows) for rows in (info[:, :3], same))
    np.testing.assert_array_equal(one.data, other.data)


def test_the_tops_follow_the_number_of_boxes():
    layer = layer_from(proposal(FIELDS))
    bottom = [blob_of(values) for values in network_output()]
    top = set_up(layer, bottom, 2)
    assert [blob.shape for blob in top] == [(600, 5), (600,)]
    for height, width, images in ((3, 4, 1), (5, 6, 2), (0, 6, 1), (2, 2, 2)):
        values = network_output(height, width, images)
        for blob, array in zip(bottom, values, strict=True):
            blob.reshape(*array.shape)
            blob.data[...] = array
        layer.reshape(bottom, top)
        layer.forward(bottom, top)
        wanted = expected(*values).reshape(-1, 6)
        np.testing.assert_allclose(top[0].data, wanted[:, :5])
        np.testing.assert_allclose(top[1].data, wanted[:, 5])


def test_huaweis_name_of_the_threshold():
    values = network_output()
    for threshold in (0.2, 0.9):
        one, other = (
            run_forward(proposal(FIELDS.replace("nms_thresh: 0.5", f"{name}: {threshold}")), *values).data.copy()
            for name in ("iou_threshold", "nms_thresh")
        )
        np.testing.assert_array_equal(one, other)
        assert len(one) != len(run_forward(proposal(FIELDS), *values).data)


def test_no_box_is_large_enough():
    top = run_forward(proposal(FIELDS.replace("min_size: 4", "min_size: 100")), *network_output())
    assert top.shape == (0, 5)


def test_has_no_gradient():
    layer, bottom = layer_from(proposal(FIELDS)), [blob_of(values) for values in network_output()]
    with pytest.raises(LayerError, match=r"propagate_down is true; Proposal has no gradient"):
        run_backward(layer, bottom, set_up(layer, bottom), [True, False, False])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("scale: 8", r"proposal_param\.ratio is not given; give one or more, as 0\.5, 1 and 2"),
        ("ratio: 1", r"proposal_param\.scale is not given"),
        ("ratio: 1 scale: -8", r"proposal_param\.scale is -8; it must be above 0"),
        (f"{SIZES} output_actual_rois_num: true", r"proposal_param\.output_actual_rois_num is true; leave it out"),
        (f"{SIZES} feat_stride: 0", r"proposal_param\.feat_stride is 0; use 1 or more"),
        (f"{SIZES} post_nms_topn: 0", r"proposal_param\.post_nms_topn is 0; use 1 or more"),
        ("ratio: 1 scale: 8", r"bottom\[0\] is 2 8 5 6 \(480\); 1 anchors need \(N, 2, height, width\)"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(proposal(fields), *network_output())


def test_refuses_other_shapes():
    scores, deltas, info = network_output()
    with pytest.raises(LayerError, match=r"bottom\[1\] is 2 16 4 6 \(768\); 4 anchors need \(N, 16, height, width\)"):
        run_forward(proposal(FIELDS), scores, deltas[:, :, 1:], info)
    with pytest.raises(LayerError, match=r"bottom\[2\] is 2 2 \(4\); give height, width and scales of each image"):
        run_forward(proposal(FIELDS), scores, deltas, info[:, :2])


def test_boxes_that_are_not_finite_are_left_out(dtype):
    scores, deltas, info = network_output(images=1)
    deltas[0, 0, 2, 3], deltas[0, 2, 1, 1] = np.nan, 1e5  # no box, and one as wide as the image
    top = run_forward(proposal(FIELDS), *(blob_of(values, dtype) for values in (scores, deltas, info)))
    assert len(top.data) and np.isfinite(top.data).all()
