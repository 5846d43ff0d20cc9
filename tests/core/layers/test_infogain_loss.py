import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.core.layer import Context, make_layer
from caffelite.proto.caffe_pb2 import BlobProto
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

RNG = np.random.default_rng(1)
SCORES, LABELS = np.array([[0, 0], [1, 0]], float), np.array([0.0, 1.0])
H = np.array([[1, 0.5], [0, 2]])


def infogain(fields, *bottoms, tops=1):
    return run_forward(f'type: "InfogainLoss" {fields}', *bottoms, top_count=tops)


def by_formula(scores, labels, matrix):
    """The sum over positions; scores (outer, C, inner), labels flat."""
    exps = np.exp(scores - scores.max(axis=1, keepdims=True))
    logs = np.log(np.maximum(exps / exps.sum(axis=1, keepdims=True), 1e-20))
    flat = logs.transpose(0, 2, 1).reshape(-1, scores.shape[1])
    return -sum(matrix[label] @ row for label, row in zip(labels, flat, strict=True) if label >= 0)


def test_equals_caffe(assert_equals_golden):
    assert_equals_golden("infogain")


@pytest.mark.parametrize("shape", [(2, 2), (4,), (1, 1, 2, 2)])
def test_value_and_gradient(shape, dtype):
    layer = layer_from('type: "InfogainLoss"', dtype)
    bottom = [blob_of(SCORES, dtype), blob_of(LABELS, dtype), blob_of(H.reshape(shape), dtype)]
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    assert float(top[0].data) == pytest.approx(1.83312207)
    run_backward(layer, bottom, top)
    np.testing.assert_allclose(bottom[0].diff, [[-0.125, 0.125], [0.731058579, -0.731058579]], rtol=1e-6)


@pytest.mark.parametrize("weights", ["", "loss_weight: 1 loss_weight: 0"])
def test_identity_is_softmax_loss_and_the_second_top_is_the_softmax(weights):
    scores = np.array([[1, 2, 3], [1, 2, 0]], float)
    top = infogain(weights, scores, LABELS, np.eye(3), tops=2)
    assert top[0].data == pytest.approx(1.40760596)
    np.testing.assert_allclose(top[1].data, run_forward('type: "Softmax"', scores).data)


def test_matrix_from_a_file_beside_the_prototxt(tmp_path):
    stored = BlobProto(num=1, channels=1, height=2, width=2, data=H.ravel())
    (tmp_path / "h.binaryproto").write_bytes(stored.SerializeToString())
    param = layer_from('type: "InfogainLoss" infogain_loss_param { source: "h.binaryproto" }').layer_param
    layer = make_layer(param, Context(dtype=np.dtype(np.float64), folder=tmp_path))
    assert run_forward(layer, SCORES, LABELS).data == pytest.approx(1.83312207)


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("mode", ["FULL", "VALID", "BATCH_SIZE", "NONE"])
def test_positions_axes_and_normalization(axis, mode, dtype):
    scores = RNG.normal(size=(2, 3, 4, 700))[..., : 700 if axis == 1 else 3]
    moved = np.moveaxis(scores, axis, 1)
    classes = moved.shape[1]
    outer = int(np.prod(scores.shape[: axis % 4]))
    inner = scores.size // outer // classes
    labels, matrix = RNG.integers(0, classes, outer * inner), RNG.uniform(0.1, 2, (classes, classes))
    labels[::3] = -1
    expected = by_formula(scores.reshape(outer, classes, inner), labels, matrix)
    divisor = {"FULL": outer * inner, "VALID": (labels >= 0).sum(), "BATCH_SIZE": outer, "NONE": 1}[mode]
    fields = f"infogain_loss_param {{ axis: {axis} }} loss_param {{ normalization: {mode} ignore_label: -1 }}"
    bottoms = [blob_of(array, dtype) for array in (scores, labels.reshape(2, -1), matrix)]
    assert float(infogain(fields, *bottoms).data) == pytest.approx(expected / divisor, rel=1e-5)


@pytest.mark.parametrize("loss_param", ["", "ignore_label: 1", "normalization: NONE"])
def test_gradient(loss_param):
    bottom = [RNG.normal(size=(2, 2, 3, 2)), RNG.integers(0, 3, (2, 2, 2)), RNG.uniform(0.1, 2, (3, 3))]
    fields = f"infogain_loss_param {{ axis: 2 }} loss_param {{ {loss_param} }}"
    check_gradient(f'type: "InfogainLoss" {fields}', bottom, step=1e-4, threshold=1e-6)


@pytest.mark.parametrize(
    ("fields", "shapes", "message"),
    [
        ("loss_param { normalize: true }", [(2, 2), (2,), (4,)], r"loss_param\.normalize is true; .*normalization"),
        ("", [(2, 2), (2,)], r"infogain_loss_param\.source is not given; name the file"),
        ("", [(2, 2), (2,), (3,)], r"bottom\[2\] is a matrix of 3 \(3\); 2 classes need 2 x 2 values"),
        ("", [(2, 2), (2, 3), (4,)], r"bottom\[1\] is 2 3 \(6\); Number of labels must match .* need 2 labels"),
        ("", [(2, 2), (3,), (4,)], r"bottom\[1\] is 3 \(3\); predictions and labels"),
        ("infogain_loss_param { axis: 2 }", [(2, 2), (2,), (4,)], r"infogain_loss_param\.axis is 2"),
        (
            'infogain_loss_param { source: "no.file" }',
            [(2, 2), (2,)],
            'source is "no.file"; there is no such file',
        ),
    ],
)
def test_refusals(fields, shapes, message):
    with pytest.raises(LayerError, match=message):
        infogain(fields, *map(np.ones, shapes))


@pytest.mark.parametrize("content", [b"no message", b"\x0a\x00\x2d\x00\x00\x80\x3f", b""])
def test_refuses_a_file_without_a_matrix(content, tmp_path):
    (tmp_path / "h").write_bytes(content)
    with pytest.raises(LayerError, match=r"infogain_loss_param\.source is .*(it holds no BlobProto|need 2 x 2 values)"):
        infogain(f'infogain_loss_param {{ source: "{tmp_path / "h"}" }}', SCORES, LABELS)


def test_refuses_a_label_out_of_range():
    with pytest.raises(LayerError, match=r"label 1 of bottom\[1\] is 2; there are 2 classes"):
        infogain("", SCORES, [0, 2], H)


@pytest.mark.parametrize(("flags", "message"), [([1, 1, 0], "to labels"), ([1, 0, 1], "the matrix H gets no gradient")])
def test_refuses_gradients_of_labels_and_matrix(flags, message):
    layer, bottom = layer_from('type: "InfogainLoss"'), [blob_of(SCORES), blob_of(LABELS), blob_of(H)]
    top = set_up(layer, bottom)
    assert [layer.allow_force_backward(index) for index in range(3)] == [True, False, False]
    layer.forward(bottom, top)
    with pytest.raises(LayerError, match=message):
        layer.backward(top, list(map(bool, flags)), bottom)
