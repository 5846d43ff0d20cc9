import base64

import numpy as np

from caffelite.explaining.arrays import ZEROS, Arrays


def test_floats_are_kept_exactly_and_once():
    arrays = Arrays()
    values = np.array([[0.1, -3e38], [1e-45, np.inf]], np.float32)
    assert [arrays.add(values), arrays.add(values.T.copy()), arrays.add(values.copy())] == [0, 1, 0]
    assert base64.b64decode(arrays.texts[0]) == values.astype("<f4").tobytes()
    assert len(arrays.texts) == 2


def test_zeros_take_no_room():
    arrays = Arrays()
    assert arrays.add(np.zeros((1000, 1000))) == ZEROS
    assert arrays.texts == []


def test_bytes():
    arrays = Arrays()
    arrays.add_bytes(np.array([0, 1.0, 255]))
    assert base64.b64decode(arrays.texts[0]) == b"\x00\x01\xff"
