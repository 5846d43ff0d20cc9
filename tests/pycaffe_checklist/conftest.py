import numpy as np
import pytest

import caffelite

NET = """name: 'testnet' force_backward: true
layer { type: 'DummyData' name: 'data' top: 'data' top: 'label'
  dummy_data_param { num: 5 channels: 2 height: 3 width: 4 num: 5 channels: 1 height: 1 width: 1
    data_filler { type: 'gaussian' std: 1 } data_filler { type: 'constant' } } }
layer { type: 'Convolution' name: 'conv' bottom: 'data' top: 'conv'
  convolution_param { num_output: 11 kernel_size: 2 pad: 3
    weight_filler { type: 'gaussian' std: 1 } bias_filler { type: 'constant' value: 2 } }
  param { decay_mult: 1 } param { decay_mult: 0 } }
layer { type: 'InnerProduct' name: 'ip' bottom: 'conv' top: 'ip_blob'
  inner_product_param { num_output: 13
    weight_filler { type: 'gaussian' std: 2.5 } bias_filler { type: 'constant' value: -3 } } }
layer { type: 'SoftmaxWithLoss' name: 'loss' bottom: 'ip_blob' bottom: 'label' top: 'loss' }
"""


@pytest.fixture(scope="session")
def net_text():
    """A net of random data, a convolution, an inner product and a loss."""
    return NET


@pytest.fixture
def net_file(tmp_path):
    """The file of that net."""
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return str(path)


@pytest.fixture
def net(net_file):
    """That net for training, with random labels that persist, since the constant filler runs only once."""
    made = caffelite.Net(net_file, caffelite.TRAIN)
    made.blobs["label"].data[...] = np.random.default_rng(1).integers(0, 13, made.blobs["label"].data.shape)
    return made


@pytest.fixture
def net_of(tmp_path):
    """Make a net of a text; further arguments as of Net."""

    def make(text, phase=caffelite.TEST, **options):
        path = tmp_path / "other.prototxt"
        path.write_text(text)
        return caffelite.Net(str(path), phase, **options)

    return make
