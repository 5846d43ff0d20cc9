import os

import h5py
import numpy as np
import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.weights.hdf5 import is_hdf5, opened, writing


def test_files_are_told_by_their_first_bytes(tmp_path):
    with h5py.File(tmp_path / "a", "w"):
        pass
    (tmp_path / "b").write_bytes(b"\x89HDX")
    assert [is_hdf5(tmp_path / name) for name in ("a", "b", "nowhere", ".")] == [True, False, False, False]


def test_nothing_is_read_from_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "a")
    end = os.open(tmp_path / "a", os.O_RDWR)
    os.write(end, b"\x89HDF\r\n\x1a\n")
    try:
        assert not is_hdf5(tmp_path / "a")
    finally:
        os.close(end)


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        (None, "^File not found: .*a$"),
        (b"PK\x03\x04", "a: this is a zip archive, not an HDF5 caffemodel: unpack it"),
        (b"\x0a\x03abc", "a: this is another kind of file, not an HDF5 caffemodel"),
        (b"\x89HDF\r\n\x1a\n", "a: this HDF5 file is damaged or was not copied completely"),
    ],
)
def test_other_files_are_refused(tmp_path, contents, text):
    if contents is not None:
        (tmp_path / "a").write_bytes(contents)
    with pytest.raises(WeightsError, match=text), opened(tmp_path / "a", "caffemodel"):
        pass


def test_groups_that_hold_themselves_end(tmp_path):
    with h5py.File(tmp_path / "a", "w") as root:
        inner = root.create_group("data/x/y")
        inner["again"], inner["up"] = root["data"], root["data/x"]
    with opened(tmp_path / "a", "caffemodel") as file:
        names = [name for name, _ in file.groups(file.group(file.root, "data"))]
    assert sorted(names) == ["x", "x/y", "x/y/again", "x/y/up"]


def test_links_out_of_the_file_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "other", "w") as root:
        root.create_group("data")
    with h5py.File(tmp_path / "a", "w") as root:
        root["out"] = h5py.ExternalLink("other", "/data")
        root["soft"] = h5py.SoftLink("/nowhere")
    with opened(tmp_path / "a", "caffemodel") as file:
        assert [file.group(file.root, name) for name in ("out", "soft", "none")] == [None] * 3


def test_arrays_of_every_number_type_are_read_and_others_refused(tmp_path):
    kinds = {
        "f4": np.float32,
        "f8": np.float64,
        "f2": np.float32,
        "i4": np.float32,
        "u1": np.float32,
        ">f4": np.float32,
    }
    with h5py.File(tmp_path / "a", "w") as root:
        for kind in kinds:
            root[kind] = np.arange(6, dtype=kind).reshape(2, 3)
        root.create_dataset("packed", data=np.zeros((1000, 100), np.float32), compression="gzip")
        root["text"], root["empty"], root["none"] = "abc", h5py.Empty("f4"), np.zeros((0, 3), np.float32)
        root["scalar"] = np.float32(3)
    with opened(tmp_path / "a", "caffemodel") as file:
        for kind, dtype in kinds.items():
            blob = file.stored(file.dataset(file.root, kind), kind)
            assert (blob.shape, blob.data.dtype) == ((2, 3), dtype)
            np.testing.assert_array_equal(blob.data, np.arange(6))
        assert file.stored(file.dataset(file.root, "packed"), "it").data.size == 100_000
        assert file.stored(file.dataset(file.root, "none"), "it").shape == (0, 3)
        assert file.stored(file.dataset(file.root, "scalar"), "it").data.tolist() == [3]
        for name in ("text", "empty"):
            with pytest.raises(WeightsError, match="a: it is no array of numbers; the file is damaged"):
                file.shape(file.dataset(file.root, name), "it")


def test_sizes_that_the_file_cannot_hold_are_refused_before_memory_is_taken(tmp_path):
    with h5py.File(tmp_path / "a", "w") as root:
        root.create_dataset("never_written", (1 << 40,), "f4")
        root.create_dataset("a little larger", (10_000,), "f4")  # could be so only if it were compressed
    with opened(tmp_path / "a", "solverstate") as file:
        for name in ("never_written", "a little larger"):
            with pytest.raises(WeightsError, match="a: it is larger than the file; the file is damaged"):
                file.stored(file.dataset(file.root, name), "it")


def test_only_plain_numbers_name_blobs(tmp_path):
    with h5py.File(tmp_path / "a", "w") as root:
        for name in ("0", "12", "01", "1000000000", "x", "-1"):
            root[name] = 1.0
        root.create_group("2")
    with opened(tmp_path / "a", "caffemodel") as file:
        assert sorted(file.blobs(file.root)) == [0, 12]


def test_values_in_other_files_are_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(400))
    with h5py.File(tmp_path / "a", "w") as root:
        root.create_dataset("x", (100,), "f4", external=[(tmp_path / "secret", 0, 400)])
        layout = h5py.VirtualLayout((100,), "f4")
        layout[:] = h5py.VirtualSource(tmp_path / "other", "x", (100,))
        root.create_virtual_dataset("virtual", layout)
    with opened(tmp_path / "a", "caffemodel") as file:
        for name in ("x", "virtual"):
            with pytest.raises(WeightsError, match="the values of it are in other files; copy them into this one"):
                file.shape(file.dataset(file.root, name), "it")


def test_a_file_appears_complete_or_not_at_all(tmp_path):
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "a") as root:
        root["x"] = 1
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(WeightsError, match="there is no folder"), writing(tmp_path / "nowhere" / "a"):
        pass
