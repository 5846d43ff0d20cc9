import numpy as np
import pytest

from caffelite.core import arena
from caffelite.core.arena import Arena, LearnableParam
from caffelite.core.blob import Blob
from caffelite.core.errors import OutOfMemoryError


@pytest.mark.parametrize(("dtype", "line"), [(np.float32, 16), (np.float64, 8)])
def test_parameters_lie_on_cache_lines_the_last_first_and_keep_their_values(dtype, line):
    blobs = [Blob(shape, dtype) for shape in ((3, 5), (7,), ())]
    for value, blob in enumerate(blobs, 1):
        blob.data[...] = value
    params = [LearnableParam(blob, 1, 1, "layer", index) for index, blob in enumerate(blobs)]
    made = Arena(params, np.dtype(dtype))
    assert [param.offset for param in params] == [2 * line, line, 0]
    assert made.data.size == made.diff.size == line * (2 + -(-15 // line))
    assert made.data.ctypes.data % 64 == made.diff.ctypes.data % 64 == 0
    assert made.data.sum() == 15 * 1 + 7 * 2 + 3
    blobs[0].data[0, 0] = 9
    assert made.data[2 * line] == 9
    made.diff[line] = 4
    assert blobs[1].diff[0] == 4


def test_a_net_without_parameters_has_an_empty_arena():
    assert Arena([], np.dtype(np.float32)).data.size == 0


def test_parameters_that_do_not_fit_are_named(monkeypatch):
    def refuse(count, dtype):
        raise OutOfMemoryError("no room")

    monkeypatch.setattr(arena, "aligned_zeros", refuse)
    with pytest.raises(OutOfMemoryError, match="the parameters of the net, 16 values: no room"):
        Arena([LearnableParam(Blob((3,)), 1, 1, "layer", 0)], np.dtype(np.float32))
