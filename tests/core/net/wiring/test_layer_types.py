import pytest

from caffelite.core.errors import UnknownNameError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.layer_types import check_types
from caffelite.core.prototxt.parse import parse_net

KNOWN = ["Convolution", "Pooling"]


def test_all_unknown_types_at_once():
    text = 'layer { name: "p"\n type: "Poolling" }\nlayer { type: "Convolution" }\nlayer { name: "z" type: "Zz" }'
    with pytest.raises(UnknownNameError) as caught:
        check_types(Draft.of(*parse_net(text, "f")), KNOWN)
    assert str(caught.value) == (
        'f:2: layer "p": unknown layer type "Poolling"; did you mean "Pooling"?\n'
        'f:4: layer "z": unknown layer type "Zz" (known types: Convolution, Pooling)'
    )


def test_known_types():
    check_types(Draft.of(*parse_net('layer { type: "Pooling" }', "f")), KNOWN)
