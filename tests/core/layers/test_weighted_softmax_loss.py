import numpy as np
import pytest

from caffelite.core.errors import LayerError, UsageError
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

SCORES = np.random.default_rng(1).normal(size=(3, 4, 2))
LABELS = np.array([[0, 3], [2, 9], [1, 3]])
WEIGHTS = "weight_by_label_freqs: true " + " ".join(f"class_weighting: {w}" for w in (0.5, 2, 0, 1.25))


def loss(fields):
    return f'type: "SoftmaxWithLoss" loss_param {{ {fields} }}'


def plain(scores, labels, smoothing=0.0, weights=(1, 1, 1, 1), ignore=9):
    """The sum of the losses and its gradient, a position at a time, and how many positions count."""
    total, diff, valid = 0.0, np.zeros(scores.shape), 0
    for n, i in np.ndindex(*labels.shape):
        if labels[n, i] == ignore:
            continue
        p = np.exp(scores[n, :, i]) / np.exp(scores[n, :, i]).sum()
        target = np.full(p.size, smoothing / p.size)
        target[labels[n, i]] += 1 - smoothing
        weight, valid = weights[labels[n, i]], valid + 1
        total -= weight * (target * np.log(p)).sum()
        diff[n, :, i] = weight * (p - target)
    return total, diff, valid


@pytest.mark.parametrize(
    ("fields", "smoothing", "weights"),
    [
        ("label_smoothing: 0.25", 0.25, (1, 1, 1, 1)),
        (WEIGHTS, 0, (0.5, 2, 0, 1.25)),
        (f"{WEIGHTS} label_smoothing: 0.125", 0.125, (0.5, 2, 0, 1.25)),
    ],
)
@pytest.mark.parametrize(
    ("normalization", "divisor"), [("VALID", 5), ("FULL", 6), ("BATCH_SIZE", 3), ("NONE", 1), ("PRE_FIXED", 0.5)]
)
def test_values_and_gradient_are_those_of_the_definition(fields, smoothing, weights, normalization, divisor, dtype):
    fields = f"{fields} ignore_label: 9 normalization: {normalization} pre_fixed_normalizer: 0.5"
    layer = layer_from(f"loss_weight: 3 {loss(fields)}", dtype)
    bottoms = [blob_of(SCORES, dtype), blob_of(LABELS, dtype)]
    top = run_forward(layer, *bottoms)
    total, diff, valid = plain(SCORES, LABELS, smoothing, weights)
    assert valid == 5  # the weights do not count in the divisor
    np.testing.assert_allclose(top.data, total / divisor, rtol=1e-5)
    run_backward(layer, bottoms, [top])
    np.testing.assert_allclose(bottoms[0].diff, 3 * diff / divisor, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("fields", ["label_smoothing: 0.25", WEIGHTS, f"{WEIGHTS} label_smoothing: 0.125"])
def test_gradient(fields):
    layer = layer_from(loss(f"{fields} ignore_label: 9"))
    check_gradient(layer, [SCORES, LABELS], step=1e-4, threshold=1e-6, objective="loss")


def test_weights_of_1_are_the_plain_loss(dtype):
    scores, labels = blob_of(SCORES, dtype), blob_of(np.minimum(LABELS, 3), dtype)
    ones = "weight_by_label_freqs: true " + "class_weighting: 1 " * 4
    plain_top, top = (run_forward(loss(fields), scores, labels, top_count=2) for fields in ("", ones))
    np.testing.assert_allclose(top[0].data, plain_top[0].data, rtol=1e-6)
    np.testing.assert_array_equal(top[1].data, plain_top[1].data)


def test_the_axis_of_the_classes():
    text = 'type: "SoftmaxWithLoss" loss_param { label_smoothing: 0.25 } softmax_param { axis: -1 }'
    top = run_forward(text, np.ascontiguousarray(SCORES.transpose(0, 2, 1)), np.minimum(LABELS, 3))
    total, _, valid = plain(SCORES, np.minimum(LABELS, 3), 0.25)
    np.testing.assert_allclose(top.data, total / valid, rtol=1e-6)


def test_a_probability_of_0_counts_as_the_smallest_number(dtype):
    top = run_forward(loss("label_smoothing: 0.5"), blob_of([[0, 1000]], dtype), blob_of([1], dtype))
    np.testing.assert_allclose(top.data, -0.25 * np.log(np.finfo(np.float32).tiny), rtol=1e-5)


def test_other_sizes_an_empty_batch_and_no_label_that_counts():
    layer = layer_from(loss("label_smoothing: 0.25 ignore_label: 9"))
    bottoms = [blob_of(SCORES), blob_of(LABELS)]
    top = set_up(layer, bottoms)
    for num, label in ((3, 9), (0, 1), (5, 2)):
        bottoms[0].reshape(num, 4, 2)
        bottoms[0].data[...] = SCORES[:1]
        bottoms[1].reshape(num, 2)
        bottoms[1].data[...] = label
        layer.reshape(bottoms, top)
        layer.forward(bottoms, top)
        run_backward(layer, bottoms, top)
        total, diff, valid = plain(bottoms[0].data, bottoms[1].data.astype(int), 0.25)
        np.testing.assert_allclose(top[0].data, total / max(valid, 1))
        np.testing.assert_allclose(bottoms[0].diff, diff / max(valid, 1), atol=1e-12)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("label_smoothing: 1", r"loss_param\.label_smoothing is 1; use a share from 0 to less than 1"),
        ("label_smoothing: -0.5", r"loss_param\.label_smoothing is -0\.5; use a share"),
        ("weight_by_label_freqs: true", r"class_weighting is given 0 times; .* once for each of the 4 classes"),
        (f"{WEIGHTS} class_weighting: 1", r"class_weighting is given 5 times; .* once for each of the 4 classes"),
        (WEIGHTS.replace(" 2 ", " -2 "), r"loss_param\.class_weighting is -2; weights are 0 or more"),
        ("label_smoothing: 0.1", r"label 3 of bottom\[1\] is 9; there are 4 classes, so labels are 0 to 3"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(loss(fields), SCORES, LABELS)


def test_refuses_the_gradient_of_labels_and_one_before_a_loss():
    layer, bottoms = layer_from(loss("label_smoothing: 0.25")), [blob_of(SCORES), blob_of(np.minimum(LABELS, 3))]
    top = set_up(layer, bottoms)
    with pytest.raises(UsageError, match="run forward"):
        run_backward(layer, bottoms, top)
    layer.forward(bottoms, top)
    with pytest.raises(LayerError, match=r"propagate_down\[1\] is true"):
        run_backward(layer, bottoms, top, [True, True])


def test_formula_has_the_numbers():
    layer = layer_from(loss(f"{WEIGHTS} label_smoothing: 0.5"))
    set_up(layer, [blob_of(SCORES), blob_of(LABELS)])
    assert layer.formula_with_numbers([], []) == (
        "p = softmax of x over 4 classes; y = sum over 3 x 2 positions of class_weighting[label] * "
        "-(0.5 * log(p[label]) + 0.125 * sum over c of log(p[c])), divided by the normalizer"
    )
