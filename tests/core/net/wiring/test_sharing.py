import pytest

from caffelite.core.errors import NetError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.sharing import LayerParams, equal_names, lr_mults_of, share_params
from caffelite.core.prototxt.parse import parse_net


def params_of(text, *shapes):
    draft = Draft.of(*parse_net(text, "f"))
    pairs = zip(draft.layers, shapes, draft.places, strict=True)
    return [LayerParams(layer.name, blobs, layer.param, place) for layer, blobs, place in pairs]


def shared(text, *shapes):
    """Share the parameters of a net whose layer i has blobs of the shapes `shapes[i]`."""
    return share_params(params_of(text, *shapes))


def refusal(text, *shapes):
    with pytest.raises(NetError) as caught:
        shared(text, *shapes)
    return str(caught.value)


W, B = (2, 3), (2,)


def test_nothing_shared():
    text = 'layer { name: "a" param { lr_mult: 3 decay_mult: 2 } } layer { name: "b" param { name: "w" } }'
    found = shared(text, (W, B), (W,))
    assert found.positions == ((0, 0), (0, 1), (1, 0))
    assert found.display_names == ("0", "1", "w")
    assert found.owners == found.learnable == (0, 1, 2)
    assert found.lr_mults == (3, 1, 1)
    assert found.decay_mults == (2, 1, 1)
    assert found.notes == ()


def test_owners_and_sharers():
    text = """layer { name: "a" param { name: "w" lr_mult: 2 } param { decay_mult: 0 } }
layer { name: "b" param { name: "w" } param { name: "v" } } layer { name: "c" param { name: "v" lr_mult: 5 } }"""
    found = shared(text, (W, B), (W, B), (B,))
    assert found.owners == (0, 1, 0, 3, 3)
    assert found.learnable == (0, 1, 3)
    assert found.lr_mults == (2, 1, 5)  # the sharer states what the owner left open
    assert found.decay_mults == (1, 0, 1)
    assert found.notes == (
        "Sharing parameters 'w' owned by layer 'a', param index 0",
        "Sharing parameters 'v' owned by layer 'b', param index 1",
    )


def test_sharing_within_a_layer():
    assert shared('layer { name: "a" param { name: "w" } param { name: "w" } }', (W, W)).owners == (0, 0)


def test_equal_multipliers_agree():
    text = 'layer { name: "a" param { name: "w" lr_mult: 0.1 } } layer { name: "b" param { name: "w" lr_mult: 0.1 } }'
    assert shared(text, (W,), (W,)).lr_mults == pytest.approx((0.1,))


@pytest.mark.parametrize("field", ["lr_mult", "decay_mult"])
def test_different_multipliers(field):
    text = 'layer { name: "a" param { name: "w" } }\nlayer { name: "b" param { name: "w"\n F: 2 } }\n'
    text += 'layer { name: "c" param { name: "w"\n F: 3 } }'
    assert refusal(text.replace("F", field), (W,), (W,), (W,)) == (
        f"f:5: Shared param 'w' has mismatched {field}. Layer 'c' says 3, layer 'a', which owns it, 2; "
        "write it in one of them only"
    )


SHARERS = 'layer { name: "A" param { name: "P" } }\nlayer { name: "B" param { name: "P" MODE } }'


def test_strict_shapes():
    text = SHARERS.replace("MODE", "")
    assert refusal(text, (W,), ((3, 2),)) == (
        "f:2: Cannot share param 'P' owned by layer 'A' with layer 'B'; shape mismatch.  Owner layer param shape is "
        "2 3 (6); sharing layer expects shape 3 2 (6). The counts agree: share_mode: PERMISSIVE would share the "
        "values in their order"
    )
    assert refusal(text, (W,), ((4, 2),)).endswith("2 3 (6); sharing layer expects shape 4 2 (8)")


def test_permissive_shapes():
    text = SHARERS.replace("MODE", "share_mode: PERMISSIVE")
    assert shared(text, (W,), ((3, 2),)).owners == (0, 0)
    assert refusal(text, (W,), ((4, 2),)) == (
        "f:2: Cannot share param 'P' owned by layer 'A' with layer 'B'; count mismatch.  Owner layer param shape is "
        "2 3 (6); sharing layer shape is 4 2 (8)"
    )


def test_too_many_params():
    assert refusal('layer { name: "a"\n param {}\n param {} }', (W,)) == (
        "f:3: Too many params specified for layer a: 2 param entries for 1 parameter blobs"
    )


def test_lr_mults_of():
    layer = parse_net("layer { param {} param { lr_mult: 0 } }", "f")[0].layer[0]
    assert lr_mults_of(layer, 3) == (1, 0, 1)
    assert lr_mults_of(layer, 1) == (1,)


def test_layers_of_one_name_that_both_own_parameters_are_warned_of():
    shared_name = 'param { name: "w" }'
    text = f"""layer {{ name: "a" {shared_name} }}
layer {{ name: "a" }} layer {{ name: "b" }}
layer {{ name: "a" {shared_name} }}
layer {{ name: "a" }}"""
    layers = params_of(text, (W,), (), (W,), (W,), (B,))
    assert equal_names(layers, share_params(layers)) == [
        'f:4: layer "a" has parameters, and so has an earlier layer of this name (f:1); Caffe, net.params and other '
        "nets find parameters by the layer's name and mix the two up, so give one of them another name"
    ]
