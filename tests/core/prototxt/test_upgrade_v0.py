import pytest

from caffelite.core.errors import PrototxtError
from caffelite.core.prototxt.parse import parse_net
from caffelite.core.prototxt.upgrade_v0 import FIELDS, TYPES, fold_padding, needs_v0_upgrade, upgrade_v0
from caffelite.proto.caffe_pb2 import V0LayerParameter, V1LayerParameter

HEAD = 'name: "n" input: "x" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 9 force_backward: true\n'
PADDING = 'layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "pad" }\n'


def upgraded(text):
    return upgrade_v0(*parse_net(text, "f"))


def conv(name, bottom, more=""):
    return f'layers {{ layer {{ name: "{name}" type: "conv" {more} }} bottom: "{bottom}" top: "{name}" }}\n'


DATA = 'layers { layer { name: "data" type: "data" } top: "data" }\n'


def test_padding_goes_into_its_readers():
    text = DATA + PADDING + conv("c1", "pad", "pad: 0") + conv("c2", "pad")
    param, lines = fold_padding(*parse_net(text, "f"))
    assert param == parse_net(DATA + conv("c1", "data", "pad: 2") + conv("c2", "data", "pad: 2"), "f")[0]
    assert [lines.line(f"layers[{i}]") for i in range(3)] == [1, 3, 4]
    assert fold_padding(param, lines)[0] == param


def test_padding_of_a_net_input():
    param, _ = fold_padding(*parse_net('input: "data"' + PADDING + conv("c1", "pad"), "f"))
    assert param.layers[0].bottom[0] == "data"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            DATA + PADDING + 'layers { layer { name: "r" type: "relu" } bottom: "pad" }',
            'f:3: padding layer "pad" is read by "r" of type relu; only conv and pool can take its pad',
        ),
        (
            DATA + PADDING + 'layers { layer { name: "c" type: "conv" } bottom: "pad" bottom: "data" }',
            'f:3: padding layer "pad" and its reader "c" need one bottom each, and the padding layer one top',
        ),
        (DATA + conv("c1", "dta"), 'f:2: Unknown blob input dta to layer c1; did you mean "data"?'),
        (
            'input: "data" ' + conv("c1", "data") + 'layers { name: "r" type: RELU bottom: "c1" top: "r" }',
            'f:2: layer "r" (layers { type: RELU }) is in the form of 2014, others are in that of 2013 '
            "(layers { layer { ... } }); write all in one form",
        ),
        (
            'layers { layer {\n name: "c" type: "convo" } }',
            'f:2: layer "c": Unknown layer name: convo; did you mean "conv"?',
        ),
        (
            'layers { layer {\n name: "l" type: "locally_connected" } }',
            'f:2: layer "l": Unknown layer name: locally_connected (known types: accuracy, bnll, concat, conv, data, '
            "dropout, euclidean_loss, flatten, hdf5_data, hdf5_output, im2col, images, infogain_loss, innerproduct, "
            "lrn, multinomial_logistic_loss, pool, relu, sigmoid, softmax, softmax_loss, split, tanh, window_data)",
        ),
    ],
)
def test_refusals(text, message):
    with pytest.raises(PrototxtError) as caught:
        upgraded(text)
    assert str(caught.value) == message


