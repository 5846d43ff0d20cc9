import numpy as np
import pytest

from caffelite.assign_proto import (
    NetSpecError,
    assign_layer_field,
    assign_proto,
    own_message,
    param_name_dict,
)
from caffelite.core.layer import LAYERS, layer_type_list
from caffelite.proto import caffe_pb2


def layer_with(type_name, **fields):
    layer = caffe_pb2.LayerParameter(type=type_name)
    for name, value in fields.items():
        assign_layer_field(layer, name, value)
    return layer


def test_every_message_of_a_layer_has_its_field():
    names = param_name_dict()
    assert len(names) >= 49  # Caffe's own, and forks'
    wanted = {
        "Convolution": "convolution",
        "ArgMax": "argmax",
        "PReLU": "prelu",
        "HDF5Data": "hdf5_data",
        "BatchNorm": "batch_norm",
        "Transformation": "transform",
    }
    assert {name: names[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    "type_name",
    "AbsVal BNLL BatchReindex EuclideanLoss Filter LSTMUnit MultinomialLogisticLoss SigmoidCrossEntropyLoss Silence "
    "SoftmaxWithLoss Split".split(),
)
def test_types_without_a_message_of_their_own(type_name):
    assert own_message(type_name) == ""
    assert layer_with(type_name, loss_weight=2).loss_weight == [2]


def test_where_a_keyword_goes():
    layer = layer_with(
        "Convolution",
        kernel_size=3,
        param=[dict(lr_mult=1), dict(lr_mult=2)],
        convolution_param=dict(num_output=5),
        loss_weight=2,
        include=dict(phase=0),
        propagate_down=[True, False],
        name="x",
    )
    assert layer.convolution_param.kernel_size == [3]
    assert layer.convolution_param.num_output == 5
    assert [param.lr_mult for param in layer.param] == [1, 2]
    assert layer.loss_weight == [2]
    assert [(rule.HasField("phase"), rule.phase) for rule in layer.include] == [(True, caffe_pb2.TRAIN)]
    assert (layer.propagate_down, layer.name) == ([True, False], "x")


@pytest.mark.parametrize(
    ("type_name", "field"),
    [
        ("Deconvolution", "convolution_param"),
        ("Im2col", "convolution_param"),
        ("LSTM", "recurrent_param"),
        ("RNN", "recurrent_param"),
    ],
)
def test_types_that_read_another_s_message(type_name, field):
    filler = dict(type="xavier")
    layer = layer_with(type_name, weight_filler=filler)
    assert getattr(layer, field).weight_filler.type == "xavier"
    assert layer == layer_with(type_name, **{field: dict(weight_filler=filler)})


def test_a_value_alone_is_one_of_a_repeated_field():
    assert layer_with("DummyData", shape=dict(dim=3)).dummy_data_param.shape[0].dim == [3]
    assert [p.lr_mult for p in layer_with("Convolution", param=dict(lr_mult=0)).param] == [0]


@pytest.mark.parametrize("values", [[3, 5], (3, 5), np.array([3, 5]), [np.int64(3), np.uint8(5)]])
def test_lists_tuples_and_arrays(values):
    assert layer_with("Convolution", kernel_size=values).convolution_param.kernel_size == [3, 5]
    assert layer_with("Input", shape=dict(dim=values)).input_param.shape[0].dim == [3, 5]


def test_an_array_without_axes_is_one_value():
    assert layer_with("Convolution", kernel_size=np.array(3)).convolution_param.kernel_size == [3]


def test_mean_values_as_a_tuple():
    layer = layer_with("Data", transform_param=dict(mean_value=(104, 117, 123), mirror=np.bool_(True)))
    assert (layer.transform_param.mean_value, layer.transform_param.mirror) == ([104, 117, 123], True)


def test_nothing_sets_nothing():
    layer = layer_with("Convolution", kernel_size=[], param=[], weight_filler={})
    assert layer == caffe_pb2.LayerParameter(type="Convolution")
    assert len(layer_with("Convolution", include=dict()).include) == 1


def test_messages_are_taken_as_they_are():
    filler = caffe_pb2.FillerParameter(type="msra")
    layer = layer_with("Convolution", weight_filler=filler, param=[caffe_pb2.ParamSpec(lr_mult=3)])
    assert (layer.convolution_param.weight_filler, layer.param[0].lr_mult) == (filler, 3)


@pytest.mark.parametrize("type_name", layer_type_list())
def test_keywords_of_a_type_go_where_a_layer_of_it_reads(type_name):
    read = {name for kind in LAYERS[type_name] for name in kind.layer_class.messages}
    assert own_message(type_name) in (read - {"loss_param", "softmax_param"} or {"", *read})


@pytest.mark.parametrize("value", [1, "AVE", np.int64(1)])
def test_enums_by_number_and_by_name(value):
    assert layer_with("Pooling", pool=value).pooling_param.pool == caffe_pb2.PoolingParameter.AVE


def test_text_may_be_bytes_and_numbers_may_be_bools():
    layer = layer_with("Convolution", num_output=True, weight_filler=dict(type=b"xavier"))
    assert (layer.convolution_param.num_output, layer.convolution_param.weight_filler.type) == (1, "xavier")


@pytest.mark.parametrize(
    ("type_name", "fields", "message"),
    [
        ("Convolution", dict(kernel_sise=3), 'no field "kernel_sise"; did you mean "kernel_size"?'),
        (
            "SoftmaxWithLoss",
            dict(ignore_label=3),
            'no field "ignore_label"; write loss_param=dict(ignore_label=...) or accuracy_param=dict(ignore_label=...) '
            "if the layer reads it",
        ),
        ("NoSuchType", dict(qqqqqqqqqqqq=3), 'no field "qqqqqqqqqqqq"'),
        (
            "InnerProduct",
            dict(weight_filler=dict(typo=1)),
            'inner_product_param.weight_filler.typo: FillerParameter has no field "typo"; did you mean "type"?',
        ),
        (
            "InnerProduct",
            dict(inner_product_param=dict(weight_filler=dict(st=1))),
            'inner_product_param.weight_filler.st: FillerParameter has no field "st"; did you mean "std"?',
        ),
        ("InnerProduct", dict(weight_filler={1: 2}), 'weight_filler.1: FillerParameter has no field "1"'),
        ("InnerProduct", dict(num_output=[3]), "inner_product_param.num_output is [3]; the field takes one value"),
        ("InnerProduct", dict(num_output=3.0), "inner_product_param.num_output is 3.0; "),
        ("InnerProduct", dict(num_output="3"), "inner_product_param.num_output is '3'; "),
        ("InnerProduct", dict(num_output=None), "inner_product_param.num_output is None; "),
        ("InnerProduct", dict(num_output=-1), "inner_product_param.num_output is -1; "),
        ("InnerProduct", dict(num_output=2**32), "inner_product_param.num_output is 4294967296; "),
        ("InnerProduct", dict(weight_filler="xavier"), "it is a FillerParameter: write weight_filler=dict(...)"),
        ("InnerProduct", dict(param=[1]), "param is 1; it is a ParamSpec: write param=dict(...)"),
        ("InnerProduct", dict(convolution_parm=1), 'no field "convolution_parm"; did you mean "convolution_param"?'),
        (
            "Pooling",
            dict(pool="MAXX"),
            "pooling_param.pool is 'MAXX'; use MAX, AVE or STOCHASTIC; did you mean \"MAX\"?",
        ),
        ("Pooling", dict(pool=7), "pooling_param.pool is 7; use MAX, AVE or STOCHASTIC"),
        ("Pooling", dict(pool=1.0), "pooling_param.pool is 1.0; use MAX, AVE or STOCHASTIC"),
        ("Input", dict(shape=dict(dim=np.ones((1, 2), int))), "input_param.shape.dim is "),
    ],
)
def test_refusals_name_the_innermost_field(type_name, fields, message):
    with pytest.raises(NetSpecError) as caught:
        layer_with(type_name, **fields)
    assert message in str(caught.value)
    assert isinstance(caught.value, TypeError) and isinstance(caught.value, AttributeError)


def test_any_message_can_be_filled():
    solver = caffe_pb2.SolverParameter()
    assign_proto(solver, "test_iter", (1, 2))
    assign_proto(solver, "base_lr", np.float32(0.5))
    assign_proto(solver, "net_param", dict(layer=[dict(name="a"), dict(name="b")]))
    assert (solver.test_iter, solver.base_lr) == ([1, 2], 0.5)
    assert [layer.name for layer in solver.net_param.layer] == ["a", "b"]
