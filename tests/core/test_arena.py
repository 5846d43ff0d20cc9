import numpy as np
import pytest

from caffelite.core.arena import Arena, LearnableParam
from caffelite.core.blob import Blob


@pytest.mark.parametrize(("dtype", "line"), [(np.float32, 16), (np.float64, 8)])
def test_parameters_lie_on_cache_lines_the_last_first_and_keep_their_values(dtype, line):
    blobs = [Blob(shape, dtype) for shape in ((3, 5), (7,), ())]
    for value, blob in enumerate(blobs, 1):
        blob.data[...] = value
    params = [LearnableParam(blob, 1, 1, "layer", index) for index, blob in enumerate(blobs)]
    arena = Arena(params, np.dtype(dtype))
    assert [param.offset for param in params] == [2 * line, line, 0]
    assert arena.data.size == arena.diff.size == line * (2 + -(-15 // line))
    assert arena.data.ctypes.data % 64 == arena.diff.ctypes.data % 64 == 0
    assert arena.data.sum() == 15 * 1 + 7 * 2 + 3
    blobs[0].data[0, 0] = 9
    assert arena.data[2 * line] == 9
    arena.diff[line] = 4
    assert blobs[1].diff[0] == 4


def test_a_net_without_parameters_has_an_empty_arena():
    assert Arena([], np.dtype(np.float32)).data.size == 0
