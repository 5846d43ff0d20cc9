"""Figures of known nets, counted here from tables of their layers that were written down by hand from the papers."""

from pathlib import Path

import pytest

import caffelite
from caffelite.core import container
from caffelite.core.errors import LayerError, NetError, UnknownNameError
from caffelite.inspection import summary_of_file
from caffelite.proto.caffe_pb2 import TEST, TRAIN

MODELS = Path(__file__).resolve().parents[2] / "models"


def convolutions(rows, bias=True):
    """Parameters and multiply-adds of rows of outputs, inputs of a group, kernel, side of the top."""
    parameters = sum(out * (inputs * kernel**2 + bias) for out, inputs, kernel, _ in rows)
    return parameters, sum(out * inputs * kernel**2 * side**2 for out, inputs, kernel, side in rows)


# GoogLeNet, table 1: side, inputs, then 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj.
INCEPTIONS = [
    (28, 192, 64, 96, 128, 16, 32, 32),
    (28, 256, 128, 128, 192, 32, 96, 64),
    (14, 480, 192, 96, 208, 16, 48, 64),
    (14, 512, 160, 112, 224, 24, 64, 64),
    (14, 512, 128, 128, 256, 24, 64, 64),
    (14, 512, 112, 144, 288, 32, 64, 64),
    (14, 528, 256, 160, 320, 32, 128, 128),
    (7, 832, 256, 160, 320, 32, 128, 128),
    (7, 832, 384, 192, 384, 48, 128, 128),
]
GOOGLENET = [(64, 3, 7, 112), (64, 64, 1, 56), (192, 64, 3, 56), (1000, 1024, 1, 1)]
for side, inputs, one, reduce3, three, reduce5, five, pool in INCEPTIONS:
    GOOGLENET += [(one, inputs, 1, side), (reduce3, inputs, 1, side), (three, reduce3, 3, side)]
    GOOGLENET += [(reduce5, inputs, 1, side), (five, reduce5, 5, side), (pool, inputs, 1, side)]

# MobileNet, table 1: inputs, outputs, side of the top of each pair of depthwise and pointwise layers.
PAIRS = [(32, 64, 112), (64, 128, 56), (128, 128, 56), (128, 256, 28), (256, 256, 28), (256, 512, 14)]
PAIRS += [(512, 512, 14)] * 5 + [(512, 1024, 7), (1024, 1024, 7)]
MOBILENET = [(32, 3, 3, 112)]
for inputs, outputs, side in PAIRS:
    MOBILENET += [(inputs, 1, 3, side), (outputs, inputs, 1, side)]
CHANNELS = sum(row[0] for row in MOBILENET)

KNOWN = {
    "lenet": (431_080, 20 * 25 * 24**2 + 50 * 500 * 8**2 + 800 * 500 + 5000),
    "alexnet": (60_965_224, 724_406_816),
    "caffenet": (60_965_224, 724_406_816),
    "googlenet": convolutions(GOOGLENET),
    # each of the 10,944 channels has a mean, a variance, a scale and a bias, each of 27 BatchNorms a weight
    "mobilenet_v1": (
        convolutions(MOBILENET, False)[0] + 4 * CHANNELS + 27 + 1025 * 1000,
        convolutions(MOBILENET)[1] + 1024 * 1000,
    ),
}


