import pytest

from caffelite.core.net.wiring.bottoms import unknown_bottom
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.prototxt.parse import parse_net


def reason(text, known=(), left_out=None):
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


def test_a_layer_that_was_left_out():
    assert reason(ME, left_out={"b": 'layer "data" (f:9)'}) == (
        f'f:2: {START}; layer "data" (f:9) makes it, but its rules leave it out of this net'
    )
