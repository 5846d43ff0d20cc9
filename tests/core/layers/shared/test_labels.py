import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, run_forward

WITH_IGNORE = {
    "SoftmaxWithLoss": "loss_param",
    "InfogainLoss": "loss_param",
    "Accuracy": "accuracy_param",
}
WITHOUT = ("HingeLoss", "MultinomialLogisticLoss")


def refusal(kind, label, fields, dtype):
    bottoms = [np.full((2, 3), 1 / 3), [0, label], *([np.eye(3)] if kind == "InfogainLoss" else [])]
    with pytest.raises(LayerError) as caught:
        run_forward(f'type: "{kind}" {fields}', *(blob_of(bottom, dtype) for bottom in bottoms))
    start, _, advice = str(caught.value).partition("; there are 3 classes, so labels are 0 to 2; ")
    assert start.startswith("label 1 of bottom[1] is ")
    return advice


@pytest.mark.parametrize("kind", [*WITH_IGNORE, *WITHOUT])
def test_advice_fits_the_value(kind, dtype):
    num_output = "raise num_output of the layer that makes the scores, or mend the data"
    assert refusal(kind, 3, "", dtype) == f"{num_output}: labels are counted from 0"
    assert refusal(kind, 4, "", dtype) == num_output
    for value in (np.nan, np.inf, -1.5, 3.5):
        assert refusal(kind, value, "", dtype) == "it is no whole number: mend the data"


@pytest.mark.parametrize(("kind", "message"), WITH_IGNORE.items())
def test_where_labels_can_be_left_out(kind, message, dtype):
    assert refusal(kind, -1, "", dtype) == f"to leave such positions out write {message} {{ ignore_label: -1 }}"
    assert refusal(kind, 255, "", dtype).endswith(
        f"; to leave such positions out write {message} {{ ignore_label: 255 }}"
    )
    given = f"{message} {{ ignore_label: 255 }}"
    assert refusal(kind, -2, given, dtype).endswith(f"write {message} {{ ignore_label: -2 }} instead of 255")


@pytest.mark.parametrize("kind", WITHOUT)
def test_where_labels_cannot_be_left_out(kind, dtype):
    assert refusal(kind, -1, "", dtype) == "this layer cannot leave positions out: mend the data"
    assert "leave" not in refusal(kind, 255, "", dtype)


@pytest.mark.parametrize("kind", [*WITH_IGNORE, *WITHOUT])
@pytest.mark.parametrize("labels", [(4,), (4, 1), (4, 1, 1, 1)])
def test_scores_and_labels_that_are_swapped_are_said_to_be(kind, labels):
    bottoms = [np.zeros(labels), np.zeros((4, 3)), *([np.eye(3)] if kind == "InfogainLoss" else [])]
    with pytest.raises(LayerError, match=r"^bottom\[0\] is 4 .*\(4\); scores and labels seem to be swapped: name the "
                                         r"scores first, 4 3 \(12\), then the labels$"):  # fmt: skip
        run_forward(f'type: "{kind}"', *bottoms)


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "Accuracy"])
def test_swapped_maps_of_scores_and_labels_too(kind):
    with pytest.raises(LayerError, match="scores and labels seem to be swapped"):
        run_forward(f'type: "{kind}"', np.zeros((2, 1, 5, 6)), np.zeros((2, 3, 5, 6)))
    run_forward(f'type: "{kind}"', np.zeros((2, 1)), np.zeros((2, 1)))  # one class: either way round is the same


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "Accuracy"])
def test_where_only_the_second_has_an_axis_of_classes_they_are_swapped_too(kind):
    with pytest.raises(LayerError, match=r"^bottom\[0\] is 2 \(2\); scores and labels seem to be swapped"):
        run_forward(f'type: "{kind}"', np.zeros(2), np.zeros((2, 3, 5, 6)))  # no softmax_param.axis that nobody wrote
