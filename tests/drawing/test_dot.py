import re

from caffelite.drawing.dot import dot_text
from caffelite.drawing.render import render
from caffelite.proto.caffe_pb2 import TEST, TRAIN


def test_lenet(drawings):
    text = dot_text(drawings.model("lenet/train_val_mnist"), "LR", display_lrm=True)
    assert "rankdir=LR" in text
    for words in (
        "<B>conv1</B><BR/>Convolution 20 of 5×5<BR/>lr mult: 1.0, 2.0<",
        "mnist_train_lmdb, batches of 64<BR/><I>TRAIN only</I><",
        "relu1: ReLU<",
        '[label="64×20×24×24"]',
        '[label="data\\n64×1×28×28"]',
        'label="label 64"',
    ):
        assert words in text
    assert "cluster" not in text
    assert "1 number" not in text  # a loss is the end


def test_boxes_and_outputs(drawings):
    text = dot_text(drawings.model("resnet18/deploy", (TEST,)))
    boxes = re.findall(r"subgraph cluster_\d+ \{\n +graph \[label=\"(\w+)\"", text)
    assert boxes == [f"res{number}{letter}" for number in "2345" for letter in "ab"]
    assert text.count("{") == text.count("}")
    assert re.search(r'"u\d+ prob" \[shape=plaintext, label="prob"', text)


def test_any_name_can_be_drawn(drawings):
    name = 'a<b>&\\"\u202e'
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    text = f'name: "{quoted}" layer {{ name: "{quoted}" type: "Input" top: "{quoted}x" }}'
    drawn = render(dot_text(drawings.of(text, (TRAIN,))), "svg").decode()
    assert "a&lt;b&gt;&amp;" in drawn
