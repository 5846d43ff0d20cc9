from pathlib import Path

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from caffelite.core.prototxt.parse import parse_net
from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.of_file import from_onnx

EXPORTED = Path(__file__).parents[1] / "golden" / "onnx"
with np.load(EXPORTED / "answers.npz") as _stored:
    ANSWERS = dict(_stored)
FILES = sorted(path.stem for path in EXPORTED.glob("*.onnx"))
ONLY_OURS = ("permute",)  # what BVLC Caffe cannot say


def test_the_files_are_there():
    assert len(FILES) == 98


@pytest.mark.parametrize("dialect", ["caffelite", "bvlc"])
@pytest.mark.parametrize("file", FILES)
def test_the_net_answers_as_pytorch(file, dialect, run):
    name = file.rpartition("_")[0]
    if dialect == "bvlc" and name in ONLY_OURS:
        with pytest.raises(OnnxError, match="--dialect caffelite"):
            from_onnx(EXPORTED / f"{file}.onnx", dialect)
        return
    ours = run(EXPORTED / f"{file}.onnx", ANSWERS[f"{name}_in"], dialect=dialect)
    np.testing.assert_allclose(ours, ANSWERS[f"{name}_out"], rtol=0, atol=1e-4)


X = np.random.default_rng(1).standard_normal((1, 4, 7, 6)).astype(np.float32)
W = np.random.default_rng(2).standard_normal((2, 4, 3, 3)).astype(np.float32)
SAME = {
    # as many images as channels: the reference evaluator counts one for the other
    "lrn": ("LRN", {}, {"size": 3, "alpha": 0.3, "beta": 0.6, "bias": 2.0}),
    "same upper": ("Conv", {"w": W}, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "same lower": ("Conv", {"w": W}, {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    "unequal pads and dilation": ("Conv", {"w": W}, {"pads": [0, 2, 1, 1], "dilations": [2, 1]}),
    "unequal pads of max": ("MaxPool", {}, {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [0, 0, 1, 0]}),
    "unequal pads of mean": ("AveragePool", {}, {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 1, 0]}),
    "space to depth": ("SpaceToDepth", {}, {"blocksize": 1}),
    "softplus": ("Softplus", {}, {}),
    "reciprocal": ("Reciprocal", {}, {}),
    "clip of one bound": ("Clip", {"low": np.float32(-0.5)}, {}),
    "sum of squares": ("ReduceSumSquare", {"axes": np.array([2, 3])}, {"keepdims": 0}),
    "largest channel": ("ReduceMax", {"axes": np.array([1])}, {"keepdims": 1}),
    "divided": ("Div", {"by": np.arange(1, 5, dtype=np.float32).reshape(4, 1, 1)}, {}),
    "squeezed": ("Squeeze", {"axes": np.array([0])}, {}),
    "sizes apart": ("Resize", {"": 0, "scales": np.array([1, 1, 2, 3], np.float32)}, {}),
}


@pytest.mark.parametrize("case", SAME)
def test_the_net_answers_as_the_reference(case, model_file, run):
    operator, constants, attributes = SAME[case]
    inputs = ["x", *constants] if "" not in constants else ["x", "", "scales"]
    constants = {key: value for key, value in constants.items() if key}
    if operator == "Resize":
        attributes = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    x = np.repeat(X, 4, axis=0) if operator == "LRN" else X
    path = model_file([(operator, inputs, ["y"], attributes)], x.shape, constants)
    (wanted,) = ReferenceEvaluator(str(path)).run(None, {"x": x})
    np.testing.assert_allclose(run(path, x), wanted, rtol=1e-4, atol=1e-4)


def test_the_first_lines_say_what_goes_in_and_out(model_file):
    imported = from_onnx(model_file([("Relu", ["x"], ["y"], {})], (1, 3), name="tiny"), "bvlc")
    first, _, proof = imported.text().splitlines()[:3]
    assert first == "# tiny for use: x 1x3 in; y 1x3 out."
    assert proof.startswith("# On random input it differs by 0")
    assert parse_net(imported.text(), "net")[0] == imported.net


REFUSED = [
    (("Erf", ["x"], ["y"], {}), {}, 'node "node_0" (Erf): there is no layer for this operator'),
    (("MaxPool", ["x"], ["y"], {"kernel_shape": [2, 2], "dilations": [2, 2]}), {}, "attribute dilations is [2, 2]"),
    (("MaxPool", ["x"], ["y"], {"kernel_shape": [2, 2], "pads": [2, 2, 2, 2]}), {}, "must be smaller than the kernel"),
    (("LRN", ["x"], ["y"], {"size": 4}), {}, "attribute size is 4; Caffe's LRN wants an odd number"),
    (("MatMul", ["x", "x"], ["y"], {}), {}, 'is "x", which is computed'),
    (
        ("Resize", ["x", "", "scales"], ["y"], {"mode": "cubic"}),
        {"scales": np.array([1, 1, 2, 2], np.float32)},
        "attribute mode is cubic",
    ),
]


@pytest.mark.parametrize(("node", "constants", "message"), REFUSED, ids=[case[0][0] for case in REFUSED])
def test_what_no_layer_says_is_refused(node, constants, message, model_file):
    with pytest.raises(OnnxError) as error:
        from_onnx(model_file([node], (1, 4, 6, 6), constants))
    assert message in str(error.value)


@pytest.mark.parametrize("dialect", ["caffelite", "bvlc"])
def test_a_slice_along_several_axes_is_one_slice_an_axis(model_file, run, dialect):
    constants = {"starts": [1, 0, 2], "ends": [3, -2, 9], "axes": [1, 2, 3]}
    nodes = [("Slice", ["x", *constants], ["cut"], {}), ("Relu", ["cut"], ["y"], {})]
    path = model_file(nodes, list(X.shape), {key: np.array(value) for key, value in constants.items()})
    np.testing.assert_array_equal(run(path, X, dialect=dialect), X[:, 1:3, :-2, 2:9].clip(0))


@pytest.mark.parametrize("dialect", ["caffelite", "bvlc"])
def test_a_name_with_line_breaks_is_one_line(dialect, model_file, run):
    path = model_file([("Relu", ["x"], ["y"], {})], (1, 3), name="a\nlayer {\r\x85# b\x1b")
    np.testing.assert_array_equal(run(path, X[:, :3, 0, 0], dialect=dialect), X[:, :3, 0, 0].clip(0))
    assert from_onnx(path).net.name == "a layer { # b\\x1b"
