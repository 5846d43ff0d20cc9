from pathlib import Path

import h5py
import numpy as np
import pytest

import caffelite
from caffelite.core.errors import DataError, LayerError
from caffelite.core.net.wiring.unread import messages_read
from caffelite.testing import blob_of, layer_from, run_backward, set_up

RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def output(dtype=np.float32, name="out.h5"):
    return layer_from(f'type: "HDF5Output" hdf5_output_param {{ file_name: "{name}" }}', dtype)


def bottoms(dtype, *shapes):
    return [blob_of(RNG.normal(size=shape), dtype) for shape in shapes]


def read(name="out.h5"):
    """What h5py alone finds in a file."""
    with h5py.File(name, "r") as file:
        assert sorted(file) == ["data", "label"]
        return file["data"][...], file["label"][...]


def test_caffes_own_case(dtype, caplog):
    caplog.set_level("INFO")
    layer, bottom = output(dtype), bottoms(dtype, (10, 8, 6, 5), (10, 1))
    assert set_up(layer, bottom) == []
    assert not Path("out.h5").exists()
    layer.forward(bottom, [])
    data, label = read()
    assert data.dtype == label.dtype == dtype
    np.testing.assert_array_equal(data, bottom[0].data)
    assert label.shape == (10, 1, 1, 1)
    np.testing.assert_array_equal(label.ravel(), bottom[1].data.ravel())
    assert caplog.messages == ["Saving HDF5 file out.h5", "Successfully saved 10 rows"]


def test_later_passes_append(dtype):
    layer, bottom = output(dtype), bottoms(dtype, (4, 3), (4,))
    set_up(layer, bottom)
    expected = []
    for size in (4, 4, 2):
        for blob in bottom:
            blob.reshape(size, *blob.shape[1:])
            blob.data[...] = RNG.normal(size=blob.shape)
        expected.append([blob.data.copy() for blob in bottom])
        layer.reshape(bottom, [])
        layer.forward(bottom, [])
        for found, parts in zip(read(), zip(*expected, strict=True), strict=True):
            np.testing.assert_array_equal(found.reshape(len(found), -1), np.concatenate(parts).reshape(len(found), -1))


def test_gradients_are_zero():
    layer, bottom = output(), bottoms(np.float32, (2, 3), (2,))
    set_up(layer, bottom)
    for blob in bottom:
        blob.diff[...] = 7
    run_backward(layer, bottom, [], [True, False])
    assert not bottom[0].diff.any() and (bottom[1].diff == 7).all()


def test_a_resumed_run_writes_the_same_file():
    values = [RNG.normal(size=(3, 2)).astype(np.float32) for _ in range(5)]

    def run(layer, some):
        bottom = bottoms(np.float32, (3, 2), (3,))
        if not hasattr(layer, "_writer"):
            set_up(layer, bottom)
        for array in some:
            bottom[0].data[...] = array
            bottom[1].data[...] = array[:, 0]
            layer.forward(bottom, [])

    stopped = output()
    run(stopped, values[:2])
    state = stopped.get_state()
    assert state == {"rows": 6}
    run(stopped, values[3:])  # beyond the snapshot
    resumed = output()
    set_up(resumed, bottoms(np.float32, (3, 2), (3,)))
    resumed.set_state(state)
    run(resumed, values[2:])
    np.testing.assert_array_equal(read()[0].reshape(15, 2), np.concatenate(values))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2, 1, 1, 1, 1), (2,)], r"bottom\[0\] is 2 1 1 1 1 \(2\); blobs of 1 to 4 axes"),
        ([(2,), ()], r"bottom\[1\] is \(1\); blobs of 1 to 4 axes"),
        (
            [(2, 3), (3,)],
            r"bottom\[1\] is 3 \(3\); data and label must have equally many rows: bottom\[0\] is 2 3 \(6\)",
        ),
    ],
)
def test_refuses_bottoms(shapes, message):
    with pytest.raises(LayerError, match=message):
        set_up(output(), bottoms(np.float32, *shapes))


def test_refuses_names(folder):
    for name, message in (
        ("", "is missing; give the name"),
        (str(folder), "it is a folder; give"),
        ("a\\0b", "cannot be"),
    ):
        with pytest.raises(LayerError, match=f"hdf5_output_param.file_name .*{message}"):
            set_up(output(name=name), bottoms(np.float32, (2,), (2,)))


def test_says_why_it_cannot_write(folder):
    layer, bottom = output(name="file/out.h5"), bottoms(np.float32, (2,), (2,))
    set_up(layer, bottom)
    (folder / "file").touch()
    with pytest.raises(DataError, match="cannot write file/out.h5: "):
        layer.forward(bottom, [])


def test_hdf5_data_reads_what_it_wrote(folder):
    text = """
        layer { name: "in" type: "DummyData" top: "x" top: "y" dummy_data_param {
          shape { dim: 6 dim: 2 } shape { dim: 6 } data_filler { type: "gaussian" std: 1 } } }
        layer { name: "out" type: "HDF5Output" bottom: "x" bottom: "y" hdf5_output_param { file_name: "out.h5" } }
    """
    (folder / "net.prototxt").write_text(text)
    net = caffelite.Net("net.prototxt", caffelite.TEST)
    net.forward()
    values = net.blobs["x"].data.copy()
    (folder / "list.txt").write_text("out.h5")
    layer = layer_from(
        'type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "list.txt" batch_size: 6 }', np.float32
    )
    top = set_up(layer, [], 2)
    layer.forward([], top)
    layer.close()
    np.testing.assert_array_equal(top[0].data, values.reshape(6, 2, 1, 1))
    assert top[1].shape == (6, 1, 1, 1)


def test_a_net_for_shapes_alone_writes_nothing(folder):
    assert messages_read(type(output())) == ("hdf5_output_param",)
    set_up(output(), bottoms(np.float32, (2,), (2,)))
    assert list(folder.iterdir()) == []
