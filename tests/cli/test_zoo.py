"""The zoo command through the public door; what it checks and downloads is tested in tests/checking and datasets."""

import hashlib
import json

import pytest

from caffelite import examples
from caffelite.cli import main

NET = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "x" type: "%s" bottom: "data" top: "x" }
"""


def test_lists_the_nets_and_whose_weights_can_be_pulled(capsys):
    assert main(["zoo", "list"]) == 0
    lines = {line.split()[0]: line[20:] for line in capsys.readouterr().out.splitlines()}
    assert lines["vgg16"] == " * VGG-16"
    assert lines["pspnet50"] == "   PSPNet-50"
    assert set(lines) == {path.parent.name for path in (examples.folder() / "models").glob("*/readme.md")}


def test_check(tmp_path, capsys):
    (tmp_path / "good.prototxt").write_text(NET % "ReLU")
    assert main(["zoo", "check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"runs    {tmp_path}/good.prototxt\n1 of 1 nets run\n"
    (tmp_path / "strange.prototxt").write_text(NET % "Sorcery")
    assert main(["zoo", "check", str(tmp_path)]) == 1
    assert capsys.readouterr().out.endswith(
        f"fails   {tmp_path}/strange.prototxt\n        lacks layer type Sorcery\n1 of 2 nets run\n"
        "layer type Sorcery: missing in 1 net\n"
    )


def test_check_as_json(tmp_path, capsys):
    (tmp_path / "strange.prototxt").write_text(NET % "Sorcery")
    assert main(["zoo", "check", str(tmp_path), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["runs"], found["is_net"], found["missing"]) == (False, True, ["layer type Sorcery"])
    assert found["problems"][0]["line"] == 2


@pytest.fixture
def published(tmp_path, monkeypatch, serve):
    """A net of which a server on this machine has the weights, in place of those that come along."""
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "net.caffemodel").write_bytes(b"weights")
    folder = tmp_path / "installed" / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "deploy.prototxt").write_text(NET % "ReLU")
    (folder / "readme.md").write_text(
        f"---\ncaffemodel: net.caffemodel\ncaffemodel_url: {serve(tmp_path / 'server')}/net.caffemodel\n"
        f"sha256: {hashlib.sha256(b'weights').hexdigest()}\n---\n\n# Mine\n"
    )
    monkeypatch.setattr(examples, "folder", lambda: tmp_path / "installed")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pull(published, capsys):
    assert main(["zoo", "pull", "mine"]) == 0
    assert capsys.readouterr().out == "models/mine/net.caffemodel\n"
    assert (published / "models/mine/net.caffemodel").read_bytes() == b"weights"
    assert (published / "models/mine/deploy.prototxt").read_text() == NET % "ReLU"
    assert main(["zoo", "pull", "mine", "--out", "there"]) == 0
    assert (published / "there/mine/net.caffemodel").exists()


def test_pull_refuses_another_file(published, capsys):
    (published / "server" / "net.caffemodel").write_bytes(b"a page")
    assert main(["zoo", "pull", "mine"]) == 1
    assert "is not the expected file: its SHA-256 is" in capsys.readouterr().err
    assert not (published / "models/mine/net.caffemodel").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pul", "vgg16"], 'zoo has no action "pul"; did you mean "pull"?'),
        (["pull"], "write caffelite zoo pull NAME"),
        (["list", "vgg16"], "write caffelite zoo list"),
        (["check"], "write caffelite zoo check FOLDER"),
        (["check", "nowhere"], "nowhere is no folder"),
        (["pull", "vgg17"], 'Unknown net: vgg17; did you mean "vgg16"?'),
        (["pull", "pspnet50"], "the weights of pspnet50 cannot be fetched by an address; "),
    ],
)
def test_refuses(words, message, capsys):
    assert main(["zoo", *words]) == 1
    assert message in capsys.readouterr().err
