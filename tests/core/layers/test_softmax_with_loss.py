import numpy as np
import pytest

from caffelite.core.errors import LayerError, UsageError
from caffelite.proto.caffe_pb2 import TEST, TRAIN
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

SCORES = np.reshape([1, 0, 2, 0, 3, 0, 0, 1, 0, -1, 0, 2], (2, 3, 2))
LABELS = [[0, 1], [2, 1]]
RNG = np.random.default_rng(1)
PLAIN = [
    -0.454984713, 0.166666667, 0.122364236, -0.333333333, 0.332620478, 0.166666667,
    0.166666667, 0.12974823, 0.166666667, -0.482440487, -0.333333333, 0.352692256,
]  # fmt: skip
WITHOUT_2 = np.array(PLAIN) * [1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 1]
WITHOUT_1 = [-0.909969427, 0, 0.244728471, 0, 0.665240956, 0, 0.333333333, 0, 0.333333333, 0, -0.666666667, 0]


def loss(fields=""):
    return f'type: "SoftmaxWithLoss" {fields}'


@pytest.mark.parametrize("name", ["", "_batch_size", "_full", "_none", "_spatial_ignore"])
def test_equals_caffe(assert_equals_golden, name):
    assert_equals_golden(f"softmax_loss{name}")


@pytest.mark.parametrize(
    ("fields", "want", "diff"),
    [
        ("", 1.98846069, PLAIN),
        ("ignore_label: 2 normalization: FULL", 1.71380762, WITHOUT_2),
        ("ignore_label: 2 normalization: VALID", 2.28507682, WITHOUT_2 * 4 / 3),
        ("ignore_label: 2 normalization: BATCH_SIZE", 3.42761523, WITHOUT_2 * 2),
        ("ignore_label: 2 normalization: NONE", 6.85523047, WITHOUT_2 * 4),
        ("ignore_label: 1", 1.75310913, WITHOUT_1),
        ("ignore_label: 1 normalization: FULL", 0.876554563, np.array(WITHOUT_1) / 2),
        ("normalize: false", 3.97692138, np.array(PLAIN) * 2),
        ("normalization: FULL normalize: false", 1.98846069, PLAIN),
        ("ignore_label: 7", 1.98846069, PLAIN),
    ],
)
def test_loss_param(fields, want, diff, dtype):
    layer = layer_from(loss(f"loss_weight: 2 loss_param {{ {fields} }}"), dtype)
    bottoms = [blob_of(SCORES, dtype), blob_of(LABELS, dtype)]
    top = run_forward(layer, *bottoms)
    assert top.shape == ()
    np.testing.assert_allclose(top.data, want, rtol=1e-6)
    run_backward(layer, bottoms, [top])
    np.testing.assert_allclose(bottoms[0].diff.ravel(), diff, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("mode", ["FULL", "VALID", "BATCH_SIZE", "NONE"])
def test_all_labels_ignored(mode, dtype):
    layer = layer_from(loss(f"loss_param {{ ignore_label: 2 normalization: {mode} }}"), dtype)
    bottoms = [blob_of(SCORES, dtype), blob_of(np.full((2, 2), 2), dtype)]
    top = run_forward(layer, *bottoms)
    assert top.data == 0
    run_backward(layer, bottoms, [top])
    assert (bottoms[0].diff == 0).all()


def test_a_vanishing_probability_is_bounded(dtype):
    layer, bottoms = layer_from(loss(), dtype), [blob_of([[200, 0]], dtype), blob_of([1], dtype)]
    top = run_forward(layer, *bottoms)
    np.testing.assert_allclose(top.data, 87.3365448, rtol=1e-6)
    run_backward(layer, bottoms, [top])
    np.testing.assert_allclose(bottoms[0].diff, [[1, -1]])


def test_scores_that_are_not_numbers_give_a_loss_that_is_none(dtype):
    assert np.isnan(run_forward(loss(), blob_of([[np.nan, 0]], dtype), blob_of([0], dtype)).data)


def test_last_axis_and_a_negative_label_to_ignore(dtype):
    layer = layer_from(
        loss("softmax_param { axis: -1 } loss_param { ignore_label: -1 normalization: BATCH_SIZE }"), dtype
    )
    scores = np.reshape([1, 2, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0], (2, 2, 3))
    bottoms = [blob_of(scores, dtype), blob_of([[2, 0], [-1, 1]], dtype)]
    top = run_forward(layer, *bottoms)
    np.testing.assert_allclose(top.data, 0.436440755, rtol=1e-6)
    run_backward(layer, bottoms, [top])
    want = [0.0225076433, 0.0611821178, -0.0836897611, -0.166666667, 0.0833333333, 0.0833333333]
    want += [0, 0, 0, 0.0266267447, -0.0532534895, 0.0266267447]
    np.testing.assert_allclose(bottoms[0].diff.ravel(), want, rtol=1e-5, atol=1e-8)


def test_labels_are_cut_off():
    top = run_forward(loss(), [[1, 2, 3], [1, 2, 3]], [1.9, -0.7])
    np.testing.assert_allclose(top.data, 1.90760596, rtol=1e-6)


@pytest.mark.parametrize(("weights", "want"), [("", [1, 0]), ("loss_weight: 3 loss_weight: 0.5", [3, 0.5])])
def test_a_second_top_holds_the_probabilities(weights, want, dtype):
    layer, bottoms = layer_from(loss(weights), dtype), [blob_of([[1, 2, 3]], dtype), blob_of([0], dtype)]
    top = run_forward(layer, *bottoms, top_count=2)
    np.testing.assert_allclose(top[1].data, [[0.0900305732, 0.244728471, 0.665240956]], rtol=1e-6)
    assert [float(blob.diff.flat[0]) for blob in top] == want


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 1, 1, 1)])
def test_only_the_number_of_labels_counts(shape):
    scores = RNG.normal(size=(6, 3))
    value = run_forward(loss(), scores, np.zeros(shape)).data.item()
    assert value == pytest.approx(np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[:, 0]))


