import hashlib

import pytest

from caffelite.core.errors import DataError
from caffelite.datasets.published_weights import PublishedWeights, download_weights, read_readme

CONTENT = b"weights " * 500
SHA1 = hashlib.sha1(CONTENT).hexdigest()
README = """---
name: A model
caffemodel: a.caffemodel
caffemodel_url: {url}/the%20file
license: unrestricted
sha1: {sha1}
---

# A model

sha1: not this one
"""


@pytest.fixture
def model(tmp_path, serve):
    """A model's folder, of which a server has the weights."""
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "the file").write_bytes(CONTENT)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "readme.md").write_text(README.format(url=serve(tmp_path / "server"), sha1=SHA1))
    return tmp_path / "model"


def test_download(model, tmp_path):
    path = download_weights(model)
    assert path == model / "a.caffemodel"
    assert path.read_bytes() == CONTENT
    (tmp_path / "server" / "the file").unlink()
    assert download_weights(model) == path  # it is there


def test_another_file_in_its_place_is_replaced(model):
    (model / "a.caffemodel").write_bytes(b"x")
    assert download_weights(model).read_bytes() == CONTENT


def test_refuses_another_file_and_leaves_what_is_there(model, tmp_path):
    (tmp_path / "server" / "the file").write_bytes(b"other")
    other = hashlib.sha1(b"other").hexdigest()
    (model / "a.caffemodel").write_bytes(b"mine")
    with pytest.raises(
        DataError, match=rf"the%20file is not the expected file: its SHA-1 is {other} instead of {SHA1}"
    ):
        download_weights(model)
    assert (model / "a.caffemodel").read_bytes() == b"mine"


def test_a_server_that_lacks_it(model, tmp_path):
    (tmp_path / "server" / "the file").unlink()
    with pytest.raises(DataError, match=r"404.*; fetch it another way and put it at .*model/a\.caffemodel"):
        download_weights(model)


def test_sha256(model):
    readme = (model / "readme.md").read_text()
    (model / "readme.md").write_text(readme.replace(f"sha1: {SHA1}", f"sha256: {hashlib.sha256(CONTENT).hexdigest()}"))
    assert download_weights(model).read_bytes() == CONTENT


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_read_readme(tmp_path, quote):
    path = tmp_path / "readme.md"
    path.write_text(
        f"---\r\n# a comment\r\ncaffemodel: {quote}a b{quote}  # the file\r\ncaffemodel_url:   "
        f"{quote}ftp://x/#y{quote}\r\nsha1: {quote}{'aB' * 20}{quote}\r\n---\r\n"
    )
    assert read_readme(path) == PublishedWeights("a b", "ftp://x/#y", "ab" * 20)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a.caffemodel", "../a.caffemodel", r":3: caffemodel is \.\./a\.caffemodel; give a name without a folder"),
        ("a.caffemodel", "..", r":3: caffemodel is \.\.; give a name"),
        (
            "http://s",
            "file:///s",
            ":4: caffemodel_url is file:///s/the%20file; give an address that begins with http://",
        ),
        ("sha1: a", "sha1: z", ":6: sha1 is z9.*; give the 40 digits that sha1sum prints"),
        ("sha1: ", "sha256: ", ":6: sha256 is a9.*; give the 64 digits that sha256sum prints"),
        ("sha1:", "sha1:\nsha:", "does not say sha1 or sha256; the file has to begin with lines such as `sha1: "),
        ("caffemodel", "model", "does not say caffemodel and caffemodel_url;"),
        ("---\n\n", "\n\n", "does not say caffemodel and caffemodel_url and sha1 or sha256;"),
    ],
)
def test_refuses_a_readme(tmp_path, old, new, message):
    path = tmp_path / "readme.md"
    path.write_text(README.format(url="http://s", sha1="a9" * 20).replace(old, new))
    with pytest.raises(DataError, match=r"readme\.md" + message if message[0] == ":" else message):
        read_readme(path)


def test_no_readme(tmp_path):
    with pytest.raises(
        DataError, match=r"readme\.md: No such file.*; give the folder of a model, whose readme\.md tells"
    ):
        download_weights(tmp_path)
