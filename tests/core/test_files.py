import os
import re
from pathlib import Path

import pytest

from caffelite.core.errors import UsageError
from caffelite.core.files import (
    Kind,
    NoSuchFileError,
    UnreachableError,
    file_problem,
    find_file,
    first_existing,
    kind_of,
    open_file,
    require_file,
)

UNREACHABLE = {
    "x" * 300: "File name too long",
    "a\0b": "embedded null byte",
    "loop": "Too many levels of symbolic links",
}


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
    above = f"the folders above {nets}"
    with pytest.raises(NoSuchFileError) as caught:
        find_file("a/none.txt", nets)
    assert str(caught.value) == f"there is no such file (tried {tmp_path}/a/none.txt, {nets}/a/none.txt and {above})"
    with pytest.raises(NoSuchFileError) as caught:
        find_file("a/none.txt", Path("."))
    assert caught.value.tried == [f"{tmp_path}/a/none.txt", f"the folders above {tmp_path}"]
    for name, folder in ((str(tmp_path / "none.txt"), nets), ("none.txt", None)):
        with pytest.raises(NoSuchFileError) as caught:
            find_file(name, folder)
        assert str(caught.value) == f"there is no such file (tried {tmp_path}/none.txt)"


def test_the_folder_that_holds_both_is_found_from_anywhere(tmp_path, monkeypatch):
    for folder in ("models", "solvers/deep", "solvers/models"):
        (tmp_path / folder).mkdir(parents=True)
    net = tmp_path / "models" / "net.prototxt"
    net.touch()
    monkeypatch.chdir("/")
    assert find_file("models/net.prototxt", tmp_path / "solvers" / "deep") == net
    monkeypatch.chdir(tmp_path / "solvers")
    assert find_file("models/net.prototxt", Path("deep")) == net
    (tmp_path / "solvers" / "models" / "net.prototxt").touch()
    monkeypatch.chdir("/")
    nearest = tmp_path / "solvers" / "models" / "net.prototxt"
    assert find_file("models/net.prototxt", tmp_path / "solvers" / "deep") == nearest
    (tmp_path / "net.prototxt").touch()
    with pytest.raises(NoSuchFileError, match=f"tried /net.prototxt and {tmp_path}/solvers/net.prototxt"):
        find_file("net.prototxt", tmp_path / "solvers")


def test_no_name_is_not_the_working_directory(tmp_path):
    with pytest.raises(NoSuchFileError, match="^the name is empty$"):
        find_file("", tmp_path)


def test_a_name_with_a_tab_is_explained(tmp_path):
    """A prototxt gives it, of a path of Windows."""
    with pytest.raises(NoSuchFileError) as caught:
        find_file("C:\train\new", tmp_path)
    assert str(caught.value).endswith(
        r"; \t and \n in a prototxt stands for one character: write \\ for a backslash, or / between folders"
    )


def test_the_first_of_any_places(nets, tmp_path):
    (tmp_path / "b").touch()
    assert first_existing(iter([tmp_path / "a", tmp_path / "b", nets])) == tmp_path / "b"


def test_kinds_of_what_is_there(nets, tmp_path):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    kinds = {
        "file": Kind.FILE,
        "link": Kind.FILE,
        "nets": Kind.FOLDER,
        "pipe": Kind.OTHER,
        "none": Kind.NOTHING,
        "file/below": Kind.NOTHING,
    }
    assert {name: kind_of(name) for name in kinds} == kinds


@pytest.mark.parametrize("name, why", UNREACHABLE.items())
def test_what_cannot_be_looked_at_says_why(nets, name, why):
    (nets.parent / "loop").symlink_to("loop")
    with pytest.raises(UnreachableError, match=re.escape(f"it cannot be looked at ({why})")):
        kind_of(name)
    assert file_problem(name) == f"{name}: it cannot be looked at ({why})"
    with pytest.raises(NoSuchFileError, match=re.escape(f": it cannot be looked at ({why})")):
        find_file(name, None)


def test_what_is_no_file_says_so(nets):
    assert file_problem("nets") == "nets: cannot be read (it is a folder)"
    assert file_problem("none") == "File not found: none"
    (nets / "net.prototxt").touch()
    assert file_problem(nets / "net.prototxt") == ""


def test_requiring_a_file_tells_flag_and_working_directory(nets):
    (nets / "net.prototxt").touch()
    require_file(nets / "net.prototxt", "model")
    with pytest.raises(UsageError, match=rf"^File not found: none \(looked in {Path.cwd()}\)$"):
        require_file("none")
    with pytest.raises(UsageError, match="^--model: File not found: none "):
        require_file("none", "model")


def test_only_files_are_opened(nets):
    os.mkfifo(nets / "pipe")  # to open it would wait for ever
    for path, why in ((nets / "pipe", "a device, pipe or socket"), ("/dev/zero", "a device"), (nets, "a folder")):
        with pytest.raises(OSError, match=f"it is {why}"):
            open_file(path)
    (nets / "file").write_bytes(b"123")
    with open_file(nets / "file") as file:
        assert file.readall() == b"123"