@pytest.mark.parametrize(
    "fields", ["loss_weight: 3", "loss_param { ignore_label: 0 }", "loss_param { normalize: false }"]
)
def test_gradient(fields):
    scores, labels = RNG.normal(size=(3, 4, 2, 2)), RNG.integers(0, 4, (3, 1, 2, 2))
    check_gradient(loss(fields), [scores, labels], step=1e-4, threshold=1e-6, objective="loss")


@pytest.mark.parametrize(
    ("shapes", "fields", "message"),
    [
        ([(2, 3, 2), (2, 3)], "", r"bottom\[1\] is 2 3 \(6\); Number of labels must match number of predictions"),
        (
            [(3, 2), (2,)],
            "softmax_param { axis: 0 }",
            r"bottom\[1\] is 2 \(2\); predictions and labels must be equally",
        ),
        ([(3,), (3,)], "", r"softmax_param\.axis is 1; a blob of shape 3 \(3\) has axes -1 to 0"),
    ],
)
def test_refused_shapes(shapes, fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(loss(fields), *map(np.ones, shapes))


@pytest.mark.parametrize(("label", "said"), [(3, "3"), (-1, "-1"), (np.nan, "nan"), (1e9, r"1e\+09")])
def test_refuses_labels_without_a_class(label, said, dtype):
    with pytest.raises(
        LayerError, match=rf"label 1 of bottom\[1\] is {said}; there are 3 classes, so labels are 0 to 2"
    ):
        run_forward(loss(), blob_of(np.zeros((2, 3)), dtype), blob_of([0, label], dtype))


def test_refuses_the_gradient_of_labels():
    layer, bottoms = layer_from(loss()), [blob_of(SCORES), blob_of(LABELS)]
    top = set_up(layer, bottoms)
    layer.forward(bottoms, top)
    with pytest.raises(LayerError, match="SoftmaxWithLoss cannot backpropagate to labels"):
        layer.backward(top, [True, True], bottoms)


@pytest.mark.parametrize(
    ("scores", "labels", "fields", "phase", "warned"),
    [
        ([[200, 0], [0, 900]], [1, 0], "", TRAIN, True),
        ([[200, 0], [0, 900]], [1, 0], "loss_param { normalization: NONE }", TRAIN, True),
        ([[200, 0], [0, 900]], [1, 7], "loss_param { ignore_label: 7 }", TRAIN, True),
        ([[200, 0], [0, 900]], [7, 7], "loss_param { ignore_label: 7 }", TRAIN, False),
        ([[200, 0], [0, 900]], [1, 1], "", TRAIN, False),
        ([[80, 0], [0, 80]], [1, 0], "", TRAIN, False),
        ([[200, 0], [0, 900]], [1, 0], "", TEST, False),
        ([[np.nan, 0], [0, 900]], [1, 0], "", TRAIN, False),
    ],
)
def test_a_loss_that_cannot_grow_is_told_once_while_training(scores, labels, fields, phase, warned, dtype, caplog):
    caplog.set_level("WARNING", "caffelite")
    layer, bottoms = layer_from(loss(fields), dtype, name="loss", phase=phase), [blob_of(scores, dtype)]
    bottoms.append(blob_of(labels, dtype))
    top = set_up(layer, bottoms)
    for _ in range(3):
        layer.forward(bottoms, top)
    assert ["the loss is 87.3365" in message and "base_lr" in message for message in caplog.messages] == [True] * warned


@pytest.mark.parametrize("name", ["SoftmaxWithLoss", "InfogainLoss", "SigmoidCrossEntropyLoss"])
def test_without_a_loss_there_is_no_gradient(name):
    bottom = [blob_of(np.ones((2, 3))), blob_of(np.ones((2, 3) if name[:2] == "Si" else 2)), blob_of(np.eye(3))]
    layer, bottom = layer_from(f'type: "{name}"'), bottom[: 3 if name == "InfogainLoss" else 2]
    top = set_up(layer, bottom)
    with pytest.raises(UsageError, match="there is no loss yet.*forward.*before backward"):
        layer.backward(top, [True, *[False] * (len(bottom) - 1)], bottom)


def test_pre_fixed_divides_by_its_number(dtype):
    fields = "normalization: PRE_FIXED pre_fixed_normalizer: 0.25 ignore_label: 2"
    layers = [
        layer_from(loss(f"loss_param {{ {text} }}"), dtype) for text in (fields, "normalization: NONE ignore_label: 2")
    ]
    found = []
    for layer in layers:
        bottoms = [blob_of(SCORES, dtype), blob_of(LABELS, dtype)]
        top = run_forward(layer, *bottoms)
        run_backward(layer, bottoms, [top])
        found.append([top.data.copy(), bottoms[0].diff])
    for fixed, plain in zip(*found, strict=True):
        np.testing.assert_allclose(fixed, 4 * plain, rtol=1e-6)


@pytest.mark.parametrize("number", [0, -1])
def test_refuses_a_fixed_normalizer_that_nothing_can_be_divided_by(number):
    fields = f"loss_param {{ normalization: PRE_FIXED pre_fixed_normalizer: {number} }}"
    with pytest.raises(LayerError, match=rf"loss_param\.pre_fixed_normalizer is {number}; .* use more than 0"):
        run_forward(loss(fields), SCORES, LABELS)
