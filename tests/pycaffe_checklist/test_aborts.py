"""Where Caffe ends the whole process: here an exception comes, with the layer or file (section 0.2)."""

import subprocess
import sys

import numpy as np
import pytest

import caffelite
from caffelite.core.errors import CaffeliteError
from caffelite.pycaffe import Net

IP = """input: 'data' input_shape { dim: 1 dim: %d }
layer { name: 'i/p' type: 'InnerProduct' bottom: 'data' top: 'ip' inner_product_param { num_output: 2 bias_term: %s
  weight_filler { type: 'xavier' } } %s }"""


@pytest.fixture
def ip(net_of):
    """Make a net of one inner product of so many inputs."""
    return lambda inputs=3, bias="true", more="": net_of(IP % (inputs, bias, more))


def test_a_prototxt_that_cannot_be_parsed(net_of):
    with pytest.raises(CaffeliteError, match=r"other\.prototxt:1:"):
        net_of("layer { name: ")


def test_an_unknown_layer_type(net_of):
    with pytest.raises(CaffeliteError, match='unknown layer type "Convolutoin"'):
        net_of("layer { name: 'a' type: 'Convolutoin' top: 'a' }")


@pytest.mark.parametrize(
    "call",
    [
        lambda net: net.copy_from("none"),
        lambda net: net.load_hdf5("none"),
        lambda net: caffelite.SGDSolver("none"),
        lambda net: caffelite.get_solver("none"),
        lambda net: Net("none", caffelite.TEST),
    ],
)
def test_a_missing_file(ip, call):
    with pytest.raises(CaffeliteError, match="none"):
        call(ip())


@pytest.mark.parametrize("save", [Net.save, Net.save_hdf5])
def test_a_path_that_cannot_be_written(ip, save, tmp_path):
    with pytest.raises(CaffeliteError, match="cannot write .*there is no folder"):
        save(ip(), tmp_path / "none" / "a")


def test_weights_of_another_shape_or_number(ip, tmp_path):
    ip(4).save(tmp_path / "four")
    ip(3, "false").save(tmp_path / "no_bias")
    net = ip()
    before = net.params["i/p"][0].data.copy()
    for other in ("four", "no_bias"):
        with pytest.raises(CaffeliteError, match="i/p"):
            net.copy_from(tmp_path / other)
    for other in (ip(4), ip(3, "false")):
        with pytest.raises(CaffeliteError, match="i/p"):
            net.share_with(other)
    np.testing.assert_array_equal(net.params["i/p"][0].data, before)


@pytest.mark.parametrize("axis", ["num", "channels", "height", "width"])
def test_old_names_of_axes_with_five_of_them(ip, axis):
    blob = ip().blobs["data"]
    blob.reshape(1, 1, 1, 1, 3)
    with pytest.raises(CaffeliteError, match="1 1 1 1 3 .* has no num, channels, height, width"):
        getattr(blob, axis)


@pytest.mark.parametrize("shape", [(-1, 2), (1,) * 33, (2**16, 2**15)])
def test_shapes_that_no_blob_has(ip, shape):
    blob = ip().blobs["data"]
    with pytest.raises(CaffeliteError, match="a blob cannot have the shape"):
        blob.reshape(*shape)
    assert blob.shape == (1, 3)


@pytest.mark.parametrize(("start", "end"), [(0, 2), (-1, 1), (2, 2)])
def test_layer_numbers_out_of_range(ip, start, end):
    net = ip()
    with pytest.raises(CaffeliteError, match="has layers 0 to 1"):
        net._forward(start, end)
    with pytest.raises(CaffeliteError, match="has layers 0 to 1"):
        net._backward(end, start)


def test_a_net_without_layers(net_of):
    with pytest.raises(CaffeliteError, match='net "empty" has no layers in this phase'):
        net_of("name: 'empty'").forward()


def test_memory_data_before_it_has_data(net_of):
    net = net_of(
        "layer { name: 'm' type: 'MemoryData' top: 'a' top: 'b'"
        " memory_data_param { batch_size: 1 channels: 1 height: 1 width: 1 } }"
    )
    with pytest.raises(CaffeliteError, match=r'layer "m".*net\.set_input_arrays\(data, labels\)'):
        net.forward()


def test_more_params_than_blobs(ip):
    with pytest.raises(CaffeliteError, match="layer i/p: 3 param entries for 2 parameter blobs"):
        ip(more="param { lr_mult: 1 } param { lr_mult: 2 } param { lr_mult: 3 }")


def test_a_second_init_log(tmp_path):
    code = "import caffelite; caffelite.init_log(2)\ntry: caffelite.init_log()\nexcept RuntimeError as err: print(err)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "init_log was called before" in done.stdout


def test_gpu_mode_computes_on_the_cpu(ip):
    caffelite.set_device(0)
    caffelite.set_mode_gpu()
    assert ip().forward(data=np.ones((1, 3)))["ip"].shape == (1, 2)


def test_data_of_a_blob_that_was_never_shaped():
    for part in ("data", "diff"):
        with pytest.raises(CaffeliteError, match="the blob has no shape yet"):
            getattr(caffelite.Blob(), part)


def test_hdf5_of_a_layer_with_a_slash_in_its_name(ip, tmp_path):
    net, other = ip(), ip()
    net.save_hdf5(tmp_path / "a.h5")
    other.load_hdf5(tmp_path / "a.h5")
    np.testing.assert_array_equal(other.params["i/p"][0].data, net.params["i/p"][0].data)


@pytest.mark.parametrize(
    "call",
    [
        lambda net: net.copy_from(),
        lambda net: net.copy_from(3),
        lambda net: net.save(None),
        lambda net: net.share_with(),
        lambda net: net.reshape(1),
        lambda net: net.clear_param_diffs(1),
        lambda net: net._forward(0),
        lambda net: net._forward(0, 1.0),
        lambda net: net._top_ids("data"),
        lambda net: net.layers["ip"],
        lambda net: net.params["i/p"][0.0],
        lambda net: net.before_forward(),
        lambda net: net.set_input_arrays(1),
        lambda net: caffelite.set_random_seed(),
        lambda net: caffelite.get_solver(),
        lambda net: caffelite.log(),
        lambda net: caffelite.Net(),
    ],
)
def test_wrong_arguments_are_type_errors(ip, call):
    with pytest.raises(TypeError):
        call(ip())
