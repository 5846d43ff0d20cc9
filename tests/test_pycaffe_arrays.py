import numpy as np
import pytest

from caffelite.core.errors import UsageError
from caffelite.pycaffe_arrays import Batches, Rows


def test_the_last_batch_is_filled_up_with_zeros():
    batches = list(Batches({"a": np.arange(1, 6), "b": [[1, 2]] * 5}, 2))
    assert [batch.rows for batch in batches] == [2, 2, 1]
    assert [batch.arrays["a"].tolist() for batch in batches] == [[1, 2], [3, 4], [5, 0]]
    assert batches[2].arrays["b"].tolist() == [[1, 2], [0, 0]]


def test_rows_are_copied_and_those_that_filled_up_left_out():
    rows, blob = Rows(2), np.array([1, 2])
    rows.add({"a": blob}, 2)
    blob[:] = [3, 0]
    rows.add({"a": blob}, 1)
    assert rows.collected()["a"].tolist() == [1, 2, 3]


def test_a_blob_may_have_several_rows_for_each_of_a_full_batch():
    rows = Rows(2)
    rows.add({"boxes": np.arange(6)}, 2)
    assert rows.collected()["boxes"].tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(UsageError, match=r'blob "boxes" of shape \(6,\) has no row for each of the 2 of a batch'):
        rows.add({"boxes": np.arange(6)}, 1)
