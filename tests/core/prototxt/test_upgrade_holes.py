import pytest

from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt.parse import parse_net
from caffelite.core.prototxt.upgrade import upgrade_net

LAYER = 'layer {{\n name: "c" type: "Convolution"\n convolution_param {{\n kernel_size: 3\n {} }} }}'


def upgraded(fields):
    return upgrade_net(*parse_net(LAYER.format(fields), "f"))


@pytest.mark.parametrize(
    ("fields", "dilation"), [("hole: 2", [2]), ("hole_h: 4 hole_w: 1", [4, 1]), ("dilation: 3", [3]), ("", [])]
)
def test_holes_become_dilation(fields, dilation):
    net, lines, _ = upgraded(fields)
    convolution = net.layer[0].convolution_param
    assert list(convolution.dilation) == dilation and not convolution.HasField("hole")
    for at in range(len(dilation)):
        assert lines.line(f"layer[0].convolution_param.dilation[{at}]") == 5


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("hole_h: 2", "hole_h is 2; write hole, or both"),
        ("hole: 2 hole_w: 2", "hole is 2, hole_w is 2;"),
        ("hole: 2 dilation: 2", "hole is 2, dilation is 2;"),
    ],
)
def test_holes_that_contradict_each_other_are_refused(fields, said):
    with pytest.raises(PrototxtError, match=f'^f:5: layer "c": {said}'):
        upgraded(fields)


def test_the_log_tells_of_it():
    assert [note.text for note in upgraded("hole: 2")[2]] == [
        "Attempting to upgrade convolutions with holes, of DeepLab's Caffe: f",
        "Successfully upgraded convolutions with holes to dilation.",
    ]
