from pathlib import Path

import pytest

from caffelite.core.data import included
from caffelite.core.data.hdf5_list import find_hdf5_file, find_hdf5_list, read_hdf5_list
from caffelite.core.errors import DataError
from caffelite.core.files import NoSuchFileError


def test_blanks_and_lines_divide_names(tmp_path):
    path = tmp_path / "list"
    path.write_bytes(b"a.h5\n\n  dir/b.h5 c.h5\r\n\td\xc3\xa9.h5")
    assert read_hdf5_list(path) == ["a.h5", "dir/b.h5", "c.h5", "d\xe9.h5"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Must have at least 1 HDF5 filename listed in"),
        (b" \n\n", "Must have at least 1 HDF5 filename"),
        (b"\x89HDF\r\n\x1a\n....", "is an HDF5 file itself; write its name into a text file"),
        (b"a\xff", "is no text file"),
    ],
)
def test_refuses(tmp_path, content, message):
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_hdf5_list(path)


def test_places_of_files(tmp_path, monkeypatch):
    for folder in ("work", "lists", "nets"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.h5").touch()
    monkeypatch.chdir(tmp_path / "work")
    lists, nets = tmp_path / "lists/list", tmp_path / "nets"
    assert find_hdf5_file("a.h5", lists, nets) == Path("a.h5")
    Path("a.h5").unlink()
    assert find_hdf5_file("a.h5", lists, nets) == tmp_path / "lists/a.h5"
    (tmp_path / "lists/a.h5").unlink()
    with pytest.raises(NoSuchFileError, match=r"tried .*work/a.h5 and .*lists/a.h5"):
        find_hdf5_file("a.h5", lists, None)
    assert find_hdf5_file("a.h5", lists, nets) == tmp_path / "nets/a.h5"
    assert find_hdf5_file(str(nets / "a.h5"), lists, None) == nets / "a.h5"


def test_a_missing_list_names_the_command_that_makes_it_or_is_made(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(included, "command_for", lambda name: "caffelite dataset some" if name == "some" else "")
    with pytest.raises(DataError, match="make it with `caffelite dataset some`"):
        find_hdf5_list("some", None)
    with pytest.raises(DataError, match="a text file with names of HDF5 files is expected"):
        find_hdf5_list("other", None)
    monkeypatch.setattr(included, "make_if_included", lambda name: True)
    assert find_hdf5_list("some", tmp_path) == Path("some")
