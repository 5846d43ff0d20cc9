import numpy as np
import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.weights.state_values import pack, unpack
from caffelite.proto.caffe_pb2 import NetStateValues, StateValue


def test_numbers_strings_and_arrays_come_back():
    states = {
        "data": {"position": 2**40, "epoch": 1.5, "shuffle": True, "file": "größe", "order": np.arange(5)[::-1]},
        "lstm": {"hidden": np.ones((2, 3), np.float32), "empty": np.empty((0, 4))},
    }
    back = unpack(NetStateValues.FromString(pack(states).SerializeToString()))
    assert back.keys() == states.keys()
    for name in ("position", "epoch", "shuffle", "file"):
        assert back["data"][name] == states["data"][name]
        assert type(back["data"][name]) is type(states["data"][name])
    np.testing.assert_array_equal(back["data"]["order"], [4, 3, 2, 1, 0])
    assert back["lstm"]["hidden"].dtype == np.float32
    assert back["lstm"]["hidden"].flags.writeable
    assert back["lstm"]["empty"].shape == (0, 4)


@pytest.mark.parametrize(
    "value",
    [
        StateValue(dtype="<f4", dim=[3], data=b"abcd"),
        StateValue(dtype="|O", dim=[1], data=bytes(8)),
        StateValue(dtype="nonsense", data=b""),
        StateValue(dtype="<f4", dim=[-1, -1], data=bytes(4)),
    ],
)
def test_damaged_values_are_refused(value):
    value.layer, value.name = "data", "order"
    with pytest.raises(WeightsError, match="the state of layer 'data' cannot be read: order: "):
        unpack(NetStateValues(value=[value]))
