from caffelite.core.prototxt.field_path import prefixed, put
from caffelite.proto.caffe_pb2 import FillerParameter, LayerParameter


def test_put_sets_and_appends():
    layer = LayerParameter()
    assert put(layer, "name", "a") == "name"
    assert put(layer, "convolution_param.pad", 3) == "convolution_param.pad[0]"
    assert put(layer, "bottom", ["x", "y"]) == "bottom"
    assert put(layer, "top", "z") == "top[0]"
    assert put(layer, "convolution_param.weight_filler", FillerParameter(std=2)) == "convolution_param.weight_filler"
    assert layer.name == "a"
    assert list(layer.convolution_param.pad) == [3]
    assert list(layer.bottom) == ["x", "y"]
    assert list(layer.top) == ["z"]
    assert layer.convolution_param.weight_filler.std == 2


def test_prefixed():
    moves = {"pad": "convolution_param.pad[0]", "new_num": None}
    assert prefixed(moves, "layers[2].layer", "layers[1]") == {
        "layers[2].layer.pad": "layers[1].convolution_param.pad[0]",
        "layers[2].layer.new_num": None,
    }
