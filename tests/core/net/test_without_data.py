import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelite.core.errors import LayerError, UnknownNameError
from caffelite.core.layer import Context
from caffelite.core.net.net import Net
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.net.without_data import without_data, without_fillers
from caffelite.core.prototxt.parse import parse_net, read_net
from caffelite.proto import caffe_pb2

MODELS = Path(__file__).resolve().parents[3] / "models"
CROPPED = 'transform_param { crop_size: 227 mirror: true } data_param { source: "absent_lmdb" batch_size: 8 }'


def drafted(text, phase=caffe_pb2.TRAIN):
    draft = Draft.of(*parse_net(text, "net.prototxt"))
    return draft.with_param(with_caller_state(draft.param, phase))


def layer(fields, type_="Data", tops='top: "data" top: "label"'):
    return f'layer {{ name: "d" type: "{type_}"\n{tops}\n{fields} }}'


def replaced(text, shapes=None, folder=None):
    """Return how the only data layer is replaced."""
    (replacement,) = without_data(drafted(text), shapes, folder).replacements
    return replacement


@pytest.mark.parametrize(
    ("text", "image"),
    [
        (
            layer(
                'transform_param { crop_size: 5 mean_value: 1 mean_value: 2 } data_param { batch_size: 8 source: "x" }'
            ),
            (2, 5, 5),
        ),
        (
            layer('transform_param { crop_size: 5 force_gray: true } data_param { batch_size: 8 source: "x" }'),
            (1, 5, 5),
        ),
        (layer('data_param { batch_size: 8 source: "data/mnist_train_lmdb" }'), (1, 28, 28)),
        (layer('data_param { batch_size: 8 source: "./data/cifar10_test_lmdb/" }'), (3, 32, 32)),
        (layer('data_param { batch_size: 8 source: "data/digits_siamese_train_lmdb" }'), (2, 28, 28)),
        (
            layer('transform_param { crop_size: 24 } data_param { batch_size: 8 source: "data/digits_test_lmdb" }'),
            (1, 24, 24),
        ),
        (
            layer('image_data_param { batch_size: 8 source: "x" new_height: 6 new_width: 7 }', "ImageData"),
            (3, 6, 7),
        ),
        (
            layer(
                "transform_param { crop_size: 4 } image_data_param { batch_size: 8 is_color: false new_height: 6 "
                'new_width: 7 source: "x" }',
                "ImageData",
            ),
            (1, 4, 4),
        ),
        (layer('window_data_param { batch_size: 8 source: "x" crop_size: 9 }', "WindowData"), (3, 9, 9)),
    ],
)
def test_shapes_from_the_fields(text, image, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where no data set is
    assert replaced(text).shapes == {"data": (8, *image), "label": (8,)}
    assert replaced(text).assumed == ""
    assert list(tmp_path.iterdir()) == []  # the digits, which could be made, are not


def test_colour_images_are_assumed_and_said():
    found = replaced(layer(CROPPED))
    assert found.shapes["data"] == (8, 3, 227, 227)
    assert found.assumed == "3 channels are assumed, as of colour images"
    assert found.reason == 'data_param.source "absent_lmdb" is not there'


def test_shape_from_the_mean_file(tmp_path):
    mean = caffe_pb2.BlobProto(num=1, channels=4, height=6, width=5, data=np.zeros(120))
    (tmp_path / "mean.binaryproto").write_bytes(mean.SerializeToString())
    text = layer('transform_param { mean_file: "mean.binaryproto" } data_param { batch_size: 2 source: "x" }')
    assert replaced(text, folder=tmp_path).shapes["data"] == (2, 4, 6, 5)
    (tmp_path / "mean.binaryproto").write_bytes(b"no mean")
    with pytest.raises(LayerError, match=r'net.prototxt:3: .*mean_file is "mean.binaryproto"; it cannot be read'):
        replaced(text, folder=tmp_path)


def test_what_is_there_stays(tmp_path):
    (tmp_path / "lmdb").mkdir()
    text = layer('transform_param { crop_size: 5 } data_param { source: "lmdb" batch_size: 8 }')
    draft = drafted(text)
    assert without_data(draft, folder=tmp_path) == (draft, [])
    with_mean = text.replace("crop_size: 5", 'crop_size: 5 mean_file: "mean"')
    assert replaced(with_mean, folder=tmp_path).reason == 'transform_param.mean_file "mean" is not there'


def test_several_labels_of_a_list():
    text = layer(
        'image_data_param { batch_size: 8 source: "x" new_height: 6 new_width: 7 label_count: 4 }', "ImageData"
    )
    assert replaced(text).shapes == {"data": (8, 3, 6, 7), "label": (8, 4)}


def test_a_list_whose_images_are_not_there(tmp_path):
    fields = 'source: "list.txt" root_folder: "images/" new_height: 6 new_width: 7'
    text = layer(f"image_data_param {{ {fields} }}", "ImageData")
    (tmp_path / "list.txt").write_text("a b.jpg 1\n")
    found = replaced(text, folder=tmp_path)
    assert found.shapes["data"] == (1, 3, 6, 7)
    assert found.reason == 'the first image of image_data_param.source "list.txt", "images/a b.jpg", is not there'
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a b.jpg").touch()
    assert without_data(drafted(text), folder=tmp_path).replacements == []
    for content in ("", "\n"):  # of which the layer tells
        (tmp_path / "list.txt").write_text(content)
        assert without_data(drafted(text), folder=tmp_path).replacements == []


def test_layers_of_another_phase_stay():
    train, test = (layer(f"include {{ phase: {phase} }} data_param {{ source: 'x' }}") for phase in ("TRAIN", "TEST"))
    draft = drafted(
        f"{train} {test.replace('data_param { ', 'transform_param { crop_size: 3 } data_param { batch_size: 4 ')}",
        caffe_pb2.TEST,
    )
    changed, (replacement,) = without_data(draft)
    assert [layer.type for layer in changed.layers] == ["Data", "Input"]
    assert replacement.layer_index == 1
    assert changed.places == draft.places
    assert changed.layers[1].include == draft.layers[1].include


def test_given_shapes_win():
    assert replaced(layer(CROPPED), {"data": (1, 1, 9, 9)}).shapes == {"data": (1, 1, 9, 9), "label": (8,)}
    hdf5 = layer('hdf5_data_param { source: "x" batch_size: 5 }', "HDF5Data")
    assert replaced(hdf5, {"data": [5, 7], "label": [5]}).shapes == {"data": (5, 7), "label": (5,)}
    two = 'layer { name: "i" type: "Input" top: "a" top: "b" input_param { shape { dim: 2 dim: 3 } } }'
    assert replaced(two, {"a": (4, 4)}).shapes == {"a": (4, 4), "b": (2, 3)}


HDF5 = layer('hdf5_data_param { source: "list" batch_size: 5 }', "HDF5Data")


def test_another_hdf5_file_of_the_list_tells_the_shapes(tmp_path):
    (tmp_path / "list").write_text("a.h5 b.h5")
    with pytest.raises(LayerError, match='top is "data"; nothing tells its shape without the data'):
        replaced(HDF5, folder=tmp_path)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["data"], file["label"] = np.zeros((2, 3, 9, 8)), np.zeros((2, 4))
    found = replaced(HDF5, folder=tmp_path)
    assert found.shapes == {"data": (5, 3, 9, 8), "label": (5, 4)}
    assert found.reason == '"a.h5", which hdf5_data_param.source "list" lists, is not there'
    cropped = HDF5.replace("hdf5_data_param", "transform_param { crop_size: 6 } hdf5_data_param")
    assert replaced(cropped, folder=tmp_path).shapes["data"] == (5, 3, 6, 6)
    (tmp_path / "list").write_text("b.h5")
    assert without_data(drafted(HDF5), folder=tmp_path).replacements == []
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["data"] = np.zeros((2, 3))
    (tmp_path / "list").write_text("a.h5 b.h5")
    with pytest.raises(LayerError, match="net.prototxt:3: .*Failed to find HDF5 dataset label; .* there are data"):
        replaced(HDF5, folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "shapes", "message"),
    [
        (
            layer('data_param { source: "x" batch_size: 8 }'),
            {},
            'net.prototxt:2: layer "d" (Data): top is "data"; nothing tells its shape without the data; give it, such '
            "as data=8,3,224,224 (--shape on the command line)",
        ),
        (
            layer('data_param { source: "x" }'),
            {},
            'net.prototxt:3: layer "d" (Data): data_param.batch_size is 0; use 1',
        ),
        (
            layer('hdf5_data_param { source: "x" batch_size: 5 }', "HDF5Data"),
            {"data": (5, 7)},
            'net.prototxt:2: layer "d" (HDF5Data): top is "label"; nothing tells its shape',
        ),
    ],
)
def test_refuses_what_nothing_tells(text, shapes, message):
    with pytest.raises(LayerError, match=re.escape(message)):
        without_data(drafted(text), shapes)


