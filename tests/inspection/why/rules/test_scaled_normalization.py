import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.proto.caffe_pb2 import NetParameter
from caffelite.testing import spread_values

NET = """
force_backward: true
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 3 dim: 2 dim: 2 dim: 2 }} }} }}
layer {{ name: "bn" bottom: "x" top: "y" {} }}
"""
RANDOM = '{ type: "gaussian" std: 1 }'
SCALES, SLOPES = (
    f"{names[0]}_filler {RANDOM} {names[1]}_filler {RANDOM}" for names in (("scale", "shift"), ("slope", "bias"))
)
LAYERS = [
    f'type: "BN" bn_param {{ {SCALES} }} top: "m" top: "v"',
    f'type: "BN" bn_param {{ {SCALES} bn_mode: INFERENCE }}',
    f'type: "BN" bn_param {{ {SLOPES} }}',
    f'type: "BN" bn_param {{ {SLOPES} frozen: true }}',
    f'type: "BatchNorm" batch_norm_param {{ scale_filler {RANDOM} bias_filler {RANDOM} relu: true }}',
    'type: "BatchNorm" batch_norm_param { relu: true }',
]


@pytest.mark.parametrize("layer", LAYERS)
def test_terms_add_up_to_values_and_gradients(layer):
    net = caffelite.Net(text_format.Parse(NET.format(layer), NetParameter()), caffelite.TRAIN)
    net.blobs["x"].data[...] = spread_values((3, 2, 2, 2))
    net.forward()
    net.blobs["y"].diff[...] = spread_values((3, 2, 2, 2), seed=2)
    for name in ("m", "v"):
        if name in net.blobs:
            net.blobs[name].diff[...] = 0
    net.backward()
    for name in net.outputs:
        for index in np.ndindex(*net.blobs[name].shape):
            assert net.why(name, *index).total == pytest.approx(float(net.blobs[name].data[index]), abs=1e-5)
    for index in np.ndindex(3, 2, 2, 2):
        assert net.why("x", *index, diff=True).total == pytest.approx(float(net.blobs["x"].diff[index]), abs=1e-4)
    for number, blob in enumerate(net.params["bn"]):
        for index in np.ndindex(*blob.shape):
            found = net.why(f"bn[{number}]", *index, diff=True).total
            assert found == pytest.approx(float(blob.diff[index]), rel=1e-4, abs=1e-4)
