import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

import caffelite
from caffelite.core.errors import LayerError, NetError, UsageError, WeightsError
from caffelite.onnx_export import export_file

ROOT = Path(__file__).resolve().parents[2]
SMALL = ROOT / "models" / "lenet_small"
NET, WEIGHTS = SMALL / "deploy.prototxt", SMALL / "digits.caffemodel"


def test_a_net_and_its_weights(tmp_path):
    told = export_file(NET, WEIGHTS, tmp_path / "net.onnx")
    assert told == ["input data: N x 1 x 28 x 28", "output prob: N x 10"]
    net = caffelite.Net(str(NET), caffelite.TEST, weights=str(WEIGHTS))
    image = np.random.default_rng(0).uniform(size=(3, 1, 28, 28)).astype(np.float32)
    net.blobs["data"].reshape(*image.shape)
    net.blobs["data"].data[...] = image
    net.forward()
    (made,) = ReferenceEvaluator(str(tmp_path / "net.onnx")).run(None, {"data": image})
    np.testing.assert_allclose(made, net.blobs["prob"].data, atol=1e-5)
    assert np.ptp(made) > 0.1


def test_another_size_on_request(tmp_path):
    net = tmp_path / "net.prototxt"
    net.write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 5 dim: 5 } } }\n'
        'layer { name: "p" type: "Pooling" bottom: "x" top: "y" pooling_param { kernel_size: 1 stride: 2 } }\n'
    )
    assert export_file(net, None, tmp_path / "a.onnx")[0] == "input x: N x 3 x 5 x 5"
    told = export_file(net, None, tmp_path / "a.onnx", shapes={"x": (1, 3, 7, 9)})
    assert told == ["input x: N x 3 x 7 x 9", "output y: N x 3 x 4 x 5"]
    with pytest.raises(UsageError, match='has no input "data"; its inputs are x'):
        export_file(net, None, tmp_path / "a.onnx", shapes={"data": (1, 3, 7, 9)})
    with pytest.raises(UsageError, match="--shape gives x the sizes 0,3,7,9; each is 1 or more"):
        export_file(net, None, tmp_path / "a.onnx", shapes={"x": (0, 3, 7, 9)})


def test_layers_for_training_are_named_with_their_lines(tmp_path):
    with pytest.raises(NetError) as caught:
        export_file(SMALL / "train_val_digits.prototxt", WEIGHTS, tmp_path / "net.onnx")
    lines = str(caught.value).splitlines()
    assert [line.partition(" has no form")[0].partition("layer ")[2] for line in lines] == [
        '"digits" (Data)',
        '"accuracy" (Accuracy)',
        '"loss" (SoftmaxWithLoss)',
    ]
    assert all("train_val_digits.prototxt:" in line and "caffelite deploy FILE" in line for line in lines)
    assert not list(tmp_path.iterdir())


def test_a_python_layer_is_refused_and_not_run(tmp_path):
    net = tmp_path / "net.prototxt"
    net.write_text('layer { name: "p" type: "Python" top: "x" python_param { module: "no_such" layer: "L" } }\n')
    with pytest.raises(NetError, match=r'net.prototxt:1: layer "p" \(Python\) has no form in ONNX: it runs Python'):
        export_file(net, None, tmp_path / "net.onnx")


def test_a_field_that_onnx_cannot_say_is_named_with_its_line(tmp_path):
    net = tmp_path / "net.prototxt"
    net.write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 1 dim: 6 dim: 6 } } }\n'
        'layer { name: "p" type: "Pooling" bottom: "x" top: "y"\n'
        "  pooling_param { pool: AVE kernel_size: 1 stride: 2 } }\n"
    )
    with pytest.raises(LayerError, match=r'net.prototxt:3: layer "p" \(Pooling\): pooling_param.pool is AVE; ONNX'):
        export_file(net, None, tmp_path / "net.onnx")


def test_four_axes_in_the_place_of_fewer_are_refused(tmp_path):
    net = tmp_path / "net.prototxt"
    text = (
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 6 } } }\n'
        'layer { name: "abs" type: "AbsVal" bottom: "x" top: "y" }\n'
        'layer { name: "mvn" type: "MVN" bottom: "y" top: "%s" mvn_param { across_channels: true } }\n'
    )
    net.write_text(text % "y")
    with pytest.raises(
        LayerError, match=r'prototxt:3: layer "mvn" \(MVN\): top is "y", which the bottom is, too; .*2 ax'
    ):
        export_file(net, None, tmp_path / "net.onnx")
    net.write_text(text % "z")
    assert export_file(net, None, tmp_path / "net.onnx")[1] == "output z: N x 6 x 1 x 1"


def test_a_net_that_is_silent_is_refused(tmp_path):
    net = tmp_path / "net.prototxt"
    net.write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 6 } } }\n'
        'layer { name: "silence" type: "Silence" bottom: "x" }\n'
    )
    with pytest.raises(NetError, match="the net has no output, .* leave out the Silence layer"):
        export_file(net, None, tmp_path / "net.onnx")


def test_a_type_that_is_unknown_is_answered_as_always(tmp_path):
    net = tmp_path / "net.prototxt"
    net.write_text('layer { name: "p" type: "Poolling" bottom: "x" top: "y" }\n')
    with pytest.raises((LayerError, NetError, ValueError), match="Pooling"):
        export_file(net, None, tmp_path / "net.onnx")


def test_weights_are_needed_where_there_are_some(tmp_path):
    with pytest.raises(UsageError, match="has layers with weights; give their caffemodel behind it"):
        export_file(NET, None, tmp_path / "net.onnx")
    with pytest.raises(WeightsError, match="none.caffemodel"):
        export_file(NET, tmp_path / "none.caffemodel", tmp_path / "net.onnx")


def test_what_is_there_stays_until_the_new_file_is_complete(tmp_path, monkeypatch):
    target = tmp_path / "net.onnx"
    target.write_bytes(b"old")

    def refuse(*_, **__):
        raise onnx.checker.ValidationError("no")

    with monkeypatch.context() as patched:
        patched.setattr(onnx.checker, "check_model", refuse)
        with pytest.raises(onnx.checker.ValidationError):
            export_file(NET, WEIGHTS, target)
    assert target.read_bytes() == b"old"
    export_file(NET, WEIGHTS, target)
    assert onnx.load(target).graph.output[0].name == "prob"
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_level_and_stages_choose_layers(tmp_path):
    net = tmp_path / "net.prototxt"
    shutil.copyfile(NET, net)
    net.write_text(
        net.read_text() + 'layer { name: "more" type: "ReLU" bottom: "prob" top: "more" include { stage: "more" } }\n'
    )
    assert export_file(net, WEIGHTS, tmp_path / "a.onnx")[-1].startswith("output prob")
    assert export_file(net, WEIGHTS, tmp_path / "a.onnx", stages=["more"])[-1].startswith("output more")
