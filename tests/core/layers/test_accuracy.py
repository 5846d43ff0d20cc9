import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, layer_from, run_forward, set_up

SCORES = np.array([[1, 1, 0], [0, 2, 1], [3, 1, 2], [1, 1, 1], [0, 5, 4]], float)
LABELS = np.array([0, 1, 2, 1, 1], float)


def accuracy(fields, scores=SCORES, labels=LABELS, tops=2):
    top = run_forward(f'type: "Accuracy" accuracy_param {{ {fields} }}', scores, labels, top_count=tops)
    return (top[0].data, top[1].data) if tops == 2 else top.data


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("accuracy")


@pytest.mark.parametrize(
    ("fields", "share", "by_class"),
    [
        ("top_k: 1", 0.4, [0, 2 / 3, 0]),
        ("top_k: 2", 0.8, [1, 2 / 3, 1]),
        ("top_k: 3", 1, [1, 1, 1]),
        ("top_k: 0", 0, [0, 0, 0]),
        ("ignore_label: 1", 0, [0, 0, 0]),
    ],
)
def test_share_and_share_by_class(fields, share, by_class):
    total, classes = accuracy(fields)
    assert total == pytest.approx(share)
    np.testing.assert_allclose(classes, by_class)


def test_nothing_counted_is_0():
    total, classes = accuracy("ignore_label: -1", labels=np.full(5, -1.0))
    assert total == 0 and not classes.any()


def test_nan_is_never_right_and_beats_nobody():
    scores = np.array([[np.nan, 1], [np.nan, 1]])
    np.testing.assert_array_equal(accuracy("", scores, np.array([0.0, 1.0]))[1], [0, 1])
    total, _ = accuracy("", np.full((4, 3), np.nan), np.arange(4.0) % 3)
    assert total == 0


@pytest.mark.parametrize("top_k", [1, 3])
def test_ignored_items_among_many(top_k):
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=(100, 10)), rng.integers(0, 10, 100)
    labels[[2, 5, 32]] = -1
    counted = labels >= 0
    right = np.array([(row > row[label]).sum() < top_k for row, label in zip(scores, labels, strict=True)]) & counted
    total, classes = accuracy(f"top_k: {top_k} ignore_label: -1", scores, labels)
    assert total == pytest.approx(right.sum() / 97)
    by_class = [right[labels == c].mean() if (labels == c).any() else 0 for c in range(10)]
    np.testing.assert_allclose(classes, by_class)


def test_classes_on_another_axis():
    scores = SCORES.T.reshape(1, 3, 5)
    assert accuracy("", scores, LABELS.reshape(1, 5), tops=1) == pytest.approx(0.4)
    assert accuracy("axis: -2", scores, LABELS, tops=1) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("fields", "labels", "message"),
    [
        ("top_k: 4", LABELS, r"accuracy_param\.top_k is 4; there are 3 classes"),
        ("", LABELS[:4], r"bottom\[1\] is 4 \(4\); .* scores of 5 3 \(15\) with classes on axis 1 need 5 labels"),
        ("", LABELS + 1, r"label 2 of bottom\[1\] is 3; there are 3 classes, so labels are 0 to 2"),
        ("", LABELS - 1, r"label 0 of bottom\[1\] is -1"),
        ("", LABELS * np.nan, r"label 0 of bottom\[1\] is nan"),
        ("axis: 2", LABELS, r"accuracy_param\.axis is 2"),
    ],
)
def test_refusals(fields, labels, message):
    with pytest.raises(LayerError, match=message):
        accuracy(fields, labels=labels)


@pytest.mark.parametrize("flags", [[True, False], [False, True]])
def test_refuses_a_gradient(flags):
    layer, bottoms = layer_from('type: "Accuracy"'), [blob_of(SCORES), blob_of(LABELS)]
    top = set_up(layer, bottoms)
    with pytest.raises(LayerError, match="Accuracy has no gradient"):
        layer.backward(top, flags, bottoms)
