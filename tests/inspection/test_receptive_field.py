import numpy as np
import pytest

import caffelite
from caffelite.inspection.receptive_field import receptive_fields

NET = """
layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: 1 dim: 40 dim: 40 }} }} }}
{}
force_backward: true
"""
WEIGHT = "weight_filler { value: 1 }"
LAYERS = {
    "conv": f"""
layer {{ name: "a" type: "Convolution" bottom: "x" top: "a"
         convolution_param {{ num_output: 1 kernel_size: 3 stride: 2 dilation: 2 {WEIGHT} }} }}
layer {{ name: "b" type: "Convolution" bottom: "a" top: "b"
         convolution_param {{ num_output: 1 kernel_size: 2 {WEIGHT} }} }}""",
    "pooling": f"""
layer {{ name: "a" type: "Pooling" bottom: "x" top: "a" pooling_param {{ pool: AVE kernel_size: 3 stride: 2 }} }}
layer {{ name: "b" type: "Convolution" bottom: "a" top: "b"
         convolution_param {{ num_output: 1 kernel_size: 4 stride: 3 {WEIGHT} }} }}""",
    "up": f"""
layer {{ name: "a" type: "Convolution" bottom: "x" top: "a"
         convolution_param {{ num_output: 1 kernel_size: 3 stride: 2 {WEIGHT} }} }}
layer {{ name: "b" type: "Deconvolution" bottom: "a" top: "b"
         convolution_param {{ num_output: 1 kernel_size: 4 stride: 2 pad: 1 {WEIGHT} }} }}""",
    "lrn": """
layer { name: "a" type: "LRN" bottom: "x" top: "a" lrn_param { norm_region: WITHIN_CHANNEL local_size: 5 } }
layer { name: "b" type: "Crop" bottom: "a" bottom: "x" top: "b" crop_param { axis: 2 offset: 0 } }""",
}


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_the_field_is_where_the_gradient_arrives(name, tmp_path):
    """Of one pixel in the middle a gradient reaches just the pixels that it was made of."""
    path = tmp_path / "net.prototxt"
    path.write_text(NET.format(LAYERS[name]))
    net = caffelite.Net(path, caffelite.TRAIN)
    x, top = net.blobs["x"], net.blobs["b"]
    x.data[...] = np.random.default_rng(1).uniform(1, 2, x.shape)
    net.forward()

    def rows_from(place):
        top.diff[...] = 0
        top.diff[0, 0, place, place] = 1
        net.backward()
        return np.flatnonzero(x.diff[0, 0].any(axis=1))

    middle = top.shape[2] // 2
    rows, after_two = rows_from(middle), rows_from(middle + 2)
    (size, _), (stride, _) = receptive_fields(net)[-1]
    assert rows[-1] - rows[0] + 1 == size
    assert after_two[0] - rows[0] == 2 * stride
