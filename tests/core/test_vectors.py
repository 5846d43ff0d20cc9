import numpy as np
import pytest

from caffelite.core.blob import Blob
from caffelite.core.vectors import BlobVec, BoolVec, IntVec, LayerVec, NetVec, RawBlobVec, StringVec


def test_a_list_of_parameters_grows_and_keeps_its_blobs():
    blobs = [Blob((2,)), Blob((3,))]
    params = BlobVec(blobs[:1], "ip")
    params.append(blobs[1])
    assert list(params) == blobs
    for index in (0, -1):
        with pytest.raises(TypeError, match=rf"write net\.params\['ip'\]\[{index}\]\.data\[\.\.\.\] = values"):
            params[index] = np.ones(2)
    with pytest.raises(TypeError, match="a parameter is filled, not replaced"):
        params[:] = []
    assert list(params) == blobs


def test_add_blob_appends_zeros_of_the_number_type(dtype):
    params = BlobVec(dtype=dtype)
    params.add_blob(2, 3)
    params.add_blob()
    assert [(blob.shape, blob.dtype) for blob in params] == [((2, 3), dtype), ((), dtype)]
    assert not params[0].data.any()
    with pytest.raises(TypeError):
        params.add_blob(2.0)


def test_parameters_of_a_net_that_is_built_are_neither_added_nor_deleted():
    params = BlobVec([Blob((2,))], "ip")
    params.closed = True
    for change in (lambda: params.add_blob(3), lambda: params.__delitem__(0)):
        with pytest.raises(TypeError, match='^layer "ip" is set up, and keeps the parameters it has'):
            change()
    assert len(params) == 1


@pytest.mark.parametrize("kind", [StringVec, IntVec, BoolVec, LayerVec, NetVec, RawBlobVec, BlobVec])
def test_slices_are_of_the_same_class_and_indices_are_checked(kind):
    vector = kind("abc")
    assert (type(vector[1:]), list(vector[1:]), vector[-1], "b" in vector) == (kind, ["b", "c"], "c", True)
    with pytest.raises(IndexError):
        vector[3]
    with pytest.raises(TypeError):
        vector["a"]
    last = Blob() if kind is BlobVec else "d"
    vector.append(last)
    del vector[0]
    assert list(vector) == ["b", "c", last]


def test_bottoms_and_tops_are_filled_and_not_replaced():
    with pytest.raises(TypeError, match=r"a blob is filled, not replaced: write top\[0\]\.data\[\.\.\.\] = values"):
        RawBlobVec([Blob((2,))])[0] = np.ones(2)


def test_a_parameter_is_a_blob():
    with pytest.raises(TypeError, match=r"a parameter is a Blob, not ndarray: self\.blobs\.add_blob\(2, 3\) appends"):
        BlobVec().append(np.zeros((2, 3)))
