from pathlib import Path

import onnx
import pytest

SMALL = Path(__file__).resolve().parents[2] / "models" / "lenet_small"
NET, WEIGHTS = str(SMALL / "deploy.prototxt"), str(SMALL / "digits.caffemodel")


def test_a_net_becomes_a_file(caffelite, folder):
    result = caffelite("convert", NET, WEIGHTS, "-o", "net.onnx", "--fold")
    assert (result.status, result.out) == (0, "input data: N x 1 x 28 x 28\noutput prob: N x 10\n")
    assert result.err == "caffelite: wrote net.onnx\n"
    onnx.checker.check_model(str(folder / "net.onnx"), full_check=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((NET, WEIGHTS), "Need a file to write; give --o=FILE"),
        ((NET, WEIGHTS, "-o", "net.pb"), '-o is "net.pb"; give a name that ends in .onnx'),
        ((NET, "-o", "net.onnx"), "give their caffemodel behind it"),
        ((NET, WEIGHTS, "-o", "no/net.onnx"), "there is no folder"),
        ((NET, WEIGHTS, "-o", "net.onnx", "--dialect", "bvlc"), "--dialect is for the way from ONNX"),
        (("nowhere.prototxt", WEIGHTS, "-o", "net.onnx"), "nowhere.prototxt: no such file"),
        (("-o", "net.onnx"), "convert is missing NET"),
    ],
)
def test_what_cannot_be_done_is_said(words, message, caffelite, folder):
    result = caffelite("convert", *words)
    assert result.status == 1
    assert message in result.err
    assert not (folder / "net.onnx").exists()


@pytest.mark.parametrize(("dialect", "name"), [("caffelite", "net.onnx"), ("bvlc", "NET.ONNX")])
def test_a_file_becomes_a_net(dialect, name, caffelite, folder):
    assert caffelite("convert", NET, WEIGHTS, "-o", name).status == 0
    result = caffelite("convert", name, "-o", "back", "--dialect", dialect)
    assert (result.status, result.out, result.err) == (0, "back.prototxt\nback.caffemodel\n", "")
    assert caffelite("check", "back.prototxt").status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("net.onnx",), "Need a name for two files to write"),
        (("net.onnx", WEIGHTS, "-o", "back"), "net.onnx holds its weights"),
        (("net.onnx", "-o", "back", "--fold"), "--fold does nothing from ONNX"),
        (("net.onnx", "-o", "back.prototxt"), 'give the name without its ending, "back"'),
        (("net.onnx", "-o", "back"), "net.onnx: cannot be read as an ONNX file"),
    ],
)
def test_what_cannot_be_made_of_a_file_is_said(words, message, caffelite, folder):
    (folder / "net.onnx").write_text("no model")
    result = caffelite("convert", *words)
    assert result.status == 1
    assert message in result.error
