import pytest

from caffelite.core.layer import layer_type_list
from caffelite.core.net.wiring.bottoms import shapeless_source, unknown_bottom
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.prototxt.parse import parse_net


def reason(text, known=(), left_out=None):
    layer_type_list()  # registers the types
    draft = Draft.of(*parse_net(text, "f"))
    draft = draft.with_layers(draft.layers, draft.places, left_out or {})
    index = next(i for i, layer in enumerate(draft.layers) if layer.name == "me")
    return str(unknown_bottom(draft, index, 0, known))


ME = 'layer { name: "me"\n bottom: "b" }\n'
START = "Unknown bottom blob 'b' (layer 'me', bottom index 0)"


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        (ME, ["x"], f"f:2: {START}"),
        (ME.replace('"b"', '"pol1"'), ["pool1", "conv1"], "f:2: Unknown bottom blob 'pol1' (layer 'me', bottom index 0)"
         '; did you mean "pool1"?'),
        (ME + 'layer { name: "late" top: "b" }', [], f'f:2: {START}; layer "late" (f:3) makes it, '
         "but a bottom needs a layer above that makes it"),
        (ME.replace("}", 'top: "b" }'), [], f"f:2: {START}; the layer itself makes it, "
         "but a bottom needs a layer above that makes it"),
        ('layer { name: "other" bottom: "b" }\n' + ME, [], f'f:3: {START}; layer "other" (f:1) reads it, '
         "and without a Split only one layer can"),
    ],
)  # fmt: skip
def test_the_likeliest_reason(text, known, expected):
    assert reason(text, known) == expected


TOPLESS = 'layer { name: "%s" type: "%s" }\n'


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        (TOPLESS % ("b", "ReLU") + TOPLESS % ("c", "ReLU") + ME, ["bb"],
         'f:4: START; layer "b" (f:1) has no top: is top: "b" missing there?'),
        (TOPLESS % ("a", "ReLU") + TOPLESS % ("c", "Pooling") + ME, ["x"],
         'f:4: START; layer "a" (f:1) and layer "c" (f:2) have no top: is top: "b" missing there?'),
        (TOPLESS % ("a", "SoftmaxWithLoss") + TOPLESS % ("c", "Silence") + ME, ["x"], "f:4: START"),
        ('layer { name: "m" top: "bb" }\n' + TOPLESS % ("a", "ReLU") + ME, ["bb"],
         'f:4: START; did you mean "bb"? layer "m" (f:1) makes that, and no layer reads it'),
        ('layer { name: "m" top: "bb" } layer { name: "n" bottom: "bb" }\n' + ME, ["bb"],
         'f:3: START; did you mean "bb"?'),
        ('layer { name: "m" top: "scores" top: "data" } layer { name: "n" bottom: "data" top: "y" }\n' + ME, ["x"],
         'f:3: START; no layer reads "scores" or "y": is that meant?'),
    ],
)  # fmt: skip
def test_a_top_that_is_missing_or_misspelt_is_looked_for_where_it_should_be(text, known, expected):
    assert reason(text, known) == expected.replace("START", START)


@pytest.mark.parametrize("between", ["", 'bottom: "b" top: "b"', 'bottom: "b" top: "x" } layer { bottom: "x" top: "b"'])
def test_the_layer_that_gives_a_blob_no_shape_is_named(between):
    text = f'layer {{ name: "in" type: "Input" top: "b" top: "c" }}\nlayer {{ name: "r" {between} }}\n' + ME
    draft = Draft.of(*parse_net(text, "f"))
    last = len(draft.layers) - 1
    assert shapeless_source(draft, last, {"b", "c"}) == (
        "layer \"in\" (f:1) gives 'b' no shape: write the sizes of your data there, such as "
        "input_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }"
    )
    assert shapeless_source(draft, last, {"c"}) == ""


def test_a_layer_that_was_left_out():
    assert reason(ME, left_out={"b": 'layer "data" (f:9)'}) == (
        f'f:2: {START}; layer "data" (f:9) makes it, but its rules leave it out of this net, '
        "whose state is phase TEST, level 0, no stages"
    )
