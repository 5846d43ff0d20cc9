import numpy as np
import pytest

from caffelite.core.aligned import ALIGNMENT, aligned_zeros
from caffelite.core.errors import OutOfMemoryError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [5, np.int64(5), (3, 7), (2, 1, 4)])
def test_zeros_start_on_a_boundary(shape, dtype):
    for _ in range(5):
        array = aligned_zeros(shape, dtype)
        assert array.ctypes.data % ALIGNMENT == 0 and array.flags.c_contiguous
        assert array.shape == np.zeros(shape).shape and array.dtype == dtype and not array.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_they_may_be_empty(dtype):
    assert aligned_zeros(0, dtype).size == 0
    assert aligned_zeros((0, 3), dtype).shape == (0, 3)


def test_what_the_system_does_not_give_is_our_error_and_pythons():
    with pytest.raises(
        OutOfMemoryError, match=r"the system has no 1048576\.0 TiB of memory left; use a smaller"
    ) as caught:
        aligned_zeros(2**60, np.uint8)
    assert isinstance(caught.value, MemoryError)
