import gc
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.data.datum import encoded_datum, image_datum, raw_datum
from caffelite.core.data.filling import LARGE_IMAGE
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.data.opencv import encode
from caffelite.core.errors import DataError, LayerError, NetError
from caffelite.core.layer import Context, make_layer
from caffelite.proto.caffe_pb2 import TEST, Datum, LayerParameter, NetParameter
from caffelite.testing import assert_agrees, set_up


def ramp(channels, height, width):
    return np.arange(channels * height * width, dtype=np.uint8).reshape(channels, height, width)


def write(images, labels=None, write_database=write_lmdb):
    shutil.rmtree("db", ignore_errors=True)
    labels = range(len(images)) if labels is None else labels
    records = enumerate(zip(images, labels, strict=True))
    write_database(Path("db"), [(b"%03d" % i, raw_datum(image, label)) for i, (image, label) in records])


def same(count=5):
    return [np.full((2, 3, 4), index, np.uint8) for index in range(count)]


def test_reads_images_and_labels(data, dtype):
    write(same())
    layer = data("batch_size: 5", transform="scale: 3", dtype=np.dtype(dtype))
    for pixels, labels in data.run(layer, 100):
        assert pixels.dtype == dtype
        assert labels.tolist() == [0, 1, 2, 3, 4]
        np.testing.assert_array_equal(pixels, 3 * np.stack(same()))


def test_tops_are_shaped_but_not_filled_at_set_up(data, caplog):
    caplog.set_level("INFO")
    write(same())
    top = set_up(data("batch_size: 7"), [], 2)
    assert [blob.shape for blob in top] == [(7, 2, 3, 4), (7,)]
    assert not top[0].data.any()
    assert [record.message for record in caplog.records] == ["Opened lmdb db", "output data size: 7,2,3,4"]


@pytest.mark.parametrize("transform", ["", "force_color: true"])
def test_several_labels_a_record(data, folder, transform):
    records = [(b"%02d" % k, image_datum(np.full((2, 3), k, np.uint8), (k, 0.5, -1.0))) for k in range(70)]
    write_lmdb(folder / "db", records)
    layer = data("batch_size: 80", transform=transform)
    assert set_up(layer, [], 2)[1].shape == (80, 3)
    ((_, labels),) = data.run(layer, 1)
    np.testing.assert_array_equal(labels, [(k % 70, 0.5, -1) for k in range(80)])
    shutil.rmtree("db")
    write_lmdb(folder / "db", [*records, (b"9", raw_datum(np.zeros((1, 2, 3), np.uint8), 3))])
    with pytest.raises(DataError, match='record "9" has a single label, and the first of its batch has 3 labels'):
        data.run(data("batch_size: 80", transform=transform), 1)


def test_tops_keep_their_memory(data):
    write(same())
    layer = data("batch_size: 3 prefetch: 2")
    top = set_up(layer, [], 2)
    views = [blob.data for blob in top]
    for _ in range(6):
        layer.forward([], top)
    assert views[1].tolist() == [0, 1, 2]
    assert all(np.shares_memory(view, blob.data) for view, blob in zip(views, top, strict=True))


@pytest.mark.parametrize("rank", range(8))
def test_eight_solvers_share_the_records(data, rank):
    write(same())
    found = data.labels_of(data("batch_size: 5", solver_rank=rank, solver_count=8), 10)
    assert np.ravel(found).tolist() == [(rank + 8 * turn) % 5 for turn in range(50)]


@pytest.mark.parametrize(("rank", "labels"), [(0, [0, 3, 1, 4, 2]), (1, [1, 4, 2, 0, 3]), (2, [2, 0, 3, 1, 4])])
def test_three_solvers(data, rank, labels):
    write(same())
    assert data.labels_of(data("batch_size: 5", solver_rank=rank, solver_count=3), 1) == [labels]
    assert data.labels_of(data("batch_size: 5", phase=TEST, solver_rank=rank, solver_count=3), 1) == [[0, 1, 2, 3, 4]]


def test_tops_follow_the_sizes_of_images(data):
    images = [ramp(2, i % 2 + 1, i % 4 + 1) for i in range(5)]
    write(images)
    for index, (pixels, labels) in enumerate(data.run(data("batch_size: 1", phase=TEST), 10)):
        np.testing.assert_array_equal(pixels, images[index % 5][np.newaxis])
        assert labels.tolist() == [index % 5]


def test_crop_in_test_is_in_the_middle(data):
    write([ramp(2, 3, 4)] * 5)
    for pixels, _ in data.run(data("batch_size: 5", phase=TEST, transform="crop_size: 1 scale: 3"), 2):
        np.testing.assert_array_equal(pixels.reshape(5, 2), [[15, 51]] * 5)


