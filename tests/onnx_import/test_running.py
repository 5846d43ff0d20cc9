import pytest

from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.of_file import from_onnx
from caffelite.onnx_import.running import read_back


def test_the_net_comes_of_what_is_written(model_file):
    imported = from_onnx(model_file([("Relu", ["x"], ["y"], {})], (1, 3)))
    with read_back(imported) as net:
        assert [layer.type for layer in net.core_layers] == ["Input", "ReLU"]
    imported.net.layer[1].type = "Rely"
    with pytest.raises(OnnxError, match='cannot be built: unknown layer type "Rely"; did you mean'):
        with read_back(imported):
            pass
