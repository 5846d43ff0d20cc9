import re

import numpy as np
import pytest

from caffelite.core.errors import UsageError
from caffelite.core.solver_log import LogRow, TrainingLog
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net
from caffelite.reports import net_pictures
from caffelite.reports.net_pictures import curves, first_filters, graph

INPUT = (
    'name: "n" layer { name: "<x>" type: "Input" top: "x" input_param { shape { dim: 2 dim: %d dim: 6 dim: 5 } } }\n'
)
CONVOLUTION = (
    'layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 4 kernel_size: 3 } }'
)


@pytest.fixture
def net(tmp_path):
    def make(text):
        (tmp_path / "net.prototxt").write_text(text)
        net = Net(tmp_path / "net.prototxt", TEST)
        for blobs in net.params.values():
            blobs[0].data[...] = np.linspace(-1, 2, blobs[0].count).reshape(blobs[0].shape)
        return net

    return make


@pytest.fixture
def pixels(monkeypatch):
    """The pixels that pictures are made of, instead of their addresses."""
    made = []
    monkeypatch.setattr(net_pictures, "png_address", lambda array: made.append(array) or "address")
    return made


def test_grey_filters_are_red_above_zero_with_nothing_between(net, pixels):
    name, html = first_filters(net(INPUT % 1 + CONVOLUTION))
    assert name == "c"
    assert 'src="address"' in html and "4 filters of 3x3, weights -1 to 2" in html
    (picture,) = pixels
    assert picture.shape == (7, 7, 4)  # two by two, one pixel between
    assert picture[3, :, 3].max() == picture[:, 3, 3].max() == 0 and picture[0, 0, 3] == 255
    blue, red = picture[0, 0], picture[-1, -1]
    assert blue[2] > blue[0] and red[0] > red[2]


def test_colour_filters_are_colours(net, pixels):
    _, html = first_filters(net(INPUT % 3 + CONVOLUTION))
    assert "colours as BGR" in html
    assert pixels[0].shape == (7, 7, 4)
    assert pixels[0][3, 3, 3] == 0
    first_filters(net(INPUT % 3 + CONVOLUTION.replace("num_output: 4", "num_output: 5")))
    assert pixels[1].shape == (7, 11, 4)  # in the sixth place there is nothing
    assert pixels[1][0, 0, 3] == 255 and pixels[1][-1, -1, 3] == 0


def test_a_net_without_filters(net):
    assert first_filters(net(INPUT % 1)) is None


def test_weights_of_zero_are_white(net, pixels):
    made = net(INPUT % 1 + CONVOLUTION)
    made.params["c"][0].data[...] = 0
    first_filters(made)
    assert pixels[0][0, 0].min() >= 245


def test_curves_are_one_svg_with_letters_as_text():
    log = TrainingLog(
        [LogRow(0, loss=2.0, lr=0.1), LogRow(1, loss=1.0, lr=0.1)], {0: [LogRow(1, outputs={"acc": 0.5})]}
    )
    html = curves(log)
    assert html.startswith('<div class="drawn curves"><svg') and html.endswith("</svg>\n</div>")
    assert ">accuracy</text>" in html and ">iteration</text>" in html
    assert "<metadata" not in html
    with pytest.raises(UsageError, match="there is no loss"):
        curves(TrainingLog())


def test_the_graph_has_shapes_and_escaped_names(net):
    html = graph(net(INPUT % 1 + CONVOLUTION))
    assert html.startswith('<div class="drawn drawing"><svg')
    assert "&lt;x&gt;" in html and "<x>" not in html
    assert "2×4×4×3" in html
    assert not re.search('fill="white" stroke="(none|transparent)"', html)
