import pytest

from caffelite.core.prototxt.parse import parse_net

WANTED = """name: "tiny" layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 } data_filler { value: 0.5 type: "constant" } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
READER = """layer { name: "d" type: "Data" top: "data" top: "label" data_param { source: "x" batch_size: 8 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def test_the_net_is_printed(program):
    result = program("deploy", "net.prototxt")
    assert (result.status, result.err) == (0, "")
    assert parse_net(result.out, "out")[0] == parse_net(WANTED, "wanted")[0]


def test_the_net_is_written(caffelite, folder):
    (folder / "reader.prototxt").write_text(READER)
    words = ("deploy", "reader.prototxt", "-o", "deploy.prototxt", "--shape", "data=8,1,5,5", "--batch_size", "3")
    result = caffelite(*words)
    assert (result.status, result.out, result.err) == (0, "deploy.prototxt\n", "")
    assert "dim: 8 dim: 1 dim: 5 dim: 5" in (folder / "deploy.prototxt").read_text()  # what is given wins
    assert caffelite("check", "deploy.prototxt", "--warnings-as-errors").status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere.prototxt",), "nowhere.prototxt: no such file"),
        (("reader.prototxt",), "give it, such as data=8,3,224,224 (--shape on the command line)"),
        (("net.prototxt", "-o", "no/where"), "no/where"),
        (("net.prototxt", "--batch_size", "0"), "--batch_size is 0; use 1 or more"),
        ((), "deploy is missing FILE"),
    ],
)
def test_refuses(caffelite, folder, words, message):
    (folder / "reader.prototxt").write_text(READER)
    result = caffelite("deploy", *words)
    assert result.status == 1
    assert message in result.error
