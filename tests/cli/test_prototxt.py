import shutil

import pytest

from caffelite.core.prototxt.parse import parse_net


@pytest.fixture
def weights(folder, golden_folder):
    shutil.copy(golden_folder / "cli" / "constant_iter_5.caffemodel", folder / "weights.caffemodel")


def test_the_net_is_printed(program, weights):
    result = program("prototxt", "weights.caffemodel")
    assert (result.status, result.err) == (0, "")
    assert [layer.name for layer in parse_net(result.out, "out")[0].layer] == ["data", "ip1", "relu1", "ip2", "loss"]


def test_the_net_is_written_and_can_be_used(caffelite, folder, weights):
    assert caffelite("prototxt", "weights.caffemodel", "-o", "net2.prototxt").out == "net2.prototxt\n"
    result = caffelite("test", "--model", "net2.prototxt", "--weights", "weights.caffemodel", "--iterations", "1")
    assert result.status == 1  # its data layer is for training
    assert caffelite("check", "net2.prototxt", "--phase", "TRAIN").status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere.caffemodel",), "File not found: nowhere.caffemodel"),
        (("net.prototxt",), "net.prototxt"),
        (("weights.caffemodel", "-o", "no/where"), "no/where"),
        ((), "prototxt is missing WEIGHTS"),
    ],
)
def test_refuses(caffelite, weights, words, message):
    result = caffelite("prototxt", *words)
    assert result.status == 1
    assert message in result.error
