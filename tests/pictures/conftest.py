import numpy as np
import pytest

from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

NET = """force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 1 dim: 6 dim: 5 } } }
layer { name: "c1" type: "Convolution" bottom: "x" top: "c1" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "c2" type: "Convolution" bottom: "c1" top: "c2" convolution_param { num_output: 2 kernel_size: 2 } }
layer { name: "d" type: "Deconvolution" bottom: "c2" top: "d"
  convolution_param { num_output: 1 kernel_size: 4 stride: 2 pad: 1 } }
layer { name: "ip" type: "InnerProduct" bottom: "c2" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "ip2" type: "InnerProduct" bottom: "ip" top: "ip2"
  inner_product_param { num_output: 5 transpose: true } }
layer { name: "slice" type: "Slice" bottom: "ip2" top: "s1" top: "s2" slice_param { slice_point: 2 } }
layer { name: "prob" type: "Softmax" bottom: "s2" top: "prob" }
"""
INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { %s } } }\n'
ONE_CONVOLUTION = (
    'layer {{ name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param {{ num_output: {} {} }} }}\n'
)


@pytest.fixture
def make_net(tmp_path):
    """Make a net of text, its parameters random."""

    def make(text):
        (tmp_path / "net.prototxt").write_text(text)
        net = Net(tmp_path / "net.prototxt", TEST)
        random = np.random.default_rng(3)
        for blobs in net.params.values():
            for blob in blobs:
                blob.data[...] = random.normal(size=blob.shape)
        return net

    return make


@pytest.fixture
def net(make_net):
    """A net of convolutions and inner products, for two images of 6x5."""
    return make_net(NET)


@pytest.fixture
def colour_net(make_net):
    """Two filters of 5x5 on an image of three channels."""
    return make_net(INPUT % "dim: 1 dim: 3 dim: 8 dim: 9" + ONE_CONVOLUTION.format(2, "kernel_size: 5"))


@pytest.fixture
def wide_net(make_net):
    """70 filters of 50 channels."""
    shape = "dim: 1 dim: 50 dim: 3 dim: 3"
    return make_net(INPUT % shape + ONE_CONVOLUTION.format(70, "kernel_h: 2 kernel_w: 1"))


@pytest.fixture
def windows_net(make_net):
    """Make a net of one convolution: windows_net("dim: 1 dim: 1 dim: 5", 'kernel_size: 3')."""
    return lambda shape, param: make_net(INPUT % shape + ONE_CONVOLUTION.format(2, param))
