import pytest

from caffelite.core.errors import NetError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.wire import wire
from caffelite.core.prototxt.parse import parse_net


def wired(text):
    return wire(
        Draft.of(*parse_net(text, "f")),
        is_input=lambda layer: layer.type == "Input",
        tops_needed=lambda layer: 1 if layer.type.endswith("Loss") else 0,
    )


def test_blobs_are_numbered_as_they_are_made():
    wiring = wired("""
layer { type: "Input" top: "data" top: "label" }
layer { type: "InnerProduct" bottom: "data" top: "ip" }
layer { type: "ReLU" bottom: "ip" top: "ip" }
layer { type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
""")
    assert wiring.blob_names == ("data", "label", "ip", "loss")
    assert wiring.bottom_ids == ((), (0,), (2,), (2, 1))
    assert wiring.top_ids == ((0, 1), (2,), (2,), (3,))
    assert wiring.input_ids == (0, 1)
    assert wiring.output_ids == (3,)


def test_outputs_are_in_the_order_of_their_names():
    wiring = wired('layer { type: "Data" top: "loss" top: "b" top: "Z" top: "acc" }')
    assert [wiring.blob_names[blob] for blob in wiring.output_ids] == ["Z", "acc", "b", "loss"]
    assert wiring.input_ids == ()


def test_automatic_tops_are_blobs_but_no_outputs():
    wiring = wired("""layer { type: "Data" top: "a" top: "b" top: "c" top: "d" }
layer { type: "EuclideanLoss" bottom: "a" bottom: "b" } layer { type: "HingeLoss" bottom: "c" bottom: "d" }""")
    assert wiring.blob_names[4:] == ("(automatic)", "(automatic)")
    assert wiring.top_ids[1:] == ((4,), (5,))
    assert wiring.output_ids == ()


def test_automatic_cannot_be_a_bottom():
    text = 'layer { type: "Data" top: "a" } layer { type: "XLoss" bottom: "a" } layer { bottom: "(automatic)" }'
    with pytest.raises(NetError, match="Unknown bottom blob '\\(automatic\\)'"):
        wired(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'layer { name: "a" top: "x" top: "y" }\nlayer { name: "b" bottom: "x"\n top: "y" }',
            "f:3: Top blob 'y' produced by multiple sources. "
            'It is made by layer "a" (f:1) and here (layer "b"); name it otherwise',
        ),
        (
            'layer { name: "a" top: "x" include { phase: TRAIN } }\nlayer { name: "b" top: "x" }',
            "f:2: Top blob 'x' produced by multiple sources. "
            'It is made by layer "a" (f:1) and here (layer "b"); if one is for training and the other for tests, write '
            "include { phase: TRAIN } and include { phase: TEST } in them; else name it otherwise",
        ),
        (
            'layer { name: "a" top: "x" include {} }\nlayer { name: "b" top: "x" exclude { stage: "y" } }',
            "f:2: Top blob 'x' produced by multiple sources. "
            'It is made by layer "a" (f:1) and here (layer "b"); name it otherwise',
        ),
        (
            'layer { name: "a" top: "x" top: "x" }',
            "f:1: Top blob 'x' produced by multiple sources. It is made twice in this layer (layer \"a\"); "
            "name it otherwise",
        ),
        (
            'layer { name: "a" top: "x" top: "y" }\nlayer { name: "b" bottom: "x" bottom: "y" top: "y" }',
            'f:2: Top blob \'y\' produced by multiple sources. It is made by layer "a" (f:1) and here (layer "b"); '
            "to work in place on it, let it be bottom and top of the same index (here top 0)",
        ),
        (
            'layer { name: "a" top: "x" }\nlayer { name: "b" bottom: "x" propagate_down: true propagate_down: true }',
            'f:2: layer "b": propagate_down param must be specified either 0 or bottom_size times; '
            "2 entries for 1 bottoms",
        ),
        (
            'layer { name: "a" top: "x" } layer { name: "b" bottom: "x" }\nlayer { name: "c" bottom: "x" }',
            "f:2: Unknown bottom blob 'x' (layer 'c', bottom index 0); layer \"b\" (f:1) reads it, "
            "and without a Split only one layer can",
        ),
    ],
)
def test_refusals(text, message):
    with pytest.raises(NetError) as caught:
        wired(text)
    assert str(caught.value) == message
