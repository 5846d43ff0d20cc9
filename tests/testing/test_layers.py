import numpy as np
import pytest

from caffelite.core.blob import Blob
from caffelite.proto import caffe_pb2
from caffelite.testing import blob_of, layer_from, run_backward, run_forward, set_up, spread_values


def test_blob_of_holds_the_values(dtype):
    blob = blob_of([[1, 2], [3, 4]], dtype)
    assert isinstance(blob, Blob)
    assert blob.dtype == dtype
    np.testing.assert_array_equal(blob.data, [[1, 2], [3, 4]])


@pytest.mark.parametrize("shape", [(7,), (2, 3, 4)])
def test_spread_values_are_apart_from_each_other_and_from_zero(shape):
    values = spread_values(shape)
    assert values.shape == shape
    np.testing.assert_array_equal(values, spread_values(shape))
    ordered = np.sort(values, axis=None)
    assert np.diff(ordered).min() > 0.0999
    assert abs(values).min() >= 0.0499


CONVOLUTION = 'type: "Convolution" convolution_param { num_output: 2 kernel_size: 2 weight_filler { value: 1 } }'


def test_a_layer_from_text_has_name_phase_and_type():
    layer = layer_from(CONVOLUTION, np.float32, caffe_pb2.TEST, name="conv1")
    assert (layer.type, layer.name, layer.phase, layer.dtype) == ("Convolution", "conv1", caffe_pb2.TEST, np.float32)
    assert layer_from(CONVOLUTION + ' name: "mine"').name == "mine"


def test_run_forward_takes_arrays_and_the_number_type_of_blobs():
    top = run_forward(CONVOLUTION, np.ones((1, 1, 2, 2)))
    assert top.dtype == np.float64
    np.testing.assert_array_equal(top.data, np.full((1, 2, 1, 1), 4))
    assert run_forward(CONVOLUTION, blob_of(np.ones((1, 1, 2, 2)), np.float32)).dtype == np.float32


def test_run_forward_returns_as_many_tops_as_there_are():
    bottom = np.ones((1, 1, 2, 2))
    assert [top.shape for top in run_forward(CONVOLUTION, bottom, bottom)] == [(1, 2, 1, 1)] * 2


def test_set_up_keeps_parameters():
    layer = layer_from(CONVOLUTION)
    bottom = [blob_of(np.ones((1, 1, 2, 2)))]
    set_up(layer, bottom)
    layer.blobs[0].data[...] = 3
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    np.testing.assert_array_equal(top[0].data, np.full((1, 2, 1, 1), 12))


def test_a_loss_weight_is_the_diff_of_its_top():
    layer = layer_from(CONVOLUTION + " loss_weight: 0.5")
    assert (set_up(layer, [blob_of(np.ones((1, 1, 2, 2)))])[0].diff == 0.5).all()


def test_run_backward_fills_every_bottom():
    layer = layer_from(CONVOLUTION)
    bottom = [blob_of(np.ones((1, 1, 2, 2)))]
    top = set_up(layer, bottom)
    top[0].diff[...] = 1
    run_backward(layer, bottom, top)
    np.testing.assert_array_equal(bottom[0].diff, np.full((1, 1, 2, 2), 2))
    np.testing.assert_array_equal(layer.blobs[1].diff, [1, 1])
