import errno
import os
from pathlib import Path

import pytest

MODELS = sorted((Path(__file__).resolve().parents[2] / "models").glob("*/*.prototxt"))


def test_pictures(program, folder):
    result = program("draw_net", "net.prototxt", "net.svg")
    assert (result.status, result.out) == (0, "net.svg\n")
    drawn = (folder / "net.svg").read_text()
    for words in ("InnerProduct 2 outputs", "4×2", "accuracy", "TEST only"):
        assert words in drawn


def test_png(caffelite, folder):
    assert caffelite("draw_net", "net.prototxt", "net.png", "--rankdir", "LR").status == 0
    assert (folder / "net.png").read_bytes().startswith(b"\x89PNG")


def test_flags(caffelite, folder):
    words = ("--phase", "TRAIN", "--rankdir=BT", "--display_lrm")
    assert caffelite("draw_net", "net.prototxt", "net.dot", *words).err == ""  # nor a word of how the net is set up
    drawn = (folder / "net.dot").read_text()
    assert "rankdir=BT" in drawn
    assert "lr mult: 1.0, 1.0" in drawn
    assert "accuracy" not in drawn
    assert "only" not in drawn


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("net.prototxt", "net.tiff"), '"tiff" is no format of pictures here'),
        (("net.prototxt", "net"), '"" is no format of pictures here: let the name end in .svg'),
        (("nowhere.prototxt", "net.svg"), "nowhere.prototxt: no such file"),
        (("net.prototxt",), "draw_net is missing PICTURE"),
        (("net.prototxt", "no/where/net.svg"), "cannot write no/where/net.svg: there is no folder "),
        (("net.prototxt", "net.svg", "--rankdir", "XY"), "illegal value 'XY' specified for string flag 'rankdir'"),
    ],
)
def test_refuses(caffelite, words, message):
    result = caffelite("draw_net", *words)
    assert result.status == 1
    assert message in result.error


def test_a_picture_that_cannot_be_written_leaves_the_old_one(caffelite, folder, monkeypatch):
    (folder / "net.dot").write_text("old")
    monkeypatch.setattr("os.fsync", full_disk)
    result = caffelite("draw_net", "net.prototxt", "net.dot")
    assert result.error.endswith("cannot write net.dot: No space left on device; nothing was changed")
    assert (folder / "net.dot").read_text() == "old" and not [*folder.glob("*.tmp"), *folder.glob(".*tmp")]


def full_disk(descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_net_that_cannot_be_built(caffelite, folder):
    (folder / "bad.prototxt").write_text('layer { name: "a" type: "ReLu" bottom: "x" top: "y" }')
    result = caffelite("draw_net", "bad.prototxt", "bad.dot")
    assert result.status == 0
    assert 'drawn without shapes, since it cannot be built: bad.prototxt:1: layer "a": unknown layer type' in result.err


@pytest.mark.slow
@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_model(caffelite, folder, path):
    result = caffelite("draw_net", str(path), "net.svg")
    assert (result.status, result.err) == (0, "")
    drawn = (folder / "net.svg").read_text()
    assert "×" in drawn
    assert drawn.count('<g id="node') >= 3
