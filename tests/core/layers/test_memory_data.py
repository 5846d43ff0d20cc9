import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import LayerError, UsageError
from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net
from caffelite.testing import layer_from, set_up

SIZES = "batch_size: 8 channels: 4 height: 7 width: 11"
RNG = np.random.default_rng(1)


def memory_data(fields=SIZES, rest="", dtype=np.float32, phase=caffe_pb2.TRAIN):
    layer = layer_from(f'type: "MemoryData" memory_data_param {{ {fields} }} {rest}', dtype, phase)
    return layer, set_up(layer, [])


def arrays(num, dtype=np.float32):
    return RNG.normal(size=(num, 4, 7, 11)).astype(dtype), np.arange(num, dtype=dtype)


def datums(num, channels=4):
    images = RNG.integers(0, 256, (num, channels, 7, 11), np.uint8)
    made = [
        caffe_pb2.Datum(channels=channels, height=7, width=11, data=image.tobytes(), label=i)
        for i, image in enumerate(images)
    ]
    return images, made


def labels_of(layer, top):
    layer.forward([], top)
    return top[1].data.ravel().tolist()


def test_batches_go_round_without_a_copy(dtype):
    layer, top = memory_data(dtype=dtype)
    assert [blob.shape for blob in top] == [(8, 4, 7, 11), (8,)]
    data, labels = arrays(96, dtype)
    layer.reset(data, labels)
    for k in range(24):
        layer.forward([], top)
        part = slice(k % 12 * 8, k % 12 * 8 + 8)
        np.testing.assert_array_equal(top[0].data, data[part])
        np.testing.assert_array_equal(top[1].data.ravel(), labels[part])
        assert np.shares_memory(top[0].data, data) and np.shares_memory(top[1].data, labels)
    assert top[1].shape == (8, 1, 1, 1)


def test_arrays_that_cannot_be_written_to_are_copied():
    layer, top = memory_data()
    data, labels = arrays(8)
    data.flags.writeable = False
    layer.reset(data, labels.reshape(8, 1, 1, 1))
    layer.forward([], top)
    np.testing.assert_array_equal(top[0].data, data)
    assert top[0].data.flags.writeable


def test_added_datums():
    layer, top = memory_data()
    images, made = datums(40)
    layer.add_datum_vector(made)
    for k in range(5):
        assert labels_of(layer, top) == list(range(8 * k, 8 * k + 8))
        np.testing.assert_array_equal(top[0].data, images[8 * k : 8 * k + 8])


def test_added_images():
    layer, top = memory_data()
    images, _ = datums(16)
    layer.add_mat_vector(list(images.transpose(0, 2, 3, 1)), list(range(16)))
    assert labels_of(layer, top) == list(range(8))
    np.testing.assert_array_equal(top[0].data, images[:8])
    gray, top = memory_data("batch_size: 1 channels: 1 height: 7 width: 11")
    gray.add_mat_vector([images[0, 0]], [5])
    assert labels_of(gray, top) == [5]


def test_added_images_are_transformed_once_and_other_ones_differently():
    transform = "transform_param { crop_size: 3 scale: 0.5 mirror: true }"
    layer, top = memory_data("batch_size: 1 channels: 4 height: 3 width: 3", transform)
    _, made = datums(1)
    seen = []
    for _ in range(8):
        layer.add_datum_vector(made)
        passes = [labels_of(layer, top) and top[0].data.copy() for _ in range(2)]
        np.testing.assert_array_equal(*passes)
        seen.append(passes[0].tobytes())
    assert len(set(seen)) > 1


def test_another_batch_size_once_all_is_used_up():
    layer, top = memory_data()
    layer.add_datum_vector(datums(40)[1])
    for _ in range(3):
        layer.forward([], top)
    for change in (lambda: layer.set_batch_size(16), lambda: layer.add_datum_vector(datums(8)[1])):
        with pytest.raises(LayerError, match="can't add data or change the batch size until current data"):
            change()
    for _ in range(2):
        layer.forward([], top)
    with pytest.raises(LayerError, match=r"batch_size is 16; it must divide 40 items"):
        layer.set_batch_size(16)
    layer.set_batch_size(20)
    assert labels_of(layer, top) == list(range(20))
    layer.forward([], top)
    layer.reset(*arrays(80))
    layer.set_batch_size(16)
    assert labels_of(layer, top) == list(range(16))


def test_state_keeps_the_position():
    layer, top = memory_data()
    layer.reset(*arrays(24))
    layer.forward([], top)
    state = layer.get_state()
    other, other_top = memory_data()
    other.reset(*arrays(24))
    other.set_state(state)
    assert labels_of(other, other_top) == list(range(8, 16))


