import json

import numpy as np
import pytest

import caffelite
from caffelite.explaining.kinds import kind_of

IMAGE = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 dim: 6 dim: 6 } } }\n'


def kind(make_net, layer, phase=caffelite.TEST, values=1.0):
    net, _ = make_net(IMAGE + f'layer {{ name: "l" bottom: "x" top: "y" {layer} }}', phase)
    net.blobs["x"].data[...] = values
    net.forward()
    return kind_of(net.core_layers[1])


def test_a_convolution_tells_its_window(make_net):
    param = "num_output: 6 kernel_h: 3 kernel_w: 2 stride: 2 pad: 1 group: 2"
    found = kind(make_net, f'type: "Convolution" convolution_param {{ {param} }}')
    assert found == {
        "kind": "convolution",
        "kernel": (3, 2),
        "stride": (2, 2),
        "pad": (1, 1),
        "dilation": (1, 1),
        "group": 2,
        "channels": 4,
        "outputs": 6,
        "image": (6, 6),
        "output": (3, 4),
        "bias": True,
    }


def test_pooling_tells_its_kind(make_net):
    found = kind(make_net, 'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }')
    assert found == {"kind": "average pooling", "kernel": [3, 3], "stride": [2, 2], "pad": [1, 1]}


@pytest.mark.parametrize(("phase", "name"), [(caffelite.TEST, "copy"), (caffelite.TRAIN, None)])
def test_dropout_is_a_copy_when_it_drops_nothing(make_net, phase, name):
    found = kind(make_net, 'type: "Dropout"', phase)
    assert (found and found["kind"]) == name


def test_statistics_that_are_no_numbers_are_words(make_net):
    values = np.ones((1, 4, 6, 6))
    values[0, 0, 0, 0], values[0, 1, 0, 0] = np.nan, np.inf
    with np.errstate(all="ignore"):
        found = kind(make_net, 'type: "BatchNorm" batch_norm_param { use_global_stats: false }', values=values)
    assert found["mean"][:3] == ["NaN", "Infinity", 1.0]
    json.dumps(found, allow_nan=False)


def test_what_is_drawn_at_random_is_not_taken_apart(make_net):
    drawn = 'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 }'
    assert kind(make_net, drawn, caffelite.TRAIN) is None
    assert kind(make_net, drawn)["kind"] == "stochastic pooling"
    assert kind(make_net, 'type: "SPP" spp_param { pyramid_height: 1 pool: STOCHASTIC }', caffelite.TRAIN) is None
    assert kind(make_net, 'type: "SPP" spp_param { pyramid_height: 1 }', caffelite.TRAIN)["pool"] == "max pooling"


def test_levels_of_a_pyramid_follow_one_another(make_net):
    found = kind(make_net, 'type: "SPP" spp_param { pyramid_height: 2 }')
    assert found["levels"] == [
        {"kernel": [6, 6], "stride": [6, 6], "pad": [0, 0], "shape": [1, 4, 1, 1], "start": 0},
        {"kernel": [3, 3], "stride": [3, 3], "pad": [0, 0], "shape": [1, 4, 2, 2], "start": 4},
    ]


def test_a_layer_without_a_rule(make_net):
    assert kind(make_net, 'type: "Dropout"', caffelite.TRAIN) is None
    assert kind(make_net, 'type: "Dropout"')["kind"] == "copy"
