import hashlib
import socket

import pytest

from caffelite.core.errors import DataError
from caffelite.datasets import progress
from caffelite.datasets.download import RemoteFile, download, find

CONTENT = b"content " * 1000


def remote(content=CONTENT, name="file.bin"):
    return RemoteFile(name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "server").mkdir()
    (tmp_path / "here").mkdir()
    return tmp_path / "server", tmp_path / "here"


@pytest.mark.parametrize("slash", ["", "/"])
def test_download(serve, folders, slash):
    server, here = folders
    (server / "file.bin").write_bytes(CONTENT)
    assert download(remote(), serve(server) + slash, here).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-1], "file.bin is not the expected file: 7999 bytes instead of 8000"),
        (CONTENT + b"more than that", "file.bin is not the expected file: 8001 or more bytes instead of 8000"),
        (b"", "0 bytes instead of 8000"),
        (b"other   " * 1000, "its SHA-256 is .* instead of " + remote().sha256),
    ],
)
def test_refuses_another_file(serve, folders, content, message):
    server, here = folders
    (server / "file.bin").write_bytes(content)
    with pytest.raises(DataError, match=message):
        download(remote(), serve(server), here)


def test_a_file_that_the_server_lacks(serve, folders):
    with pytest.raises(DataError, match=r"cannot download http://.*/file\.bin: .*404.*--source FOLDER"):
        download(remote(), serve(folders[0]), folders[1])


def test_no_server(folders):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(DataError, match=rf"cannot download http://127\.0\.0\.1:{port}/file\.bin: .*--source FOLDER"):
        download(remote(), f"http://127.0.0.1:{port}", folders[1])


def test_no_address(folders):
    with pytest.raises(DataError, match=r"cannot download somewhere/file\.bin: unknown url type"):
        download(remote(), "somewhere", folders[1])


def test_find(tmp_path):
    (tmp_path / "b").write_bytes(b"")
    assert find(tmp_path, ["a", "b"]) == tmp_path / "b"
    with pytest.raises(DataError, match="has no file x or y"):
        find(tmp_path, ["x", "y"])


def test_a_slow_server_is_not_waited_for_in_silence(serve, folders, monkeypatch, caplog):
    monkeypatch.setattr(progress, "AGAIN", 0.0)
    caplog.set_level("INFO", "caffelite")
    content = bytes(200_000)
    (folders[0] / "file.bin").write_bytes(content)
    download(remote(content), serve(folders[0]), folders[1])
    words = [message for message in caplog.messages if message.endswith(" of 200000 bytes")]
    assert words[-1] == "Downloading: 200000 of 200000 bytes" and len(words) > 2
