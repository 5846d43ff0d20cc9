import copy
import pickle
from xml.etree import ElementTree

import numpy as np
import pytest

from caffelite.core.aligned import ALIGNMENT
from caffelite.core.blob import Blob
from caffelite.core.errors import NetError


def test_a_new_blob_has_neither_axes_nor_elements_nor_data():
    blob = Blob()
    assert (blob.shape, blob.num_axes, blob.count) == ((), 0, 0)
    with pytest.raises(NetError, match="no shape yet; reshape it, or give its Input layer a shape, before using"):
        _ = blob.data


def test_sizes():
    for blob in (Blob((2, 3, 4, 5)), Blob()):
        blob.reshape(2, 3, 4, 5)
        assert (blob.num, blob.channels, blob.height, blob.width) == (2, 3, 4, 5)
        assert (blob.count, blob.num_axes) == (120, 4)


def test_a_scalar_has_one_element():
    blob = Blob(())
    assert (blob.count, blob.num_axes, blob.data.shape) == (1, 0, ())
    blob.data[...] = 3
    assert blob.data == 3


def test_a_size_may_be_zero():
    blob = Blob((0, 5))
    assert (blob.count, blob.data.shape, blob.diff.shape) == (0, (0, 5), (0, 5))


def test_legacy_sizes_of_missing_axes_are_one():
    assert (Blob((7, 3)).channels, Blob((7, 3)).height, Blob((7, 3)).width) == (3, 1, 1)


def test_refuses_legacy_sizes_of_five_axes():
    with pytest.raises(
        NetError, match=r"a blob of shape 1 2 3 4 5 \(120\) has no num, channels, height, width; use shape"
    ):
        _ = Blob((1, 2, 3, 4, 5)).num


@pytest.mark.parametrize("shape", [(2, -1), (1,) * 33, (2**16, 2**15), (2**40,)])
def test_refuses_impossible_shapes(shape):
    blob = Blob((2, 3))
    with pytest.raises(NetError, match=r"a blob cannot have the shape .*: at most 32 axes, no negative size"):
        blob.reshape(*shape)
    assert blob.shape == (2, 3)


def test_the_largest_shape_takes_no_memory_until_used():
    assert Blob((2**31 - 1,)).count == 2**31 - 1


@pytest.mark.parametrize("dims", [([2, 3],), (2.0,), ("2",)])
def test_sizes_are_integers_one_argument_an_axis(dims):
    with pytest.raises(TypeError, match="a blob's sizes are integers, one argument an axis"):
        Blob().reshape(*dims)


def test_numpy_integers_are_sizes():
    blob = Blob()
    blob.reshape(np.int64(2), np.uint8(3))
    assert blob.shape == (2, 3)
    assert all(type(dim) is int for dim in blob.shape)


def test_data_and_diff_are_zero_aligned_and_apart(dtype):
    blob = Blob((3, 5), dtype)
    for array in (blob.data, blob.diff):
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.ctypes.data % ALIGNMENT == 0
        assert not array.any()
    blob.data[...] = 1
    assert not blob.diff.any()


def test_shrinking_keeps_the_storage_and_growing_back_shows_old_values():
    blob = Blob((2, 3))
    blob.data[...] = np.arange(6).reshape(2, 3)
    kept = blob.data
    blob.reshape(4)
    np.testing.assert_array_equal(blob.data, [0, 1, 2, 3])
    assert np.shares_memory(kept, blob.data)
    blob.reshape(3, 2)
    np.testing.assert_array_equal(blob.data, [[0, 1], [2, 3], [4, 5]])


def test_growing_replaces_both_arrays_by_zeros():
    blob = Blob((2,))
    blob.data[...] = blob.diff[...] = 1
    blob.reshape(3)
    assert not blob.data.any()
    assert not blob.diff.any()


def test_views_alias_the_storage():
    blob = Blob((2, 2))
    assert blob.data is blob.data and blob.diff is blob.diff
    blob.pinned = True  # a user has it
    view = blob.data
    assert view is not blob.data and np.shares_memory(view, blob.data)
    view.shape = (4,)  # of this array object alone
    assert blob.data.shape == (2, 2)
    view.shape = (2, 2)
    view[0, 1] = 5
    assert blob.data_storage()[1] == 5


