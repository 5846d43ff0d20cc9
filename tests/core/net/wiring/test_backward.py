"""Reference cases on whole nets: text -> splits -> wiring -> who runs backward."""

import pytest

from caffelite.core.net.wiring.backward import LayerFlow, backward_needs
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.sharing import lr_mults_of
from caffelite.core.net.wiring.splits import insert_splits
from caffelite.core.net.wiring.wire import wire
from caffelite.core.prototxt.parse import parse_net

BLOBS = {"InnerProduct": 2, "BatchNorm": 3}  # parameter blobs by type
T, F = True, False


def default_loss_weights(layer):
    return [1.0] if layer.type.endswith("Loss") else []


def allow_force_backward(layer):
    loss = layer.type.endswith("Loss") and layer.type != "EuclideanLoss"
    return tuple(not (loss and index == 1) for index in range(len(layer.bottom)))


def needs(text, force_backward=False):
    """Return {layer name: (runs backward, flags of its bottoms, flags of its parameters)}."""
    net = insert_splits(Draft.of(*parse_net(text, "f")), default_loss_weights)
    tops_needed = lambda layer: 1 if layer.type.endswith("Loss") else 0  # noqa: E731
    wiring = wire(net, lambda layer: layer.type == "Input", tops_needed)
    flows = []
    for index, layer in enumerate(net.layers):
        weights = [*(layer.loss_weight or default_loss_weights(layer)), *[0.0] * len(layer.top)]
        flows.append(
            LayerFlow(
                wiring.bottom_ids[index],
                wiring.top_ids[index],
                tuple(weights[: len(wiring.top_ids[index])]),
                tuple(layer.propagate_down),
                lr_mults_of(layer, BLOBS.get(layer.type, 0)),
                allow_force_backward(layer),
            )
        )
    found = backward_needs(flows, force_backward)
    names = [layer.name for layer in net.layers]
    return dict(zip(names, zip(found.layers, found.bottoms, found.params, strict=True), strict=True))


def bottoms(text, force_backward=False):
    return {name: list(flags) for name, (_, flags, _) in needs(text, force_backward).items()}


DATA = 'layer { name: "data" type: "DummyData" top: "data" top: "label" }'
IP = 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" param { lr_mult: 1 } param { lr_mult: 2 } }'
TINY = DATA + IP + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "top_loss" }'


def test_tiny_net():
    assert bottoms(TINY) == {"data": [], "ip": [F], "loss": [T, F]}
    assert bottoms(TINY, force_backward=True) == {"data": [], "ip": [T], "loss": [T, F]}


def test_euclidean_loss_allows_all_to_be_forced():
    text = TINY.replace("SoftmaxWithLoss", "EuclideanLoss")
    assert bottoms(text, force_backward=True) == {"data": [], "ip": [T], "loss": [T, T]}


def test_label_through_weights():
    text = DATA + IP + IP.replace('"ip"', '"ip2"').replace('bottom: "data"', 'bottom: "label"')
    text += 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "ip2" }'
    assert bottoms(text) == {"data": [], "ip": [F], "ip2": [F], "loss": [T, T]}


SKIP = """
layer { name: "data" type: "DummyData" top: "data" top: "label" }
layer { name: "silence" type: "Silence" bottom: "label" }
layer { name: "innerproduct" type: "InnerProduct" bottom: "data" top: "innerproduct" }
layer { name: "ip_fake_labels" type: "InnerProduct" bottom: "data" top: "fake_labels" }
layer { name: "argmax" type: "ArgMax" bottom: "fake_labels" top: "label_argmax" }
layer { name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "innerproduct" bottom: "label_argmax" top: "loss"
        loss_weight: 0.1 propagate_down: [true, %s] }
"""


def test_propagate_down_makes_layers_below_run():
    found = needs(SKIP % "true")
    assert found["loss"][1] == (T, T)
    assert {name for name, (runs, _, _) in found.items() if not runs} == {"data", "data_data_0_split", "silence"}


def test_propagate_down_false_stops_them():
    found = needs(SKIP % "false")
    assert found["loss"][1] == (T, F)
    assert {name for name, (runs, _, _) in found.items() if runs} == {"innerproduct", "loss"}


def test_propagate_down_true_asks_a_layer_with_weights_for_one_more():
    text = TINY.replace("SoftmaxWithLoss", "SigmoidCrossEntropyLoss")
    assert bottoms(text) == {"data": [], "ip": [F], "loss": [T, F]}
    forced = needs(text.replace('top: "ip"', 'top: "ip" propagate_down: true'))
    assert forced["ip"][1] == (T,)
    assert forced["loss"][1] == (T, F)
    assert not forced["data"][0]


def test_propagate_down_true_does_not_make_a_weightless_layer_run():
    text = DATA + 'layer { name: "p" type: "Power" bottom: "data" top: "p" propagate_down: true }'
    text += 'layer { name: "loss" type: "EuclideanLoss" bottom: "p" bottom: "label" }'
    assert needs(text)["p"][0] is False


@pytest.mark.parametrize(
    ("lr_mults", "flags"), [((1, 2), (T, T)), ((1, 0), (T, F)), ((0, 1), (F, T)), ((0, 0), (F, F))]
)
def test_parameters(lr_mults, flags):
    text = TINY.replace("lr_mult: 1", f"lr_mult: {lr_mults[0]}").replace("lr_mult: 2", f"lr_mult: {lr_mults[1]}")
    runs, _, params = needs(text)["ip"]
    assert params == flags
    assert runs == any(flags)
    assert needs(text, force_backward=True)["ip"][2] == (T, T)


def test_batch_norm_without_param_entries_counts_as_having_weights():
    text = DATA + 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }'
    text += 'layer { name: "loss" type: "EuclideanLoss" bottom: "bn" bottom: "label" }'
    assert needs(text)["bn"] == (T, (F,), (T, T, T))


def test_layers_without_a_loss_above_do_not_run():
    text = DATA + IP + 'layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" }'
    assert {runs for runs, _, _ in needs(text).values()} == {F}
    assert {runs for runs, _, _ in needs(text, force_backward=True).values()} == {T}


def test_branches_without_a_loss_do_not_run():
    found = needs(TINY + 'layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" }')
    assert found["acc"][:2] == (F, (F, F))
    assert found["ip_ip_0_split"][:2] == (T, (T,))
    assert found["ip"][0]


@pytest.mark.parametrize("weight", ["", "loss_weight: 1"])
@pytest.mark.parametrize("reader", ['type: "Silence"', 'type: "Power" top: "p"'])
def test_a_loss_whose_value_is_read_elsewhere_still_trains(weight, reader):
    text = DATA + IP + f'layer {{ name: "l" type: "EuclideanLoss" bottom: "ip" bottom: "label" top: "l" {weight} }}'
    found = needs(text + f'layer {{ name: "reader" bottom: "l" {reader} }}')
    assert [found[name][0] for name in ("ip", "l", "l_l_0_split", "reader")] == [T, T, T, F]


def test_in_place_layers():
    text = TINY.replace(
        'layer { name: "loss"', 'layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" } layer { name: "loss"'
    )
    assert bottoms(text) == {"data": [], "ip": [F], "relu": [T], "loss": [T, F]}


def test_allowed_flags_are_only_added_by_force():
    found = needs(SKIP % "true", force_backward=True)
    assert found["loss"][1] == (T, T)  # needed without force, so it stays although losses do not allow it
    assert found["silence"][:2] == (T, (T,))
