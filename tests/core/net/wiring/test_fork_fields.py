import logging

import pytest

import caffelite
from caffelite.core.errors import NetError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.fork_fields import fields_without_effect, refuse_fork_fields
from caffelite.core.prototxt.parse import parse_net
from caffelite.core.prototxt.upgrade import upgrade_net


def draft_of(text):
    return Draft.of(*upgrade_net(*parse_net(text, "f"))[:2])


def layer(fields, kind="ReLU", name="a"):
    return f'layer {{ name: "{name}" type: "{kind}"\n {fields} }}\n'


def refused(text):
    with pytest.raises(NetError) as caught:
        refuse_fork_fields(draft_of(text))
    return str(caught.value).split("\n")


def test_what_changes_results_is_refused_by_name_all_at_once():
    text = layer("transform_param { resize_param { height: 3 width: 4 } crop_h: 2 }", "Data")
    assert refused(text + layer("inner_product_param { normalize: true }", "InnerProduct", "b")) == [
        'f:2: layer "a" (Data): transform_param.resize_param is given, a field of SSD\'s Caffe: images are resized '
        "first, which is not done here; resize the images when the database is made (caffelite convert_imageset), and "
        "leave it out",
        'f:2: layer "a" (Data): transform_param.crop_h is 2, a field of SSD\'s Caffe: the crop has sides of its own, '
        "which is not done here; write crop_size, whose crops are square",
        'f:4: layer "b" (InnerProduct): inner_product_param.normalize is true, a field of happynear\'s Caffe: rows of '
        "weights get length 1, which is not done here; the layer that it stands in does not read it; leave it out "
        "where results need not be the fork's",
    ]


def test_losses_that_do_not_read_a_field_refuse_it():
    text = "loss_param { label_smoothing: 0.5 }"
    refuse_fork_fields(draft_of(layer(text, "SoftmaxWithLoss")))
    (told,) = refused(layer(text, "SigmoidCrossEntropyLoss"))
    assert told.startswith('f:2: layer "a" (SigmoidCrossEntropyLoss): loss_param.label_smoothing is 0.5')


@pytest.mark.parametrize(
    "fields",
    [
        "inner_product_param { normalize: false }",
        "image_data_param { short_side: 0 }",
        "pooling_param { ceil_mode: false }",
        "inner_product_param { normalize: true }",  # which a Pooling does not read: it is told that it has no effect
    ],
)
def test_a_default_changes_nothing_and_what_layers_read_is_theirs(fields):
    draft = draft_of(layer(fields, "Pooling"))
    refuse_fork_fields(draft)  # raises nothing
    assert fields_without_effect(draft) == []


def test_harmless_fields_are_said_once_with_their_first_line():
    text = "default_forward_type: FLOAT16\n" + "".join(
        layer('quantization_param { bw_params: 8 } forward_type: FLOAT16 engine: "MKLDNN"', name=name) for name in "abc"
    )
    assert fields_without_effect(draft_of(text)) == [
        "f:1: default_forward_type (NVIDIA's) has no effect: caffelite computes in float32, or in float64 where a "
        "program asks for it (the net)",
        "f:3: engine: MKLDNN (layer a, ...) is computed by caffelite's own kernels, on the CPU.",
        "f:3: forward_type (NVIDIA's) has no effect: caffelite computes in float32, or in float64 where a program asks "
        "for it (layer a and 2 more)",
        "f:3: quantization_param (Intel's) has no effect: caffelite computes in float32, or in float64 where a program "
        "asks for it (layer a and 2 more)",
    ]


@pytest.mark.parametrize(
    "fields",
    ['engine: "CAFFE"', "eltwise_param { engine: 'CAFFE' }", "pooling_param { engine: CAFFE }", "debug: false"],
)
def test_caffes_own_engine_and_defaults_are_not_mentioned(fields):
    assert fields_without_effect(draft_of(layer(fields))) == []


def test_a_net_with_harmless_fields_runs(tmp_path, caplog):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }\n'
        + layer('bottom: "x" top: "x" debug: true engine: MKL2017')
    )
    with caplog.at_level(logging.WARNING, "caffelite"):
        net = caffelite.Net(str(path), caffelite.TEST)
    net.forward()
    assert caplog.messages == [
        f"{path}:3: engine: MKL2017 has no effect here: caffelite's own kernels compute it, on the CPU",
        f"{path}:3: debug (NVIDIA's) has no effect: it says more in the fork's own log (layer a)",
    ]
