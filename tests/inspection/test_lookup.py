import pytest

import caffelite
from caffelite.core.errors import UnknownNameError
from caffelite.inspection.lookup import blob_index, layer_index


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'name: "n" layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }'
        'layer { name: "r" type: "ReLU" bottom: "x" top: "y" } layer { name: "e" type: "Exp" bottom: "y" top: "y" }'
    )
    return caffelite.Net(path, caffelite.TEST)


def test_finds_them(net):
    assert (layer_index(net, "r"), blob_index(net, "y")) == (1, 1)


@pytest.mark.parametrize(
    ("find", "name", "message"),
    [
        (layer_index, "y", 'net "n" has no layer "y": it is a blob, made by layer "r" and "e"'),
        (layer_index, "q", 'net "n" has no layer "q"; there are in, r or e'),
        (blob_index, "r", 'net "n" has no blob "r": it is a layer, which makes "y"'),
        (blob_index, "q", 'net "n" has no blob "q"; there are x or y'),
    ],
)
def test_answers_unknown_names(net, find, name, message):
    with pytest.raises(UnknownNameError) as caught:
        find(net, name)
    assert str(caught.value) == message