LAYERS = [
    (
        'type: "data" name: "d" source: "s" batchsize: 4 scale: .5 meanfile: "m" cropsize: 27 mirror: true '
        "rand_skip: 3",
        'type: DATA name: "d" data_param { source: "s" batch_size: 4 rand_skip: 3 } '
        'transform_param { scale: .5 mean_file: "m" crop_size: 27 mirror: true }',
    ),
    (
        'type: "images" source: "s" batchsize: 4 rand_skip: 73 shuffle_images: true new_height: 40 new_width: 30',
        'type: IMAGE_DATA image_data_param { source: "s" batch_size: 4 rand_skip: 73 shuffle: true '
        "new_height: 40 new_width: 30 }",
    ),
    (
        'type: "window_data" source: "s" batchsize: 4 det_fg_threshold: .25 det_bg_threshold: .75 '
        'det_fg_fraction: .5 det_context_pad: 16 det_crop_mode: "square"',
        'type: WINDOW_DATA window_data_param { source: "s" batch_size: 4 fg_threshold: .25 bg_threshold: .75 '
        'fg_fraction: .5 context_pad: 16 crop_mode: "square" }',
    ),
    ('type: "hdf5_data" source: "s" batchsize: 4', 'type: HDF5_DATA hdf5_data_param { source: "s" batch_size: 4 }'),
    (
        'type: "conv" num_output: 9 biasterm: false weight_filler { std: 2 } bias_filler { value: 1 } pad: 4 '
        "kernelsize: 5 stride: 3 group: 3 blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0",
        "type: CONVOLUTION convolution_param { num_output: 9 bias_term: false weight_filler { std: 2 } "
        "bias_filler { value: 1 } pad: 4 kernel_size: 5 stride: 3 group: 3 } "
        "blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0",
    ),
    (
        'type: "innerproduct" num_output: 9 biasterm: false weight_filler { std: 2 } bias_filler { value: 1 }',
        "type: INNER_PRODUCT inner_product_param { num_output: 9 bias_term: false weight_filler { std: 2 } "
        "bias_filler { value: 1 } }",
    ),
    (
        'type: "pool" pool: AVE pad: 1 kernelsize: 3 stride: 2',
        "type: POOLING pooling_param { pool: AVE pad: 1 kernel_size: 3 stride: 2 }",
    ),
    ('type: "pool" pool: STOCHASTIC', "type: POOLING pooling_param { pool: STOCHASTIC }"),
    ('type: "concat" concat_dim: 2', "type: CONCAT concat_param { concat_dim: 2 }"),
    (
        'type: "lrn" local_size: 3 alpha: 2 beta: .5 k: 4',
        "type: LRN lrn_param { local_size: 3 alpha: 2 beta: .5 k: 4 }",
    ),
    ('type: "dropout" dropout_ratio: .2', "type: DROPOUT dropout_param { dropout_ratio: .2 }"),
    ('type: "infogain_loss" source: "h"', 'type: INFOGAIN_LOSS infogain_loss_param { source: "h" }'),
    (
        'type: "hdf5_output" hdf5_output_param { file_name: "o" }',
        'type: HDF5_OUTPUT hdf5_output_param { file_name: "o" }',
    ),
    ('type: "relu" name: "r" blobs { data: 1 } new_num: 3 new_channels: 4', 'type: RELU name: "r" blobs { data: 1 }'),
    *[(f'type: "{old}"', f"type: {new}") for old, new in TYPES.items()],
]


@pytest.mark.parametrize(("old", "new"), LAYERS)
def test_layers(old, new):
    step = upgraded(f'layers {{ layer {{ {old} }} bottom: "a" top: "b" }} layers {{}} input: "a"')
    expected, _ = parse_net(f'layers {{ {new} bottom: "a" top: "b" }} layers {{}} input: "a"', "f")
    assert step.param == expected
    assert step.problems == ()


def test_what_is_kept_of_the_net():
    assert needs_v0_upgrade(parse_net(HEAD + DATA, "f")[0])
    step = upgraded(HEAD + "debug_info: true state { level: 3 } input_shape { dim: 2 }" + DATA)
    assert step.param == parse_net(HEAD + 'layers { type: DATA name: "data" top: "data" }', "f")[0]


def test_what_stands_outside_the_nested_message_is_lost():
    step = upgraded('layers { layer { type: "relu" } loss_weight: 3 include { phase: TEST } }')
    assert step.param == parse_net("layers { type: RELU }", "f")[0]


def test_fields_without_a_place_are_reported():
    step = upgraded('layers { layer { type: "im2col" kernelsize: 3 stride: 1 mirror: true pool: MAX } }')
    assert step.problems == (
        "Unknown parameter kernelsize for layer type im2col",
        "Unknown parameter stride for layer type im2col",
        "Unknown parameter pool for layer type im2col",
    )
    assert step.param == parse_net("layers { type: IM2COL transform_param { mirror: true } }", "f")[0]


def test_every_field_of_the_old_message_is_considered():
    known = set(V0LayerParameter.DESCRIPTOR.fields_by_name)
    assert known - set(FIELDS) == {"type", "new_num", "new_channels"}
    assert set(TYPES.values()) <= set(V1LayerParameter.LayerType.keys())
