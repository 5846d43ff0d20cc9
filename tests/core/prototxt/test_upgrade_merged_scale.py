import numpy as np
import pytest

import caffelite
from caffelite.core.prototxt.parse import parse_net
from caffelite.core.prototxt.upgrade import upgrade_net

NET = """
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 3 }} }} }}
layer {{ name: "bn" type: "BatchNorm" bottom: "x" top: "{top}" batch_norm_param {{ {fields} }} }}
layer {{ name: "{type}" type: "{type}" bottom: "{top}" top: "z" }}
"""


def batch_norm(fields, layer_type="Scale", top="y"):
    text = NET.format(fields=fields, type=layer_type, top=top)
    return upgrade_net(*parse_net(text, "f"))[0].layer[1].batch_norm_param


@pytest.mark.parametrize("top", ["x", "y"])
def test_a_scale_behind_is_the_scale(top):
    param = batch_norm("eps: 1e-3 filler { value: 1 } bias_filler { value: 0 }", top=top)
    assert not param.use_weight_bias and not param.HasField("filler") and not param.HasField("bias_filler")
    assert param.eps == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("fields", "layer_type"),
    [
        ("filler { value: 1 }", "ReLU"),
        ("filler { value: 1 } use_weight_bias: true", "Scale"),
        ("scale_filler { value: 1 }", "Scale"),
        ("", "Scale"),
    ],
)
def test_all_others_stay(fields, layer_type):
    text = NET.format(fields=fields, type=layer_type, top="y")
    assert batch_norm(fields, layer_type) == parse_net(text, "f")[0].layer[1].batch_norm_param


def test_weights_of_a_plain_net_are_read(tmp_path):
    nets = []
    for name, fields in (("plain", ""), ("intel", "filler { value: 1 }")):
        path = tmp_path / f"{name}.prototxt"
        path.write_text(NET.format(fields=fields, type="Scale", top="y"))
        nets.append(caffelite.Net(str(path), caffelite.TEST))
    plain, intel = nets
    for blobs in plain.params.values():
        for blob in blobs:
            blob.data[...] = np.arange(1, blob.data.size + 1).reshape(blob.data.shape)
    plain.save(str(tmp_path / "w.caffemodel"))
    intel.copy_from(str(tmp_path / "w.caffemodel"))
    data = np.random.default_rng(0).normal(size=(2, 3))
    results = [net.forward(x=data)["z"].copy() for net in nets]
    np.testing.assert_array_equal(*results)
