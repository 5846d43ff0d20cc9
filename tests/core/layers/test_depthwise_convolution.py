import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.coord_map import coord_map
from caffelite.core.errors import LayerError
from caffelite.core.net.forecast import fields_of_layer, table
from caffelite.core.type_names import DEPTHWISE
from caffelite.draw import choose_color_by_layertype, get_layer_label
from caffelite.drawing.words import colour, figures
from caffelite.explaining.kinds import kind_of
from caffelite.net_spec import layers as L
from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter
from caffelite.testing import blob_of, check_gradient, layer_from, run_backward, run_forward, set_up

FILLERS = 'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 }'


def depthwise(fields, type_name="DepthwiseConvolution"):
    return f'type: "{type_name}" convolution_param {{ {fields} {FILLERS} }}'


def normal(*shape):
    return np.random.default_rng(1701).standard_normal(shape)


def by_channel(x, weight, bias, stride, pad):
    """Each channel by itself, a window at a time; weight (C * m, 1, kh, kw): output o reads channel o // m."""
    outputs, _, kernel_h, kernel_w = weight.shape
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    height, width = ((size - k) // stride + 1 for size, k in zip(padded.shape[2:], (kernel_h, kernel_w), strict=True))
    y = np.zeros((len(x), outputs, height, width))
    for o in range(outputs):
        channel = padded[:, o * x.shape[1] // outputs]
        for p, q in np.ndindex(height, width):
            window = channel[:, p * stride : p * stride + kernel_h, q * stride : q * stride + kernel_w]
            y[:, o, p, q] = (window * weight[o, 0]).sum((1, 2)) + bias[o]
    return y


@pytest.mark.parametrize("type_name", DEPTHWISE)
@pytest.mark.parametrize(("multiple", "stride", "pad"), [(1, 1, 1), (1, 2, 1), (2, 1, 0)])
def test_without_group_each_channel_is_convolved_by_itself(type_name, multiple, stride, pad, dtype):
    fields = f"num_output: {3 * multiple} kernel_size: 3 stride: {stride} pad: {pad}"
    layer, bottom = layer_from(depthwise(fields, type_name), dtype), blob_of(normal(2, 3, 7, 6), dtype)
    (top,) = set_up(layer, [bottom])
    assert [blob.shape for blob in layer.blobs] == [(3 * multiple, 1, 3, 3), (3 * multiple,)]
    layer.forward([bottom], [top])
    wanted = by_channel(bottom.data, *(blob.data for blob in layer.blobs), stride, pad)
    np.testing.assert_allclose(top.data, wanted, atol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("type_name", DEPTHWISE)
def test_a_group_that_is_written_counts(type_name, dtype):
    bottom = blob_of(normal(2, 4, 5, 5), dtype)
    fields = "num_output: 6 kernel_size: 3 group: 2"
    layers = [layer_from(depthwise(fields, name), dtype) for name in (type_name, "Convolution")]
    tops = [run_forward(layer, bottom).data for layer in layers]
    assert layers[0].blobs[0].shape == (6, 2, 3, 3)
    np.testing.assert_array_equal(*tops)


@pytest.mark.parametrize("shape", [(3, 8, 12, 11), (1, 16, 9, 9)])
def test_it_runs_the_kernels_of_a_convolution_with_that_group(shape):
    fields, channels = f"num_output: {shape[1]} kernel_size: 3 pad: 1", shape[1]
    texts = [depthwise(fields), depthwise(f"{fields} group: {channels}", "Convolution")]
    results, kernels = [], []
    for text in texts:
        layer, bottom = layer_from(text, np.float32), blob_of(normal(*shape), np.float32)
        top = set_up(layer, [bottom])
        layer.forward([bottom], top)
        top[0].diff[...] = top[0].data
        run_backward(layer, [bottom], top)
        results.append([top[0].data, bottom.diff, *(blob.diff for blob in layer.blobs)])
        kernels.append({operation: type(kernel) for operation, kernel in layer._kernels.items()})
    assert kernels[0] == kernels[1] and None not in kernels[0].values()
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_gradient():
    check_gradient(depthwise("num_output: 4 kernel_size: 3 stride: 2"), [normal(2, 2, 5, 6)], threshold=1e-6)


def test_another_size_an_empty_batch_and_the_first_size_again(dtype):
    layer, bottom = layer_from(depthwise("num_output: 3 kernel_size: 3"), dtype), blob_of(normal(2, 3, 6, 6), dtype)
    top = set_up(layer, [bottom])
    for shape in ((1, 3, 9, 4), (0, 3, 6, 6), (2, 3, 6, 6)):
        bottom.reshape(*shape)
        bottom.data[...] = normal(*shape)
        layer.reshape([bottom], top)
        layer.forward([bottom], top)
        run_backward(layer, [bottom], top)
        wanted = by_channel(bottom.data, *(blob.data for blob in layer.blobs), 1, 0)
        np.testing.assert_allclose(top[0].data, wanted, atol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("num_output: 6 kernel_size: 3", r"num_output is 6; .* bottom's 4 channels .* multiple of 4, or write group"),
        ("num_output: 0 kernel_size: 3", r"num_output is 0; use 1 or more"),
        ("num_output: 4", r"kernel_size is not set"),
        ("num_output: 6 kernel_size: 3 group: 4", r"group is 4; it must divide the 6 outputs"),
        ("num_output: 4 kernel_size: 3 group: 0", r"group is 0; use 1 or more"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(depthwise(fields), normal(1, 4, 5, 5))


def test_refuses_another_number_of_channels():
    layer, bottom = layer_from(depthwise("num_output: 4 kernel_size: 3")), blob_of(normal(1, 4, 5, 5))
    top = set_up(layer, [bottom])
    bottom.reshape(1, 2, 5, 5)
    with pytest.raises(LayerError, match="set up for 4 axes with 4 channels"):
        layer.reshape([bottom], top)


NET = """
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: 4 dim: 6 dim: 6 }} }} }}
layer {{ name: "dw" type: "{}" bottom: "x" top: "y" convolution_param {{ num_output: 4 kernel_size: 3 {} }} }}
"""


def net_of(type_name, group=""):
    return caffelite.Net(text_format.Parse(NET.format(type_name, group), NetParameter()), caffelite.TEST)


@pytest.mark.parametrize("type_name", DEPTHWISE)
def test_costs_formula_columns_and_terms_are_those_of_the_convolution(type_name):
    nets = [net_of(type_name), net_of("Convolution", "group: 4")]
    costs = [{**net.summary().layers[1].as_dict(), "type": ""} for net in nets]
    assert costs[0] == costs[1] and costs[0]["multiply_adds"] == 4 * 9 * 16
    layers = [net.layer_dict["dw"] for net in nets]
    sample = normal(4, 6, 6).astype(np.float32)
    np.testing.assert_array_equal(*(layer.columns(sample) for layer in layers))
    for net, layer in zip(nets, layers, strict=True):
        layer.blobs[0].data[...] = normal(4, 1, 3, 3)
        net.blobs["x"].data[...] = sample
        net.forward()
    assert len({str(net.explain("dw").formula) for net in nets}) == 1
    assert len({tuple(term.value for term in net.why("y", 0, 1, 2, 3).terms) for net in nets}) == 1


@pytest.mark.parametrize("type_name", DEPTHWISE)
def test_the_forecast_of_compiling_is_that_of_the_convolution(type_name):
    def case(text):
        layer = text_format.Parse(text, LayerParameter())
        return table().nearest(layer.type, fields_of_layer(layer))

    fields = "num_output: 8 kernel_size: 3 pad: 1"
    wanted = case(f'type: "Convolution" convolution_param {{ {fields} group: 8 }}')
    assert case(f'type: "{type_name}" convolution_param {{ {fields} }}') == wanted


@pytest.mark.parametrize("type_name", DEPTHWISE)
def test_pages_pictures_and_programs_take_it_for_a_convolution(type_name):
    net = net_of(type_name)
    net.forward()
    assert kind_of(net.core_layers[1])["kind"] == "convolution"
    fields = "convolution_param { num_output: 8 kernel_size: 3 stride: 2 }"
    written, plain = (
        text_format.Parse(f'name: "c" type: "{name}" {fields}', LayerParameter()) for name in (type_name, "Convolution")
    )
    assert figures(written) == figures(plain) == "8 of 3\u00d73, stride 2" and colour(written) == colour(plain)
    label = get_layer_label(written, "TB")
    assert label == get_layer_label(plain, "TB").replace("(Convolution)", f"({type_name})")
    assert choose_color_by_layertype(type_name) == choose_color_by_layertype("Convolution")
    top = getattr(L, type_name)(L.Input(), num_output=8, kernel_size=3, stride=2, pad=1)
    assert coord_map(top.fn)[1:] == (0.5, 0)
    made = str(top.to_proto())
    assert "num_output: 8" in made and "convolution_param" in made
