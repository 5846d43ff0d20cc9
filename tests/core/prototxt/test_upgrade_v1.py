import pytest

from caffelite import layer_type_list
from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt.parse import parse_net
from caffelite.core.prototxt.upgrade_v1 import (
    PARAM_LISTS,
    TYPES,
    needs_transform_upgrade,
    upgrade_transforms,
    upgrade_v1,
)
from caffelite.proto.caffe_pb2 import LayerParameter, V1LayerParameter


def upgraded(text):
    return upgrade_v1(*parse_net(text, "f")).param


def parsed(text):
    return parse_net(text, "f")[0]


def test_every_type_has_its_new_name():
    assert set(TYPES) == set(V1LayerParameter.LayerType.keys())
    for old, new in TYPES.items():
        assert upgraded(f"layers {{ type: {old} }}") == parsed(f'layer {{ type: "{new}" }}')


def test_every_layer_type_has_a_word():
    """Those alone have none that differ from another one's in small letters, or are a second name of it.

    Crop has none because CROP is FCN's, whose offset the net found by itself.
    """
    without = set(layer_type_list()) - set(TYPES.values())
    assert without == {"Crop", "DepthwiseConvolutionLayer", "Lstm", "UnPooling"}


def test_every_layers_message_is_there():
    """Under the number of LayerParameter where that is a fork's."""
    new = {field.name: field for field in LayerParameter.DESCRIPTOR.fields if field.message_type is not None}
    old = V1LayerParameter.DESCRIPTOR.fields_by_name
    missing = {name for name, field in new.items() if name not in old or old[name].message_type != field.message_type}
    assert missing == {"multinode", "param", "quantization_param"}
    assert all(old[name].number == field.number for name, field in new.items() if field.number > 10000 and name in old)


def test_no_type_stays_no_type():
    assert upgraded("layers {}") == parsed("layer {}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0",
            "param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }",
        ),
        (
            'param: "w" param: "b" blobs_lr: 0 weight_decay: 5 blob_share_mode: PERMISSIVE',
            'param { name: "w" share_mode: PERMISSIVE lr_mult: 0 decay_mult: 5 } param { name: "b" }',
        ),
        ("blobs_lr: 3 blob_share_mode: STRICT", "param { lr_mult: 3 share_mode: STRICT }"),
    ],
)
def test_params(old, new):
    assert upgraded(f"layers {{ {old} }}") == parsed(f"layer {{ {new} }}")


def test_all_other_fields_keep_name_and_value():
    text = 'name: "a" bottom: "x" top: "y" include { phase: TEST } exclude { level: 2 } loss_weight: 2 blobs { num: 3 }'
    text = text.replace("level", "min_level") + " relu_param { negative_slope: 2 } loss_param {}"
    assert upgraded(f"layers {{ {text} }}") == parsed(f"layer {{ {text} }}")


def test_every_field_of_the_old_message_is_considered():
    new = set(LayerParameter.DESCRIPTOR.fields_by_name)
    old = set(V1LayerParameter.DESCRIPTOR.fields_by_name)
    assert old - new - set(PARAM_LISTS) == {"layer"}  # the form of 2013, which upgrade_v0 has turned into others


def test_the_rest_of_the_net_is_kept():
    rest = 'name: "n" input: "x" input_dim: 3 state { level: 2 } debug_info: true'
    assert upgraded(rest + " layers {}") == parsed(rest + " layer {}")


def test_layer_and_layers():
    with pytest.raises(PrototxtError, match=r"^f:2: Refusing to upgrade inconsistent NetParameter input; .* both"):
        upgraded('layer {}\nlayers { name: "a" }')
    with pytest.raises(PrototxtError, match=r'Write layer here instead of layers, and type: "SoftmaxWithLoss"$'):
        upgraded("layer {}\nlayers { type: SOFTMAX_LOSS }")


@pytest.mark.parametrize("kind", ["data", "image_data", "window_data"])
def test_transformations_move(kind):
    text = f"layers {{ type: {kind.upper()}\n {kind}_param {{ batch_size: 2\n scale: 2 mean_file: 'm' crop_size: 3 "
    text += "mirror: true } transform_param { scale: 5 force_gray: true } }\n"
    other = "layers { type: DATA }"  # Caffe leaves empty messages here
    param, lines = parse_net(text + other, "f")
    assert needs_transform_upgrade(param)
    step = upgrade_transforms(param, lines)
    assert step.param == parsed(
        f"layers {{ type: {kind.upper()} {kind}_param {{ batch_size: 2 }} "
        'transform_param { scale: 2 force_gray: true mean_file: "m" crop_size: 3 mirror: true } } '
        "layers { type: DATA data_param {} transform_param {} }"
    )
    assert step.lines.line("layers[0].transform_param.mean_file") == 3
    assert not needs_transform_upgrade(step.param)


def test_transformations_of_other_layers_stay():
    assert not needs_transform_upgrade(parsed("layers { type: RELU data_param { scale: 2 } }"))
    assert not needs_transform_upgrade(parsed('layer { type: "Data" data_param { mean_file: "m" } }'))
