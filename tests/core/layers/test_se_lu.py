import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.explaining.kinds import kind_of
from caffelite.proto.caffe_pb2 import NetParameter
from caffelite.testing import blob_of, check_gradient, run_forward, spread_values

TEXT = 'type: "SeLu"'


def test_values(dtype):
    values = spread_values((2, 3, 4, 5)).astype(dtype)
    top = run_forward(TEXT, blob_of(values, dtype))
    wanted = 1.0507009873554805 * np.where(values > 0, values, 1.6732632423543772 * np.expm1(values))
    np.testing.assert_allclose(top.data, wanted, rtol=1e-5, atol=1e-7)


def test_normal_numbers_keep_mean_and_variance():
    x = np.random.default_rng(1).normal(size=200000)
    y = run_forward(TEXT, x).data
    assert abs(y.mean()) < 0.01 and abs(y.var() - 1) < 0.02


def test_gradient():
    check_gradient(TEXT, [spread_values((2, 3, 4))], step=1e-4, threshold=1e-6)


def test_works_in_place(check_in_place, dtype):
    check_in_place(TEXT, spread_values((2, 3, 5)), dtype=dtype)


@pytest.mark.parametrize("shape", [(0, 3), (1,), ()])
def test_small_shapes(shape):
    assert run_forward(TEXT, np.ones(shape)).shape == shape


def test_the_terms_of_a_value():
    net = caffelite.Net(text_format.Parse(NET, NetParameter()), caffelite.TRAIN)
    net.blobs["x"].data[...] = [-1.0, 2.0]
    net.forward()
    for i in range(2):
        assert net.why("y", i).total == pytest.approx(float(net.blobs["y"].data[i]), rel=1e-6)
    assert kind_of(net.core_layers[1])["function"] == "elu"


NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }
layer { name: "y" type: "SeLu" bottom: "x" top: "y" }
"""