@pytest.mark.parametrize("mirror", ["", "mirror: true"])
def test_random_draws_are_those_of_the_record(data, mirror):
    write([ramp(2, 3, 4)] * 5)
    transform = f"crop_size: 1 {mirror}"
    first = np.stack([pixels for pixels, _ in data.run(data("batch_size: 5", transform=transform), 4)]).ravel()
    assert len(set(first)) > 5
    assert not np.array_equal(first[:10], first[10:20])
    other_batches = data("batch_size: 2 prefetch: 1", transform=transform)
    again = np.stack([pixels for pixels, _ in data.run(other_batches, 10)]).ravel()
    np.testing.assert_array_equal(first, again)
    other_seed = np.stack(
        [pixels for pixels, _ in data.run(data("batch_size: 5", transform=transform, seed=1), 4)]
    ).ravel()
    assert not np.array_equal(first, other_seed)
    shares = [data("batch_size: 2", transform=transform, solver_rank=rank, solver_count=2) for rank in (0, 1)]
    dealt = np.stack([[pixels for pixels, _ in data.run(layer, 5)] for layer in shares], axis=2)
    np.testing.assert_array_equal(dealt.ravel(), first)


def test_batches_go_on_over_the_end(data):
    write(same(3))
    assert data.labels_of(data("batch_size: 2"), 4) == [[0, 1], [2, 0], [1, 2], [0, 1]]
    write(same(2))
    assert data.labels_of(data("batch_size: 5"), 2) == [[0, 1, 0, 1, 0], [1, 0, 1, 0, 1]]


def test_a_large_batch(data):
    write(same(97))
    assert data.labels_of(data("batch_size: 500"), 1) == [[index % 97 for index in range(500)]]


def test_images_of_two_sizes_need_a_crop(data):
    write([ramp(1, 2, 2), ramp(1, 3, 3)])
    with pytest.raises(LayerError, match=r'record "001" is an image of 1 3 3 .9.; images of one batch must be equally'):
        data.run(data("batch_size: 2"), 1)
    ((pixels, _),) = data.run(data("batch_size: 2", phase=TEST, transform="crop_size: 2"), 1)
    assert pixels.reshape(2, 4).tolist() == [[0, 1, 2, 3], [0, 1, 3, 4]]


def test_number_of_tops(data):
    write(same())
    assert len(data.run(data("batch_size: 2"), 2, top_count=1)[0]) == 1
    with pytest.raises(LayerError, match=r"Data Layer produces at most 2 top"):
        set_up(data("batch_size: 2"), [], 3)


def test_transformations_in_data_param_have_no_effect(data):
    write(same())
    ((pixels, _),) = data.run(data("batch_size: 5 scale: 2 mirror: true"), 1)
    np.testing.assert_array_equal(pixels, np.stack(same()))


@pytest.mark.parametrize("passed", [0, 1, 3, 7])
def test_a_resumed_run_reads_on(data, passed):
    write(same(7))
    fields = {"fields": "batch_size: 3 prefetch: 3", "transform": "mirror: true crop_size: 2"}
    whole = data.run(data(**fields), 12)
    stopped = data(**fields)
    data.run(stopped, passed)
    assert stopped.get_state() == {"position": 3 * passed}
    for first_forwards in (0, 2):  # state may come to a layer that already reads ahead
        resumed = data(**fields)
        top = set_up(resumed, [], 2)
        for _ in range(first_forwards):
            resumed.forward([], top)
        resumed.set_state(stopped.get_state())
        for expected in whole[passed:]:
            np.testing.assert_equal(data.forward(resumed, top), expected)


def test_a_resumed_run_of_several_solvers_reads_on(data):
    write(same(7))
    fields = {"fields": "batch_size: 3", "solver_rank": 2, "solver_count": 3}
    whole = data.labels_of(data(**fields), 6)
    stopped = data(**fields)
    data.labels_of(stopped, 2)
    resumed = data(**fields)
    top = set_up(resumed, [], 2)
    resumed.set_state(stopped.get_state())
    assert [data.forward(resumed, top)[1].tolist() for _ in range(4)] == whole[2:]


def test_two_layers_on_one_database(data):
    write(same())
    train, test = data("batch_size: 3"), data("batch_size: 2", phase=TEST)
    assert data.labels_of(train, 2) == [[0, 1, 2], [3, 4, 0]]
    assert data.labels_of(test, 2) == [[0, 1], [2, 3]]


