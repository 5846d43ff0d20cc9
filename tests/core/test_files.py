from pathlib import Path

import pytest

from caffelite.core.files import NoSuchFileError, find_file, first_existing


@pytest.fixture
def nets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    return tmp_path / "nets"


def test_as_written_comes_before_beside(nets, tmp_path):
    (nets / "list.txt").touch()
    assert find_file("list.txt", nets) == nets / "list.txt"
    (tmp_path / "list.txt").touch()
    assert find_file("list.txt", nets) == Path("list.txt")


def test_the_error_lists_the_places_each_once(nets, tmp_path):
    with pytest.raises(NoSuchFileError) as caught:
        find_file("none.txt", nets)
    assert str(caught.value) == f"there is no such file (tried {tmp_path}/none.txt and {nets}/none.txt)"
    for name, folder in ((str(tmp_path / "none.txt"), nets), ("none.txt", None), ("none.txt", tmp_path)):
        with pytest.raises(NoSuchFileError) as caught:
            find_file(name, folder)
        assert str(caught.value) == f"there is no such file (tried {tmp_path}/none.txt)"


def test_the_first_of_any_places(nets, tmp_path):
    (tmp_path / "b").touch()
    assert first_existing(iter([tmp_path / "a", tmp_path / "b", nets])) == tmp_path / "b"
