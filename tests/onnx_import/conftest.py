from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import caffelite
from caffelite.onnx_import.of_file import from_onnx
from caffelite.onnx_import.writing import write_both

FLOAT = TensorProto.FLOAT


@pytest.fixture
def model_file(tmp_path):
    """Writes a model of nodes (operator, inputs, outputs, attributes) and returns its path.

    `shape` is that of the input x, or those of several, by name; `outputs` are of unknown shapes.
    """

    def write(nodes, shape, constants=None, opset=20, name="m", outputs=("y",), kind=FLOAT, made_kind=None):
        made = [helper.make_node(op, ins, outs, name=f"node_{i}", **of) for i, (op, ins, outs, of) in enumerate(nodes)]
        values = [onnx.numpy_helper.from_array(np.asarray(value), key) for key, value in (constants or {}).items()]
        shapes = shape if isinstance(shape, dict) else {"x": shape}
        ins = [helper.make_tensor_value_info(key, kind, of) for key, of in shapes.items()]
        outs = [helper.make_tensor_value_info(key, made_kind or kind, None) for key in outputs]
        graph = helper.make_graph(made, name, ins, outs, values)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        path = tmp_path / "m.onnx"
        onnx.save(model, str(path))
        return path

    return write


@pytest.fixture
def run(tmp_path):
    """Returns what the net that is written of an ONNX file makes of an array, or of one for each input."""

    def of(path, *arrays, dialect="caffelite"):
        files = write_both(from_onnx(Path(path), dialect), tmp_path / "written")
        net = caffelite.Net(str(files[0]), caffelite.TEST, weights=str(files[1]))
        for name, array in zip(net.inputs, arrays, strict=True):
            net.blobs[name].data[...] = array
        (output,) = net.forward().values()
        return output

    return of


@pytest.fixture
def onnxruntime_of_today():
    """With an older one such a conversion is refused: its proof finds another answer."""
    if tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 28):
        pytest.skip("onnxruntime before 1.28 computes windows beyond the image, ties and empty reductions otherwise")


@pytest.fixture
def agrees(model_file, tmp_path):
    """Asserts that the files that are written of a model, in both dialects, answer as onnxruntime does.

    The inputs are normal ones, then such rounded, of which many are equal. Returns the types of the layers of the
    dialect caffelite.
    """

    def check(*model, dialects=("caffelite", "bvlc"), **of):
        path = model_file(*model, **of)
        session = onnxruntime.InferenceSession(str(path))
        types = {}
        for dialect in dialects:
            imported = from_onnx(path, dialect)
            types[dialect] = [layer.type for layer in imported.net.layer]
            files = write_both(imported, tmp_path / "net")
            net = caffelite.Net(str(files[0]), caffelite.TEST, weights=str(files[1]))
            rng = np.random.default_rng(3)
            for change in (np.positive, np.rint):
                feed = {
                    entry.name: np.asarray(change(rng.standard_normal(entry.shape)) + 0, np.float32)
                    for entry in session.get_inputs()
                }
                for name, values in feed.items():
                    net.blobs[name].data[...] = values
                net.forward()
                for entry, theirs in zip(session.get_outputs(), session.run(None, feed), strict=True):
                    ours = net.blobs[entry.name].data
                    assert ours.shape == theirs.shape
                    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
        return types[dialects[0]]

    return check
