import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading

import pytest

from caffelite.core.errors import DataError
from caffelite.datasets import progress
from caffelite.datasets.download import RemoteFile, download, find, kept_downloads

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
    assert download(remote(), [serve(server) + slash], here).read_bytes() == CONTENT


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
        download(remote(), [serve(server)], here)


def test_a_file_that_the_server_lacks(serve, folders):
    with pytest.raises(DataError, match=r"cannot download http://.*/file\.bin: .*404.*--source FOLDER"):
        download(remote(), [serve(folders[0])], folders[1])


def test_no_server(folders):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(DataError, match=rf"cannot download http://127\.0\.0\.1:{port}/file\.bin: .*--source FOLDER"):
        download(remote(), [f"http://127.0.0.1:{port}"], folders[1])


def test_no_address(folders):
    with pytest.raises(DataError, match=r"cannot download somewhere/file\.bin: unknown url type"):
        download(remote(), ["somewhere"], folders[1])


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
    download(remote(content), [serve(folders[0])], folders[1])
    words = [message for message in caplog.messages if message.endswith(" of 200000 bytes")]
    assert words[-1] == "Downloading: 200000 of 200000 bytes" and len(words) > 2


class Breaking(http.server.BaseHTTPRequestHandler):
    """Gives CONTENT, in answer to Range from there on, and breaks off when `most` bytes were sent."""

    most, knows_ranges, asked = 10**9, True, None

    def do_GET(self):
        """Answer."""
        wanted = self.headers.get("Range", "")
        self.asked.append(wanted)
        start = int(wanted[len("bytes=") : -1]) if wanted and self.knows_ranges else 0
        if start > len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:][: self.most])

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def breaking(monkeypatch):
    """Serve CONTENT by a server that can break off: breaking(most, knows_ranges) -> its address, what it was asked."""
    monkeypatch.setenv("no_proxy", "*")
    running = []

    def start(most=10**9, knows_ranges=True):
        handler = type("Handler", (Breaking,), {"most": most, "knows_ranges": knows_ranges, "asked": []})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}", handler.asked

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_broken_connection_is_made_again_and_goes_on(breaking, tmp_path):
    url, asked = breaking(most=3000)
    assert download(remote(), [url], tmp_path).read_bytes() == CONTENT
    assert asked == ["", "bytes=3000-", "bytes=6000-"]
    assert os.listdir(tmp_path) == ["file.bin"]


def test_a_later_program_goes_on(breaking, tmp_path):
    with pytest.raises(DataError, match="the connection broke after 3000 of 8000 bytes; fetch it another way"):
        download(remote(), [breaking(most=1000)[0]], tmp_path)
    assert os.listdir(tmp_path) == ["file.bin.part"]
    url, asked = breaking()
    assert download(remote(), [url], tmp_path).read_bytes() == CONTENT
    assert asked == ["bytes=3000-"]


def test_a_server_that_cannot_go_on_begins_again(breaking, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 50)
    assert download(remote(), [breaking(knows_ranges=False)[0]], tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("size", [50, 8000, 9000])
def test_a_part_of_another_file_does_no_harm(breaking, tmp_path, size):
    (tmp_path / "file.bin.part").write_bytes(b"x" * size)
    assert download(remote(), [breaking()[0]], tmp_path).read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["file.bin"]


def test_a_file_of_unknown_size(breaking, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(progress, "AGAIN", 0.0)
    caplog.set_level("INFO", "caffelite")
    file = RemoteFile("file.bin", None, sha1=hashlib.sha1(CONTENT).hexdigest())
    url, asked = breaking(most=5000)
    assert download(file, [url], tmp_path).read_bytes() == CONTENT
    assert asked == ["", "bytes=5000-"]
    assert caplog.messages[0] == f"Downloading {url}/file.bin"
    assert caplog.messages[-1] == "Downloading: 8000 of 8000 bytes"
    (tmp_path / "file.bin").rename(tmp_path / "file.bin.part")
    (tmp_path / "file.bin.part").write_bytes(b"x" * 9000)  # of another, longer file
    url, asked = breaking()
    assert download(file, [url], tmp_path).read_bytes() == CONTENT
    assert asked == ["bytes=9000-", ""]


def test_several_addresses(serve, breaking, folders, caplog):
    caplog.set_level("INFO", "caffelite")
    server, here = folders
    (server / "file.bin").write_bytes(b"another " * 1000)
    url, asked = breaking()
    assert download(remote(), [serve(here), serve(server), url], here).read_bytes() == CONTENT
    assert [message.partition(":")[0] for message in caplog.messages if "Downloading" not in message] == [
        "cannot download http",
        "http",
    ]
    assert download(remote(), ["http://nowhere"], here).read_bytes() == CONTENT  # it is there
    assert len(asked) == 1


def test_a_kept_file_that_was_changed_comes_anew(breaking, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"x")
    assert download(remote(), [breaking()[0]], tmp_path).read_bytes() == CONTENT


def test_a_proxy_that_does_not_answer(tmp_path, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    with pytest.raises(
        DataError, match=r"refused\S* \(by the proxy that the environment's http_proxy names\)"
    ) as raised:
        download(remote(), ["http://example.org"], tmp_path)
    assert "secret" not in str(raised.value)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot keep file.bin, which is to be downloaded: .*tmp.*/file"):
        download(remote(), ["http://127.0.0.1:9"], tmp_path / "file" / "folder")


def test_two_programs_at_once(breaking, tmp_path):
    url, asked = breaking()
    code = (
        "from pathlib import Path; import sys; from caffelite.datasets.download import *\n"
        f"download(RemoteFile('file.bin', 8000, {remote().sha256!r}), [{url!r}], Path({str(tmp_path)!r}))"
    )
    programs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [program.wait(60) for program in programs] == [0, 0]
    assert len(asked) == 1 and (tmp_path / "file.bin").read_bytes() == CONTENT


def test_where_downloads_are_kept(cache):
    assert cache in kept_downloads().parents
