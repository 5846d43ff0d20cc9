import pytest

from caffelite.core.errors import UsageError
from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.of_file import from_onnx

RELU = [("Relu", ["x"], ["y"], {})]


def shape_of(imported):
    return list(imported.net.layer[0].input_param.shape[0].dim)


def test_an_open_batch_is_one(model_file):
    assert shape_of(from_onnx(model_file(RELU, ("N", 3, 4, 4)))) == [1, 3, 4, 4]


def test_open_sizes_are_asked_for(model_file):
    path = model_file(RELU, ("N", 3, "H", "W"))
    with pytest.raises(OnnxError, match=r'input "x" has the sizes N,3,H,W, .* --shape x=1,3,224,224'):
        from_onnx(path)
    assert shape_of(from_onnx(path, shapes={"x": (2, 3, 5, 6)})) == [2, 3, 5, 6]
    with pytest.raises(UsageError, match="--shape names z, which is no input"):
        from_onnx(path, shapes={"z": (2, 3, 5, 6)})


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_text("<html>not found</html>")
    with pytest.raises(OnnxError, match=r"net\.onnx: (cannot be read as an ONNX file|this is no ONNX file)"):
        from_onnx(path)