def test_a_bad_record_fails_when_its_batch_is_due(data, folder):
    records = [(b"%d" % index, raw_datum(image, index)) for index, image in enumerate(same(4))]
    records.append((b"4", Datum(channels=2, height=3, width=4, data=bytes(23)).SerializeToString()))
    write_lmdb(folder / "db", records)
    layer = data("batch_size: 2")
    top = set_up(layer, [], 2)
    assert [data.forward(layer, top)[1].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    for _ in range(2):
        with pytest.raises(DataError, match=r'db: record "4": a Datum of \(2, 3, 4\) needs 24 values .*, not 23'):
            layer.forward([], top)


def test_a_bad_first_record_fails_at_set_up(data, folder):
    write_lmdb(folder / "db", [(b"0", b"\xff")])
    with pytest.raises(DataError, match='db: record "0": it is not a Datum'):
        set_up(data("batch_size: 2"), [], 2)


def test_a_mean_that_does_not_fit_fails_at_set_up(data):
    write(same())
    with pytest.raises(LayerError, match="as many as channels: 2"):
        set_up(data("batch_size: 2", transform="mean_value: 1 mean_value: 2 mean_value: 3"), [], 2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("batch_size: 0", r"batch_size is 0; use 1 or more"),
        ("prefetch: 4", r"batch_size is 0; use 1 or more"),
        ("batch_size: 2 prefetch: 0", r"prefetch is 0; use 1 or more"),
        ("batch_size: 2 backend: LEVELDB", r"backend is LEVELDB; .*write `backend: LMDB`"),
    ],
)
def test_refuses(data, fields, message):
    write(same())
    with pytest.raises(LayerError, match=r"data_param\." + message):
        set_up(data(fields), [], 2)


def test_refuses_to_read_more_ahead_than_fits_in_memory(data):
    write(same())
    layer = data("batch_size: 2 prefetch: 3000000000")
    top = set_up(layer, [], 2)
    with pytest.raises(NetError, match=r"reading 3000000000 batches ahead \(prefetch\) needs .* TiB of memory"):
        layer.forward([], top)


def test_the_thread_ends_with_the_layer(data):
    write(same())
    layer = data("batch_size: 2")
    data.run(layer, 1)
    layer.close()
    assert "caffelite-prefetch" not in {thread.name for thread in threading.enumerate()}


def test_the_thread_ends_when_the_layer_is_forgotten(data):
    write(same())
    text = 'name: "data" type: "Data" data_param { backend: LMDB source: "db" batch_size: 2 }'
    layer = make_layer(text_format.Parse(text, LayerParameter()), Context())
    data.run(layer, 1)
    thread = layer._prefetcher.threads[0]
    del layer
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_large_plain_images_are_those_that_one_thread_makes(data):
    images = [np.random.default_rng(number).integers(0, 256, (3, 80, 80), np.uint8) for number in range(20)]
    write(images)
    assert images[0].nbytes >= LARGE_IMAGE
    ((pixels, labels),) = data.run(data("batch_size: 20", transform="scale: 2", data_workers=3), 1)
    np.testing.assert_array_equal(pixels, 2.0 * np.stack(images))
    assert labels.tolist() == list(range(20))


def test_what_does_not_fit_is_no_bad_record(data):
    write([ramp(1, 2, 2), ramp(1, 3, 3)])
    with pytest.raises(LayerError, match=r'record "001" is an image of 1 3 3'):
        data.run(data("batch_size: 2", on_bad_record="skip"), 1)


def test_sizes_of_encoded_images_may_change_from_batch_to_batch(data, folder):
    images = [np.full((2 + number % 3, 4, 3), number, np.uint8) for number in range(9)]
    write_lmdb(folder / "db", [(b"%d" % k, encoded_datum(encode(image, "png"), k)) for k, image in enumerate(images)])
    for number, (pixels, labels) in enumerate(data.run(data("batch_size: 1 prefetch: 3", data_workers=3), 18)):
        np.testing.assert_array_equal(pixels[0].transpose(1, 2, 0), images[number % 9])
        assert labels.tolist() == [number % 9]
    with pytest.raises(LayerError, match='record "1" is an image of 3 3 4'):
        data.run(data("batch_size: 9"), 1)


CASES = [
    "data_lmdb_raw",
    "data_lmdb_encoded",
    "data_leveldb_gray",
    "data_mean_value",
    "data_mean_file_scale",
    "data_crop_center_mean_file",
]


@pytest.mark.parametrize("name", CASES)
def test_equals_caffe(name, data, golden_folder, folder, monkeypatch):
    shutil.copytree(golden_folder / "data", folder / "data")  # opening a database makes a lock file beside it
    monkeypatch.chdir(folder / "data")
    case = np.load(golden_folder / "data" / f"{name}.npz")
    layer_param = text_format.Parse(str(case["prototxt"]), NetParameter()).layer[0]
    layer_param.phase = TEST
    layer = make_layer(layer_param, Context())
    for index, (pixels, labels) in enumerate(data.run(layer, len(case.files) // 2 - 1)):
        assert_agrees(pixels, case[f"data_{index}"], f"data_{index}")
        assert_agrees(labels, case[f"label_{index}"], f"label_{index}")
    layer.close()
