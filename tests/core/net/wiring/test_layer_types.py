import pytest

from caffelite.core.errors import PrototxtError, UnknownNameError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.layer_types import check_types
from caffelite.core.prototxt.parse import OF_YOUR_OWN, parse_net

KNOWN = ["Convolution", "Pooling"]


def test_all_unknown_types_at_once():
    text = 'layer { name: "p"\n type: "Poolling" }\nlayer { type: "Convolution" }\nlayer { name: "z" type: "Zz" }'
    with pytest.raises(UnknownNameError) as caught:
        check_types(Draft.of(*parse_net(text, "f")), KNOWN)
    assert str(caught.value) == (
        'f:2: layer "p": unknown layer type "Poolling"; did you mean "Pooling"?\n'
        'f:4: layer "z": unknown layer type "Zz" (known types: Convolution, Pooling'
        f"; {OF_YOUR_OWN})"
    )


def test_a_type_is_told_once_with_the_lines_of_its_layers_and_the_known_ones_once():
    text = "\n".join(f'layer {{ name: "{name}" type: "{name[0]}" }}' for name in ("Za", "Ya", "Zb", "Zc", *["Zd"] * 5))
    with pytest.raises(UnknownNameError) as caught:
        check_types(Draft.of(*parse_net(text, "f")), KNOWN)
    assert str(caught.value) == (
        'f:1: layer "Za": unknown layer type "Z" (also in lines 3, 4, 5, 6, 7 and 2 more) '
        f"(known types: Convolution, Pooling; {OF_YOUR_OWN})\n"
        'f:2: layer "Ya": unknown layer type "Y"'
    )
    with pytest.raises(PrototxtError) as caught:
        parse_net(text, "f", KNOWN)
    assert str(caught.value) == (
        'f:1:26: unknown layer type "Z" (also in lines 3, 4, 5, 6, 7 and 2 more) (known types: Convolution, Pooling'
        f"; {OF_YOUR_OWN})\n"
        'f:2:26: unknown layer type "Y"'
    )


def test_a_net_without_a_file_has_no_lines():
    draft = Draft.of(parse_net("layer { type: 'Z' } layer { type: 'Z' }", "f")[0])
    with pytest.raises(UnknownNameError, match=r'^layer "": unknown layer type "Z" \(and 1 more layers\) \(known'):
        check_types(draft, KNOWN)


def test_known_types():
    check_types(Draft.of(*parse_net('layer { type: "Pooling" }', "f")), KNOWN)