def test_reshape_like():
    blob = Blob((2, 3))
    blob.reshape_like(Blob((6, 1)))
    assert blob.shape == (6, 1)


def test_sharing_makes_two_blobs_one():
    one, other = Blob((2, 3)), Blob((6,))
    other.share_data(one)
    other.share_diff(one)
    one.data[...] = 2
    one.diff[1, 2] = 7
    assert (other.data == 2).all()
    assert other.diff[5] == 7


def test_growing_ends_sharing():
    one, other = Blob((2,)), Blob((2,))
    other.share_data(one)
    other.reshape(3)
    other.data[...] = 1
    assert not one.data.any()


def test_refuses_to_share_between_counts():
    with pytest.raises(NetError, match=r"blobs of 2 3 \(6\) and 5 \(5\) cannot share: counts differ"):
        Blob((2, 3)).share_data(Blob((5,)))


def test_storage_may_be_lent():
    blob, room = Blob((2, 3)), np.zeros(10, np.float32)
    blob.set_data_storage(room)
    blob.set_diff_storage(room[:6])
    blob.data[1, 2] = 4
    assert room[5] == 4
    assert blob.diff[1, 2] == 4


def test_axes_count_from_either_end():
    blob = Blob((2, 3, 4))
    assert [blob.canonical_axis(axis) for axis in (0, 2, -1, -3)] == [0, 2, 2, 0]
    for axis in (3, -4):
        with pytest.raises(IndexError):
            blob.canonical_axis(axis)


def test_count_between_axes():
    blob = Blob((2, 3, 4, 5))
    assert (blob.count_between(0), blob.count_between(1, 3), blob.count_between(2, 2)) == (120, 12, 1)


def test_prints_shape_and_type():
    assert repr(Blob((2, 3), np.float64)) == "<Blob 2 3 (6) float64>"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda blob: pickle.loads(pickle.dumps(blob))])
def test_copies_and_pickles_have_values_of_their_own(copied, dtype):
    blob = Blob((4, 3), dtype)
    blob.data[...] = np.arange(12).reshape(4, 3)
    blob.reshape(2, 3)
    blob.diff[...] = 5
    blob.pinned = True
    other = copied(blob)
    assert (other.shape, other.count, other.dtype, other.pinned) == ((2, 3), 6, dtype, False)
    np.testing.assert_array_equal(other.data, blob.data)
    np.testing.assert_array_equal(other.diff, blob.diff)
    other.data[...] = other.diff[...] = 7
    assert other.data_storage()[0] == other.diff_storage()[0] == 7
    assert (blob.data.max(), blob.diff.max()) == (5, 5)
    other.reshape(5, 5)
    assert not other.data.any()


@pytest.mark.parametrize("shape", [None, (), (0, 3), (2,)])
def test_copies_of_blobs_that_nobody_wrote_to(shape):
    other = copy.deepcopy(Blob(shape))
    assert (other.shape, other.count) == (Blob(shape).shape, Blob(shape).count)
    if shape is None:
        with pytest.raises(NetError, match="no shape yet"):
            _ = other.data
    else:
        assert other.data.shape == shape and not other.data.any()


def test_a_blob_like_one_without_a_shape_has_none():
    blob = Blob()
    blob.reshape_like(Blob())
    assert (blob.shape, blob.count) == ((), 0)
    blob.reshape_like(Blob(()))
    assert (blob.shape, blob.count) == ((), 1)


def test_text_says_what_it_holds():
    blob = Blob((2, 2))
    blob.data[...] = [[0, 1], [-2, 5]]
    assert repr(blob) == "<Blob 2 2 (4) float32: -2 to 5, mean 1, std 2.55, 25.0% zeros>"
    assert repr(Blob()) == "<Blob (1) float32>"


def test_html_is_a_table_and_takes_no_memory():
    blob = Blob((2, 2))
    blob.data[...] = [[0, 1], [-2, 5]]
    rows = [[cell.text for cell in row] for row in ElementTree.fromstring(blob._repr_html_()).iter("tr")]
    assert rows[1] == ["data", "1", "2.55", "-2", "5", "25.0%"]
    assert rows[2][:2] == ["diff", "not made yet"]
    assert blob._diff is None
    assert "not made yet" in Blob()._repr_html_()
