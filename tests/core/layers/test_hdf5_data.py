import os
import stat
from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelite.core.errors import LayerError, NetError
from caffelite.core.weights.hdf5_safety import trust
from caffelite.proto.caffe_pb2 import TEST
from caffelite.testing import set_up


@pytest.fixture
def rows(data_layers):
    """HDF5Data layers that read the list "list.txt"."""

    def text_of(fields, tops=("data",), rest="", source="list.txt"):
        named = " ".join(f'top: "{top}"' for top in tops)
        return f'name: "rows" type: "HDF5Data" {named} {rest} hdf5_data_param {{ source: {source!r} {fields} }}'

    return data_layers(text_of)


def write(name, options=None, **datasets):
    with h5py.File(name, "w") as file:
        for dataset, values in datasets.items():
            file.create_dataset(dataset, data=np.asarray(values), **(options or {}))
    trust(name)  # the check, another process, takes its time


def write_list(*names):
    Path("list.txt").write_text("".join(f"{name}\n" for name in names))


def numbers(*files):
    """Files 0.h5, 1.h5, ... of one dataset each, and their list."""
    for index, values in enumerate(files):
        write(f"{index}.h5", data=np.asarray(values, np.float32))
    write_list(*(f"{index}.h5" for index in range(len(files))))


def caffes_files():
    """The two files of Caffe's own test, the second with gzip and a label2 of bytes."""
    data = np.arange(2400, dtype=np.float32).reshape(10, 8, 6, 5)
    label = np.arange(1, 11, dtype=np.float32).reshape(10, 1)
    write("a.h5", data=data, label=label, label2=label + 1)
    packed = {"compression": "gzip", "chunks": True}
    write("b.h5", packed, data=data + 2400, label=label, label2=(label + 1).astype(np.uint8))
    write_list("a.h5", "", "  b.h5")
    return data


def test_caffes_own_case(rows, dtype):
    data = caffes_files()
    layer = rows("batch_size: 5", ("data", "label", "label2"), dtype=np.dtype(dtype))
    top = set_up(layer, [], 3)
    assert [blob.shape for blob in top] == [(5, 8, 6, 5), (5, 1), (5, 1)]
    for k in range(20):
        pixels, label, label2 = rows.forward(layer, top)
        assert pixels.dtype == dtype
        first = 0 if k % 2 == 0 else 5
        assert label.ravel().tolist() == [first + i for i in range(1, 6)]
        np.testing.assert_array_equal(label2, label + 1)
        np.testing.assert_array_equal(pixels, data[first : first + 5] + (2400 if k % 4 >= 2 else 0))


@pytest.mark.parametrize("rank", range(8))
def test_eight_solvers_share_the_rows(rows, rank):
    caffes_files()
    layer = rows("batch_size: 5", ("label",), solver_rank=rank, solver_count=8)
    assert np.ravel(rows.values_of(layer, 1)).tolist() == [1 + (rank + 8 * i) % 10 for i in range(5)]


def test_batches_go_on_over_the_end(rows):
    numbers([0, 1, 2])
    assert rows.values_of(rows("batch_size: 2"), 4) == [[0, 1], [2, 0], [1, 2], [0, 1]]
    assert rows.values_of(rows("batch_size: 7"), 2) == [[0, 1, 2, 0, 1, 2, 0], [1, 2, 0, 1, 2, 0, 1]]


def test_batches_go_on_over_the_ends_of_files(rows):
    numbers([0, 1, 2], [10, 11])
    expected = [[0, 1, 2, 10], [11, 0, 1, 2], [10, 11, 0, 1], [2, 10, 11, 0]]
    assert rows.values_of(rows("batch_size: 4"), 4) == expected


@pytest.mark.parametrize(
    ("rank", "expected"),
    [(0, [[0, 2, 11], [1, 10, 0], [2, 11, 1]]), (1, [[1, 10, 0], [2, 11, 1], [10, 0, 2]])],
)
def test_two_solvers_on_two_files(rows, rank, expected):
    numbers([0, 1, 2], [10, 11])
    assert rows.values_of(rows("batch_size: 3", solver_rank=rank, solver_count=2), 3) == expected
    in_test = rows("batch_size: 3", phase=TEST, solver_rank=rank, solver_count=2)
    assert rows.values_of(in_test, 1) == [[0, 1, 2]]