@pytest.mark.parametrize("model", sorted(KNOWN))
def test_figures_of_known_nets(model):
    found = summary_of_file(MODELS / model / "deploy.prototxt", TEST)
    assert (found.parameters, found.multiply_adds // found.batch) == KNOWN[model]


def test_the_figures_are_the_published_ones():
    assert KNOWN["googlenet"] == (6_998_552, 1_582_671_872)
    assert KNOWN["mobilenet_v1"] == (4_253_864 + 27, 568_740_352)


def test_statistics_are_not_learned():
    found = summary_of_file(MODELS / "mobilenet_v1/deploy.prototxt", TEST)
    assert found.learned == 4_231_976


# Size and stride, published for AlexNet; of CaffeNet they are the same.
ALEXNET_FIELDS = {
    "conv1": (11, 4),
    "pool1": (19, 8),
    "conv2": (51, 8),
    "pool2": (67, 16),
    "conv3": (99, 16),
    "conv4": (131, 16),
    "conv5": (163, 16),
    "pool5": (195, 32),
}


@pytest.mark.parametrize("model", ["alexnet", "caffenet"])
def test_receptive_fields(model):
    layers = {layer.name: layer for layer in summary_of_file(MODELS / model / "train_val.prototxt", TEST).layers}
    fields = {name: (layers[name].field.size[0], layers[name].field.stride[0]) for name in ALEXNET_FIELDS}
    assert fields == ALEXNET_FIELDS
    assert layers["fc6"].as_dict()["receptive_field"] == layers["accuracy"].as_dict()["receptive_field"] == "all"


LENET = """\
net "LeNet", TEST
layer  type          top                parameters  multiply-adds     memory  stride  field
-------------------------------------------------------------------------------------------
data   Input         64 x 1 x 28 x 28            -              -  196.0 KiB       1      1
conv1  Convolution   64 x 20 x 24 x 24         520     18,432,000    2.8 MiB       1      5
pool1  Pooling       64 x 20 x 12 x 12           -              -  720.0 KiB       2      6
conv2  Convolution   64 x 50 x 8 x 8        25,050    102,400,000  800.0 KiB       2     14
pool2  Pooling       64 x 50 x 4 x 4             -              -  200.0 KiB       4     16
ip1    InnerProduct  64 x 500              400,500     25,600,000  125.0 KiB       -    all
relu1  ReLU          64 x 500                    -              -   in place       -    all
ip2    InnerProduct  64 x 10                 5,010        320,000    2.5 KiB       -    all
prob   Softmax       64 x 10                     -              -    2.5 KiB       -    all
-------------------------------------------------------------------------------------------
parameters:    431,080 (1.6 MiB)
multiply-adds: 146,752,000 in a forward pass, 2,293,000 for each of 64 items
memory:        4.8 MiB of tops, as much again for gradients; 920.0 KiB kept besides"""


def test_the_table():
    net = caffelite.Net(MODELS / "lenet/deploy.prototxt", caffelite.TEST)
    assert str(net.summary()) == repr(net.summary()) == LENET
    html = net.summary()._repr_html_()
    assert html.count("<tr>") == 10
    assert '<td style="text-align: right">25,600,000</td>' in html


def test_follows_the_shapes_of_the_net():
    net = caffelite.Net(MODELS / "lenet/deploy.prototxt", caffelite.TEST)
    net.blobs["data"].reshape(2, 1, 28, 28)
    net.reshape()
    found = net.summary()
    assert (found.batch, found.multiply_adds) == (2, 2 * 2_293_000)


@pytest.mark.parametrize("phase", [TRAIN, TEST], ids=["TRAIN", "TEST"])
@pytest.mark.parametrize(
    "path", sorted(MODELS.glob("*/*.prototxt")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_every_model(path, phase, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where no data is
    found = summary_of_file(path, phase)
    assert found.layers
    assert found.parameters == sum(layer.parameters for layer in found.layers) > 0
    assert len(str(found).splitlines()) == 7 + len(found.layers) + len(found.replaced)
    assert not list(tmp_path.iterdir())


def test_parameters_that_are_shared_count_once():
    found = summary_of_file(MODELS / "siamese/train_val.prototxt", TRAIN)
    assert found.parameters == found.learned == 431_080 + 10 * 2 + 2
    by_name = {layer.name: layer for layer in found.layers}
    assert (by_name["ip1"].parameters, by_name["ip1_p"].parameters) == (400_500, 0)
    assert by_name["ip1_p"].multiply_adds == by_name["ip1"].multiply_adds


def net_file(folder, text):
    path = folder / "net.prototxt"
    path.write_text(text)
    return path


INPUT = 'layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ {} }} }} }}\n'
DIMS = "dim: 1 dim: 2 dim: 8 dim: 6"


def fields_of(folder, layers, dims=DIMS):
    found = summary_of_file(net_file(folder, INPUT.format(dims) + layers), TEST)
    return {layer.name: layer.field for layer in found.layers}


def test_fields_of_rectangles_and_of_layers_that_enlarge(tmp_path):
    fields = fields_of(
        tmp_path,
        """
layer { name: "a" type: "Convolution" bottom: "x" top: "a"
        convolution_param { num_output: 2 kernel_h: 3 kernel_w: 1 stride_h: 2 stride_w: 1 dilation: 2 pad_h: 2 } }
layer { name: "up" type: "Deconvolution" bottom: "a" top: "up"
        convolution_param { num_output: 2 kernel_size: 4 stride: 2 } }
layer { name: "b" type: "Convolution" bottom: "up" top: "b" convolution_param { num_output: 2 kernel_size: 3 } }
layer { name: "in_b" type: "ReLU" bottom: "b" top: "b" }
""",
    )
    assert fields["a"] == ((5, 1), (2, 1))
    assert fields["up"] == ((5 + 2, 1 + 1), (1, 0.5))  # two windows overlap on each axis
    assert fields["b"] == fields["in_b"] == ((7 + 2 * 1, 2 + 2 * 0.5), (1, 0.5))


def test_of_two_branches_the_larger_field_counts(tmp_path):
    fields = fields_of(
        tmp_path,
        """
layer { name: "one" type: "Convolution" bottom: "x" top: "one" convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "five" type: "Convolution" bottom: "x" top: "five"
        convolution_param { num_output: 2 kernel_size: 5 pad: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "one" bottom: "five" top: "sum" }
layer { name: "flat" type: "Flatten" bottom: "sum" top: "flat" }
layer { name: "pool" type: "Pooling" bottom: "sum" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 2 } }
""",
    )
    assert fields["one"].size == (1, 1)
    assert fields["sum"].size == fields["five"].size == (5, 5)
    assert fields["flat"] is None
    assert fields["pool"] == fields["ip"] == ((), ())


DATA = 'layer { name: "d" type: "Data" top: "data" top: "label" data_param { source: "absent" batch_size: 4 } }\n'


def test_shapes_that_nothing_tells(tmp_path):
    path = net_file(tmp_path, f'{DATA} layer {{ name: "s" type: "Silence" bottom: "label" bottom: "data" }}')
    with pytest.raises(LayerError, match=r'net.prototxt:1: layer "d" \(Data\): top is "data"; .* data=4,3,224,224'):
        summary_of_file(path, TRAIN)
    found = summary_of_file(path, TRAIN, shapes={"data": (4, 2)})
    assert [(layer.type, layer.tops) for layer in found.layers] == [
        ("Data", {"data": (4, 2), "label": (4,)}),
        ("Silence", {}),
    ]
    assert str(found).endswith('Data: data_param.source "absent" is not there; data 4 x 2, label 4')
    assert found.as_dict()["without_data"][0]["shapes"] == {"data": [4, 2], "label": [4]}
    with pytest.raises(UnknownNameError, match='"datum", .* did you mean "data"'):
        summary_of_file(path, TRAIN, shapes={"datum": (4, 2)})


def test_stages_and_levels(tmp_path):
    text = INPUT.format(DIMS) + (
        'layer { name: "s" type: "ReLU" bottom: "x" top: "s" include { stage: "deep" } }'
        'layer { name: "l" type: "ReLU" bottom: "x" top: "l" include { min_level: 2 } }'
    )
    path = net_file(tmp_path, text)
    assert [layer.name for layer in summary_of_file(path, TEST, 2).layers] == ["in", "l"]
    assert [layer.name for layer in summary_of_file(path, TEST, 0, ["deep"]).layers] == ["in", "s"]


def test_names_that_would_colour_the_terminal(tmp_path):
    text = 'layer { name: "\\033[31mred" type: "Input" top: "x" input_param { shape { dim: 1 } } }'
    found = str(summary_of_file(net_file(tmp_path, text), TEST))
    assert "\x1b" not in found and r"\x1b[31mred" in found


def test_a_net_that_does_not_fit_in_memory(monkeypatch):
    monkeypatch.setattr(container, "available", lambda: 10 * 2**20)
    with pytest.raises(NetError, match="are available"):
        caffelite.Net(MODELS / "googlenet/deploy.prototxt", caffelite.TEST)
    found = summary_of_file(MODELS / "lenet/deploy.prototxt", TEST, shapes={"data": (20_000, 1, 28, 28)})
    assert found.activation_bytes > 100 * 10 * 2**20
