from dataclasses import replace

from caffelite.core.net.wiring.draft import Draft
from caffelite.core.prototxt.lines import Place, where
from caffelite.core.prototxt.parse import parse_net
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter

TEXT = 'name: "n"\nlayer {\n name: "a"\n}\nlayer { name: "b" type: "ReLU" }'


def test_where():
    _, lines = parse_net(TEXT, "f")
    assert Place(lines, "layer[0]").where("name") == "f:3: "
    assert Place(lines, "layer[0]").where() == "f:2: "
    assert where(None, "name") == ""


def test_draft_of_a_file():
    draft = Draft.of(*parse_net(TEXT, "f"))
    assert draft.where(0, "name") == "f:3: "
    assert draft.named(1) == 'layer "b" (f:5)'


def test_draft_from_memory():
    draft = Draft.of(NetParameter(layer=[LayerParameter(name="a")]))
    assert draft.where(0) == ""
    assert draft.named(0) == 'layer "a"'


def test_with_layers_leaves_the_old_draft_alone():
    draft = Draft.of(*parse_net(TEXT, "f"))
    changed = draft.with_layers([draft.layers[1]], [draft.places[1]])
    assert [layer.name for layer in draft.layers] == ["a", "b"]
    assert [layer.name for layer in changed.layers] == ["b"]
    assert changed.param.name == "n"
    assert changed.where(0) == "f:5: "


def test_copies_keep_what_is_read_elsewhere():
    draft = replace(Draft.of(*parse_net(TEXT, "f")), read_elsewhere=frozenset({"x"}))
    assert draft.with_layers([], []).with_param(NetParameter()).read_elsewhere == {"x"}