@pytest.mark.parametrize("field", ["batch_size", "channels", "height", "width"])
def test_refuses_a_size_that_is_missing(field):
    fields = " ".join(f"{name}: 1" for name in ("batch_size", "channels", "height", "width") if name != field)
    with pytest.raises(LayerError, match=rf"memory_data_param\.{field} is 0; use 1 or more"):
        memory_data(fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data, label: (data.tolist(), label), r"data array is list; a numpy array"),
        (lambda data, label: (data[:, :, :, ::-1], label), r"data array is not C contiguous; must be C contiguous"),
        (lambda data, label: (data[0].copy(), label), r"data array is 4 7 11 \(308\); must be 4-d"),
        (lambda data, label: (data.astype(np.float64), label), r"data array is float64; must be float32"),
        (lambda data, label: (data[:, :3].copy(), label), r"data array is .*; wrong number of channels: 4 expected"),
        (lambda data, label: (data[:, :, :3].copy(), label), r"wrong number of height: 7 expected"),
        (lambda data, label: (data[:, :, :, :3].copy(), label), r"wrong number of width: 11 expected"),
        (lambda data, label: (data, label.astype(int)), r"labels array is int64; must be float32"),
        (lambda data, label: (data, label.reshape(16, 1)), r"labels array is 16 1 \(16\); must be 4-d"),
        (lambda data, label: (data, label.reshape(8, 2, 1, 1)), r"labels array is 8 2 1 1 \(16\); one label an item"),
        (lambda data, label: (data, label[::2]), r"labels array is not C contiguous"),
        (
            lambda data, label: (data, label[:8]),
            r"labels array is .*; data and labels must have the same first dimension, 16",
        ),
        (lambda data, label: (data[:12], label[:12]), r"data array is of 12 items; .* multiple of the batch size, 8"),
        (lambda data, label: (data[:0], label[:0]), r"data array is of 0 items"),
    ],
)
def test_refuses_arrays_that_do_not_fit(change, message):
    layer, _ = memory_data()
    with pytest.raises(LayerError, match=message):
        layer.reset(*change(*arrays(16)))


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda layer: layer.add_datum_vector(datums(12)[1]), "of 12 items; .* multiple of the batch size, 8"),
        (lambda layer: layer.add_datum_vector([]), "of 0 items"),
        (
            lambda layer: layer.add_datum_vector(datums(8, 3)[1]),
            r"image 0 is 3 7 11 \(231\); 4 7 11 \(308\) is expected",
        ),
        (lambda layer: layer.add_mat_vector([np.ones((7, 11, 4), np.uint8)], []), "labels is 0 numbers; 1 images need"),
        (
            lambda layer: layer.add_mat_vector([np.ones((7, 11, 4))], [1]),
            r"image 0 is float64 of 7 11 4 \(308\); uint8",
        ),
    ],
)
def test_refuses_images_that_do_not_fit(add, message):
    with pytest.raises(LayerError, match=message):
        add(memory_data()[0])


def test_refuses_to_run_without_data():
    layer, top = memory_data()
    with pytest.raises(LayerError, match="MemoryDataLayer needs to be initialized by calling Reset"):
        layer.forward([], top)


def test_says_that_arrays_are_not_transformed(caplog):
    layer, _ = memory_data(rest="transform_param { scale: 2 }")
    layer.reset(*arrays(8))
    assert "MemoryData does not transform array data on Reset()" in caplog.text


NET = """
layer { name: "data" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 8 channels: 4 height: 7 width: 11 } }
layer { name: "power" type: "Reduction" bottom: "data" top: "sums" reduction_param { axis: 1 } }
"""


def test_set_input_arrays_of_a_net():
    net = Net(text_format.Parse(NET, caffe_pb2.NetParameter()), caffelite.TEST)
    data, labels = arrays(16)
    net.set_input_arrays(data, labels)
    for part in (slice(0, 8), slice(8, 16), slice(0, 8)):
        net.forward()
        np.testing.assert_allclose(net.blobs["sums"].data, data[part].sum(axis=(1, 2, 3)), rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(net.blobs["label"].data.ravel(), labels[part])
    with pytest.raises(RuntimeError, match=r'layer "data" \(MemoryData\): data array is float64; must be float32'):
        net.set_input_arrays(data.astype(float), labels)


def test_set_input_arrays_of_another_net_is_refused():
    param = text_format.Parse('layer { name: "x" type: "Input" top: "x" }', caffe_pb2.NetParameter())
    with pytest.raises(UsageError, match="the first layer of net .* must be of type MemoryData"):
        Net(param, caffelite.TEST).set_input_arrays(*arrays(8))