def test_refuses_shapes_of_other_blobs():
    with pytest.raises(
        UnknownNameError, match=r'"dta", but no layer without bottoms makes that; did you mean "data"\?'
    ):
        without_data(drafted(layer(CROPPED)), {"dta": (1, 2)})


@pytest.mark.parametrize(
    "path", sorted(MODELS.glob("*/train_val*.prototxt")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
@pytest.mark.parametrize("phase", [caffe_pb2.TRAIN, caffe_pb2.TEST], ids=["TRAIN", "TEST"])
def test_finds_the_shapes_of_all_models(path, phase, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path(shutil.copy(path, tmp_path))  # beside the original, what a training made of the data may lie
    draft = Draft.of(*read_net(path))
    changed, replacements = without_data(draft.with_param(with_caller_state(draft.param, phase)), folder=path.parent)
    readers = [layer for layer in draft.layers if layer.type in ("Data", "HDF5Data")]
    assert len(replacements) == len(readers) / 2


def test_the_net_can_be_built(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draft = Draft.of(*read_net(MODELS / "lenet/train_val_mnist.prototxt"))
    draft = draft.with_param(with_caller_state(draft.param, caffe_pb2.TEST))
    net = Net(without_data(draft).draft, Context())
    shapes = {top: shape for node in net.graph().nodes for top, shape in zip(node.tops, node.top_shapes, strict=True)}
    assert shapes["data"] == (100, 1, 28, 28)
    assert shapes["ip2"] == (100, 10)
    assert shapes["accuracy"] == ()


def test_without_fillers():
    text = """layer { name: "c" type: "Convolution" convolution_param { num_output: 2 weight_filler { type: "xavier" }
      bias_filler { value: 1 } } }
    layer { name: "s" type: "Scale" scale_param { bias_term: true filler { value: 2 } bias_filler { value: 1 } } }
    layer { name: "d" type: "DummyData" dummy_data_param { data_filler { value: 3 } } param { lr_mult: 2 } }"""
    draft = drafted(text)
    changed = without_fillers(draft)
    wanted = """layer { name: "c" type: "Convolution" convolution_param { num_output: 2 } }
    layer { name: "s" type: "Scale" scale_param { bias_term: true } }
    layer { name: "d" type: "DummyData" dummy_data_param { data_filler { value: 3 } } param { lr_mult: 2 } }"""
    assert changed.layers == drafted(wanted).layers
    assert draft.layers == drafted(text).layers  # which stays as it is
