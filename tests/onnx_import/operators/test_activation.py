import numpy as np
import pytest

from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.of_file import from_onnx

SHAPE = (2, 3, 6, 5)


@pytest.mark.parametrize("shape", [(), (1,), (3, 1, 1), (1, 1, 1, 1)])
def test_slopes_are_stored_as_the_layer_has_them(shape, agrees):
    slope = np.random.default_rng(1).uniform(0.1, 0.9, shape).astype(np.float32)
    assert agrees([("PRelu", ["x", "slope"], ["y"], {})], SHAPE, {"slope": slope}) == ["Input", "PReLU"]


def test_a_slope_for_values_without_channels(agrees, model_file):
    assert agrees([("PRelu", ["x", "slope"], ["y"], {})], (4,), {"slope": np.full(1, 0.3, np.float32)}) == [
        "Input",
        "ReLU",
    ]
    with pytest.raises(OnnxError, match=r"the slope, has the shape \(4,\); give one slope, or one for each channel"):
        from_onnx(model_file([("PRelu", ["x", "slope"], ["y"], {})], (4,), {"slope": np.ones(4, np.float32)}))


@pytest.mark.parametrize(("low", "high"), [(1, -1), (0, 6), (-np.inf, 0.5), (0, np.inf), (-1, 1), (0.5, 0.5)])
def test_clip_ends_with_the_upper_bound(low, high, agrees):
    bounds = {"low": np.float32(low), "high": np.float32(high)}
    assert agrees([("Clip", ["x", "low", "high"], ["y"], {})], SHAPE, bounds)


def test_clip_wants_numbers(model_file):
    path = model_file([("Clip", ["x", "low"], ["y"], {})], SHAPE, {"low": np.float32("nan")})
    with pytest.raises(OnnxError, match="its bounds are nan and inf; give numbers"):
        from_onnx(path)


@pytest.mark.parametrize("more", [{}, {"alpha": 1.2, "gamma": 0.7}])
def test_selu(more, agrees):
    assert agrees([("Selu", ["x"], ["y"], more)], SHAPE)


@pytest.mark.parametrize("opset", [9, 12, 13])
def test_softmax_of_each_age(opset, agrees):
    ways = [{}, *({"axis": axis} for axis in (-1, 0, 1, 2))]
    nodes = [(name, ["x"], [f"{name}{of}"], way) for name in ("Softmax", "LogSoftmax") for of, way in enumerate(ways)]
    assert agrees(nodes, SHAPE, opset=opset, outputs=[node[2][0] for node in nodes])


@pytest.mark.parametrize("dialect", ["caffelite", "bvlc"])
def test_log_softmax_of_scores_far_apart(dialect, model_file, run):
    """Of exp(-150) there is nothing left in float32, of its logarithm there is."""
    x = np.float32([[0, 150, 20], [-400, 3, 3]])
    made = run(model_file([("LogSoftmax", ["x"], ["y"], {"axis": 1})], x.shape), x, dialect=dialect)
    np.testing.assert_allclose(made, [[-150, 0, -130], [-403 - np.log(2), -np.log(2), -np.log(2)]], rtol=1e-5)
