import pytest

from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt.parse import parse_net
from caffelite.core.prototxt.upgrade_inputs import needs_batch_norm_upgrade, upgrade_batch_norm, upgrade_inputs


def upgraded(text):
    return upgrade_inputs(*parse_net(text, "f"))


def parsed(text):
    return parse_net(text, "f")[0]


def test_dims():
    text = 'input: "a" input: "b" input_dim: [1, 2, 3,\n 4, 5, 6, 7, 8]\nlayer { name: "l" }'
    step = upgraded(text)
    assert step.param == parsed(
        'layer { name: "input" type: "Input" top: "a" top: "b" input_param { shape { dim: [1, 2, 3, 4] } '
        'shape { dim: [5, 6, 7, 8] } } } layer { name: "l" }'
    )
    assert step.lines.line("layer[0]") == 1
    assert step.lines.line("layer[0].input_param.shape[0].dim[3]") == 2
    assert step.lines.line("layer[1].name") == 3


def test_shapes_go_before_dims():
    step = upgraded('input: "a"\ninput_dim: 1\ninput_shape { dim: 7 }')
    assert step.param == parsed('layer { name: "input" type: "Input" top: "a" input_param { shape { dim: 7 } } }')
    assert step.lines.line("layer[0].input_param.shape[0].dim[0]") == 3


def test_inputs_without_shapes_are_dropped():
    assert upgraded('name: "n" input: "x"').param == parsed('name: "n"')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('input: "a"\ninput_dim: 1 input_dim: 2', r"^f:2: 1 input fields but 2 input_dim; write 4 for each input"),
        (
            'input: "a" input: "b"\ninput_shape { dim: 1 }',
            r"^f:2: 2 input fields but 1 input_shape; write one input_shape for each input$",
        ),
    ],
)
def test_too_few(text, message):
    with pytest.raises(PrototxtError, match=message):
        upgraded(text)


def test_batch_norm_with_three_params():
    one = 'layer { type: "BatchNorm" param { lr_mult: 1 } }'
    net, lines = parse_net(
        'layer { type: "BatchNorm" param { lr_mult: 1 name: "q" } param { decay_mult: 3 } param {} }' + one, "f"
    )
    assert needs_batch_norm_upgrade(net)
    zero = "lr_mult: 0 decay_mult: 0"
    assert upgrade_batch_norm(net, lines).param == parsed(
        f'layer {{ type: "BatchNorm" param {{ {zero} name: "q" }} param {{ {zero} }} param {{ {zero} }} }}' + one
    )
    assert not needs_batch_norm_upgrade(parsed(one))
