import numpy as np
import pytest
from onnx import TensorProto, helper

from caffelite.onnx_import import proving
from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.of_file import from_onnx

RELU = [("Relu", ["x"], ["y"], {})]
CONV = [("Conv", ["x", "w"], ["y"], {})]
W = np.random.default_rng(1).standard_normal((2, 3, 3, 3))


def test_a_wrong_layer_is_found_in_both_dialects(model_file, monkeypatch):
    path = model_file(RELU, (1, 3))
    monkeypatch.setitem(proving.COARSER, TensorProto.FLOAT, -1.0)
    for dialect in ("caffelite", "bvlc"):
        with pytest.raises(
            OnnxError, match=r'm\.onnx: output "y" of shape 1 3 \(3\) differs by 0 from what onnxruntime'
        ):
            from_onnx(path, dialect)


@pytest.mark.parametrize("dialect", ["caffelite", "bvlc"])
@pytest.mark.parametrize(
    ("kind", "judge"),
    [(TensorProto.FLOAT16, "onnxruntime"), (TensorProto.DOUBLE, "ONNX's reference evaluator")],
)
def test_other_kinds_of_numbers_are_proved_by_who_can(kind, judge, dialect, model_file):
    weights = {"w": W.astype(helper.tensor_dtype_to_np_dtype(kind))}
    proof = from_onnx(model_file(CONV, (1, 3, 5, 5), weights, kind=kind), dialect).comments[-1]
    assert proof.startswith("On random input it differs by") and proof.endswith(f"from what {judge} computes.")


def test_where_nobody_runs_the_model_it_is_said(model_file, monkeypatch):
    def stumble(model, wanted):
        raise TypeError("no\nsense")

    monkeypatch.setattr(proving, "_onnxruntime", stumble)
    monkeypatch.setattr(proving, "_reference", stumble)
    path = model_file(RELU, (1, 3))
    said = r"onnxruntime cannot run the model \(TypeError: no\), and .* so nothing proves the answers"
    with pytest.raises(OnnxError, match=said):
        from_onnx(path, "bvlc")
    imported = from_onnx(path)
    assert "so nothing proves the answers" in imported.notes[0]
    assert imported.comments[-1] == "Nothing proved its answers."


def test_what_is_no_number_in_both_does_not_differ(model_file):
    nodes = [("Log", ["x"], ["a"], {}), ("Sqrt", ["a"], ["y"], {})]
    assert from_onnx(model_file(nodes, (1, 30)), "bvlc").comments[-1].endswith("onnxruntime computes.")


def test_what_layers_make_of_no_number_proves_nothing(model_file):
    nodes = [("Log", ["x"], ["a"], {}), ("ReduceMax", ["a"], ["b"], {"keepdims": 0}), ("Relu", ["b"], ["y"], {})]
    assert from_onnx(model_file(nodes, (1, 30)), "bvlc").comments[-1].endswith("onnxruntime computes.")


def test_distances():
    numbers = np.array([1.0, np.nan, np.inf, -20.0])
    assert proving._distance("y", numbers, numbers) == 0
    assert proving._distance("y", np.array([2.0, 0, -np.inf, -20.0]), numbers) == pytest.approx(1 / 20)
    assert np.isnan(proving._distance("y", np.array([np.nan]), np.array([1.0])))
    places = np.arange(2000)
    assert proving._distance("y", np.where(places < 2, 7, places), places) == 0
    assert proving._distance("y", np.where(places < 3, 7, places), places) > 0
    with pytest.raises(OnnxError, match=r'output "y" has the shape 2 \(2\) where the model runs, and 1 \(1\) by'):
        proving._distance("y", np.zeros(1), np.zeros(2))