def test_shuffled_rows_of_a_file_stay_together(rows):
    numbers([0, 1, 2], [10, 11, 12])
    batches = rows.values_of(rows("batch_size: 6 shuffle: true"), 40)
    for batch in batches:
        assert sorted(batch) == [0, 1, 2, 10, 11, 12]
        assert {value // 10 for value in batch[:3]} in ({0}, {1})
        assert len({value // 10 for value in batch[:3]}) == 1
    assert len({batch[0] // 10 for batch in batches}) == 2  # files, too, are shuffled
    assert len({tuple(value % 10 for value in batch[:3]) for batch in batches}) == 6  # all orders of three rows


def test_an_order_is_that_of_the_seed_and_the_layer(rows):
    numbers(range(50))
    first = rows.values_of(rows("batch_size: 50 shuffle: true"), 3)
    assert rows.values_of(rows("batch_size: 50 shuffle: true prefetch: 1"), 3) == first
    assert rows.values_of(rows("batch_size: 50 shuffle: true", seed=1), 3) != first
    assert first[0] != first[1] != sorted(first[0])


def test_solvers_share_shuffled_rows(rows):
    numbers(range(5), range(10, 17))
    (whole,) = rows.values_of(rows("batch_size: 24 shuffle: true"), 1)
    dealt = [rows.values_of(rows("batch_size: 4 shuffle: true", solver_rank=r, solver_count=3), 2) for r in range(3)]
    assert np.array(dealt).reshape(3, 8).T.ravel().tolist() == whole


@pytest.mark.parametrize("shuffle", ["", "shuffle: true"])
@pytest.mark.parametrize("passed", [0, 1, 3, 7])
def test_a_resumed_run_reads_on(rows, passed, shuffle):
    numbers(range(5), range(10, 17))
    fields = f"batch_size: 3 prefetch: 3 {shuffle}"
    whole = rows.values_of(rows(fields), 12)
    stopped = rows(fields)
    rows.run(stopped, passed)
    assert stopped.get_state() == ({"position": 3 * passed, "rows": 12} if passed else {"position": 0})
    for first_forwards in (0, 2):  # state may come to a layer that already reads ahead
        resumed = rows(fields, seed=5)
        top = set_up(resumed, [], 1)
        for _ in range(first_forwards):
            resumed.forward([], top)
        resumed.context.seed = 1701  # a run that takes up another one takes up its seed
        resumed.set_state(stopped.get_state())
        assert [rows.forward(resumed, top)[0].astype(int).tolist() for _ in whole[passed:]] == whole[passed:]


def test_other_files_than_those_of_the_state_are_told(rows, caplog):
    numbers(range(5))
    layer = rows("batch_size: 2")
    set_up(layer, [], 1)
    layer.set_state({"position": 4, "rows": 7})
    assert "the HDF5 files hold 5 rows now and held 7 when the state was written" in caplog.text


@pytest.mark.parametrize("kind", ["u1", "i1", ">i2", "i4", "u8", "f2", ">f4", "f8"])
def test_numbers_of_any_width(rows, kind, dtype):
    values = np.array([[0, 1], [100, 7], [3, 4]], kind)
    write("a.h5", data=values)
    write_list("a.h5")
    ((data,),) = rows.run(rows("batch_size: 3", dtype=np.dtype(dtype)), 1)
    assert data.dtype == dtype
    np.testing.assert_array_equal(data, values)


def test_what_is_too_large_for_a_float_is_infinite(rows):
    write("a.h5", data=np.array([1e300, -1e300, np.nan]))
    write_list("a.h5")
    ((data,),) = rows.run(rows("batch_size: 3"), 1)
    np.testing.assert_array_equal(data, [np.inf, -np.inf, np.nan])


def test_tops_of_any_number_of_axes(rows):
    write("a.h5", one=np.arange(4), many=np.zeros((4, 1, 2, 1, 3, 1)), labels=np.arange(12).reshape(4, 3), other=1)
    write_list("a.h5")
    layer = rows("batch_size: 2", ("one", "many", "labels"))
    first, second = rows.run(layer, 2)
    assert [values.shape for values in first] == [(2,), (2, 1, 2, 1, 3, 1), (2, 3)]
    assert second[2].tolist() == [[6, 7, 8], [9, 10, 11]]


def test_tops_are_shaped_but_not_filled_at_set_up(rows, caplog):
    caplog.set_level("INFO")
    numbers([5, 6], [7])
    top = set_up(rows("batch_size: 7"), [], 1)
    assert top[0].shape == (7,) and not top[0].data.any()
    assert caplog.messages == ["Loading list of HDF5 filenames from: list.txt", "Number of HDF5 files: 2"]


# transform_param


def images(folder):
    pixels = np.random.default_rng(1).integers(0, 256, (6, 3, 5, 4), np.uint8)
    write("a.h5", data=pixels[:4], label=np.arange(4))
    write("b.h5", data=pixels[4:].astype(np.float64), label=np.arange(4, 6))
    write_list("a.h5", "b.h5")
    return pixels.astype(np.float32)


def test_images_are_transformed(rows, folder):
    pixels = images(folder)
    transform = "transform_param { scale: 0.5 crop_size: 3 mean_value: 1 mean_value: 2 mean_value: 3 }"
    ((data, label),) = rows.run(rows("batch_size: 6", ("data", "label"), phase=TEST, rest=transform), 1)
    expected = (pixels[:, :, 1:4, 0:3] - np.array([1, 2, 3], np.float32).reshape(3, 1, 1)) * 0.5
    np.testing.assert_array_equal(data, expected)
    assert label.tolist() == [0, 1, 2, 3, 4, 5]


def test_random_crops_and_mirrors_are_those_of_the_row(rows, folder):
    images(folder)
    transform = "transform_param { mirror: true crop_size: 2 }"
    whole = rows.run(rows("batch_size: 12 shuffle: true", ("data", "label"), rest=transform), 2)
    parts = rows.run(rows("batch_size: 4 shuffle: true", ("data", "label"), rest=transform), 6)
    for index in (0, 1):
        one, other = (np.concatenate([tops[index] for tops in passes]) for passes in (whole, parts))
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(whole[0][0], whole[1][0])


def test_transform_param_wants_an_image_first(rows, folder):
    images(folder)
    with pytest.raises(LayerError, match=r'first top, "label", whose rows are \(1\); it is for images.*name that top'):
        rows.run(rows("batch_size: 2", ("label", "data"), rest="transform_param { scale: 2 }"), 1)
    with pytest.raises(LayerError, match="HDF5Data does not transform data"):
        rows.run(rows("batch_size: 2", ("label",), rest="transform_param { }"), 1)


def test_transform_param_refuses_to_move_one_of_two_images(rows, folder):
    pixels = np.arange(48, dtype=np.uint8).reshape(2, 2, 3, 4)
    write("a.h5", data=pixels, mask=pixels, label=np.zeros((2, 1, 1, 1)))
    write_list("a.h5")
    tops = ("data", "mask", "label")
    with pytest.raises(LayerError, match=r'transform_param\.mirror is True; it would move .*"data" alone, and "mask"'):
        rows.run(rows("batch_size: 2", tops, rest="transform_param { mirror: true }"), 1)
    ((data, mask, _),) = rows.run(rows("batch_size: 2", tops, rest="transform_param { scale: 2 mirror: false }"), 1)
    np.testing.assert_array_equal(data, 2 * mask)
    rows.run(rows("batch_size: 2", ("data", "label"), rest="transform_param { mirror: true }"), 1)


# Where files are


def test_files_are_looked_for_in_three_places(rows, folder, monkeypatch):
    for place in ("lists", "nets", "work"):
        (folder / place).mkdir()
    write("work/a.h5", data=[1])
    write("lists/a.h5", data=[2])
    write("lists/b.h5", data=[3])
    write("nets/c.h5", data=[4])
    (folder / "lists/list.txt").write_text("a.h5 b.h5 c.h5")
    monkeypatch.chdir("work")
    layer = rows("batch_size: 3", source="../lists/list.txt", folder=folder / "nets")
    assert rows.values_of(layer, 1) == [[1, 3, 4]]
    (folder / "nets/c.h5").unlink()
    with pytest.raises(
        LayerError, match=r"no such file \(tried .*work/c.h5, .*lists/c.h5 and .*nets/c.h5\); .*list.txt"
    ):
        rows.run(rows("batch_size: 3", source="../lists/list.txt", folder=folder / "nets"), 1)


def test_reading_changes_nothing_in_a_folder_that_is_read_only(rows, folder):
    inner = folder / "read_only"
    inner.mkdir()
    write(inner / "a.h5", {"compression": "gzip", "chunks": (2, 3)}, data=np.arange(30).reshape(10, 3))
    (inner / "list.txt").write_text("a.h5")
    for path in [*inner.iterdir(), inner]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = contents(inner)
    try:
        layer = rows("batch_size: 4 shuffle: true", source="read_only/list.txt")
        assert len(rows.run(layer, 9)) == 9
        layer.close()
        assert contents(inner) == before
    finally:
        inner.chmod(0o755)


def contents(folder):
    """All that can be told of a folder and the files in it, times of reading aside."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.stat()
        values = b"" if stat.S_ISDIR(status.st_mode) else path.read_bytes()
        found[path] = (values, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode)
    return found


# What cannot be used


@pytest.mark.parametrize(
    ("fields", "message"),
    [("", "batch_size is 0; use 1 or more"), ("batch_size: 2 prefetch: 0", "prefetch is 0; use 1 or more batches")],
)
def test_refuses_numbers(rows, fields, message):
    numbers([1])
    with pytest.raises(LayerError, match=r"hdf5_data_param\." + message):
        rows.run(rows(fields), 1)


def assert_refused(rows, message, tops=("data",)):
    with pytest.raises(LayerError, match=r'hdf5_data_param\.source is "list.txt"; .*' + message):
        set_up(rows("batch_size: 2", tops), [], len(tops))


def test_refuses_lists(rows, folder):
    assert_refused(
        rows, r"Failed to open source file: there is no such file .*list\.txt.*; a text file with names of HDF5"
    )
    write_list("", " \t")
    assert_refused(rows, "Must have at least 1 HDF5 filename listed in list.txt")
    write("list.txt", data=[1])
    assert_refused(rows, "list.txt is an HDF5 file itself; write its name into a text file, `echo list.txt > list.txt`")
    Path("list.txt").write_bytes(b"\xff\xfe")
    assert_refused(rows, "list.txt is no text file")
    Path("list.txt").unlink()
    Path("list.txt").mkdir()
    assert_refused(rows, "Failed to open source file: list.txt: ")


def test_refuses_files(rows, folder):
    numbers([1])
    write_list("0.h5", "missing.h5")
    assert_refused(rows, "Failed opening HDF5 file: there is no such file .*missing.h5.*; list.txt names it")
    Path("text.h5").write_text("data")
    write_list("text.h5")
    assert_refused(rows, "text.h5 is no HDF5 file")
    Path("cut.h5").write_bytes(Path("0.h5").read_bytes()[:-50])
    write_list("0.h5", "cut.h5")
    assert_refused(rows, "Failed opening HDF5 file: cut.h5 is damaged or was not copied completely .*truncated")


def test_refuses_datasets(rows, folder):
    write_list("a.h5")
    write("a.h5", other=[1], **{f"x{i}": [1] for i in range(12)})
    assert_refused(
        rows, r"a.h5: Failed to find HDF5 dataset data; each top reads the dataset of its own name, .* x0, .*\.\.\."
    )
    write("a.h5", **{"group/data": [1]})
    assert_refused(rows, "Failed to find HDF5 dataset group/data", ("group/data",))
    assert_refused(rows, "Failed to find HDF5 dataset group;", ("group",))
    write("a.h5")
    assert_refused(rows, "Failed to find HDF5 dataset data; the file is empty")
    write("a.h5", data=np.array([b"a", b"b"]))
    assert_refused(rows, "dataset data: Unsupported datatype class: H5T_STRING; write integers or floats")
    write("a.h5", data=np.array([True, False]))
    assert_refused(rows, "Unsupported datatype class: H5T_ENUM")
    write("a.h5", data=np.zeros(2, [("x", "f4")]))
    assert_refused(rows, "Unsupported datatype class: H5T_COMPOUND")
    write("a.h5", data=5.0)
    assert_refused(rows, "dataset data is a scalar; its first axis must be that of the rows")
    write("a.h5", data=np.zeros((3, 0)))
    assert_refused(rows, r"dataset data is 3 0 \(0\); its rows have no values")
    write("a.h5", data=np.zeros((0, 3)))
    assert_refused(rows, "a.h5: the datasets have 0 rows")
    write("a.h5", data=np.zeros((3, 2)), label=np.zeros(4))
    assert_refused(rows, "must have the same number of rows .*, but data has 3, label has 4", ("data", "label"))


def test_refuses_values_in_other_files(rows, folder):
    numbers([1, 2])
    with h5py.File("a.h5", "w") as file:
        layout = h5py.VirtualLayout((2,), "f4")
        layout[:] = h5py.VirtualSource("0.h5", "data", (2,))
        file.create_virtual_dataset("data", layout)
        file["linked"] = h5py.ExternalLink("0.h5", "data")
    write_list("a.h5")
    assert_refused(rows, "values of dataset data are in other files; write the names of those into the list")
    assert_refused(rows, "Failed to find HDF5 dataset linked", ("linked",))


def test_refuses_a_later_file_of_other_axes(rows, folder):
    write("a.h5", data=np.zeros((2, 3)), label=np.zeros(2))
    write("b.h5", data=np.zeros((9, 3)), label=np.zeros((9, 1)))
    write_list("a.h5", "b.h5")
    assert_refused(
        rows,
        r"b.h5: rows of dataset label are 1 \(1\), and in a.h5 they are single numbers; all files of a list must",
        ("data", "label"),
    )


def test_refuses_to_read_more_ahead_than_fits_in_memory(rows):
    numbers([1, 2])
    layer = rows("batch_size: 2 prefetch: 3000000000")
    top = set_up(layer, [], 1)
    with pytest.raises(NetError, match=r"reading 3000000000 batches ahead \(prefetch\) needs .* TiB of memory"):
        layer.forward([], top)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_reads_on_by_itself(rows):
    numbers(range(100))
    layer = rows("batch_size: 3")
    top = set_up(layer, [], 1)
    rows.forward(layer, top)
    child = os.fork()
    if child == 0:
        ok = [rows.forward(layer, top)[0].tolist() for _ in range(2)] == [[3, 4, 5], [6, 7, 8]]
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [rows.forward(layer, top)[0].tolist() for _ in range(2)] == [[3, 4, 5], [6, 7, 8]]
