"""install_in_cv2: in an OpenCV that has lost its reader, and in one that has not."""

import logging
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import caffelite
from caffelite import cv2dnn
from caffelite.cv2dnn.user_layers import registered_types


@pytest.fixture
def restored(monkeypatch):
    """Let cv2 have lost its reader, and be what it was after the test."""
    monkeypatch.setattr(cv2.dnn, "readNetFromCaffe", None, raising=False)
    monkeypatch.delattr(cv2.dnn, "readNetFromCaffe")
    monkeypatch.setattr(cv2.dnn, "readNet", cv2.dnn.readNet)
    for name in ("dnn_registerLayer", "dnn_unregisterLayer"):
        monkeypatch.setattr(cv2, name, getattr(cv2, name))


@pytest.fixture
def files(tmp_path, small):
    return small.write(tmp_path)[:2]


def test_gives_cv2_the_reader(restored, files):
    theirs = cv2.dnn.readNet
    assert caffelite.install_in_cv2()
    installed = cv2.dnn.readNet, cv2.dnn_registerLayer
    assert caffelite.install_in_cv2()
    assert (cv2.dnn.readNet, cv2.dnn_registerLayer) == installed
    assert installed[0] is not theirs
    prototxt, model = files
    buffers = [np.fromfile(path, np.uint8) for path in files]
    for net in (
        cv2.dnn.readNetFromCaffe(prototxt, model),
        cv2.dnn.readNetFromCaffe(*buffers),
        cv2.dnn.readNet(model, prototxt),
        cv2.dnn.readNet(prototxt, config=model),
        cv2.dnn.readNet("caffe", buffers[1], buffers[0]),
        cv2.dnn.readNet(framework="caffe", bufferModel=buffers[1], bufferConfig=buffers[0]),
        cv2.dnn.readNet(model, prototxt, framework="Caffe"),
    ):
        assert isinstance(net, cv2dnn.Net)
        assert isinstance(net, cv2.dnn_Net)
        net.setInput(cv2.dnn.blobFromImage(np.zeros((8, 8, 3), np.uint8)))
        assert net.forward().shape == (1, 1, 6, 6)


def test_a_tag_tells_what_names_do_not(restored, tmp_path, files):
    caffelite.install_in_cv2()
    text, weights = tmp_path / "net.txt", tmp_path / "weights.bin"
    for path, copy in zip(files, (text, weights), strict=True):
        copy.write_bytes(Path(path).read_bytes())
    assert cv2.dnn.readNet(str(weights), str(text), framework="caffe").getParam("c").any()


def test_other_files_go_to_opencv(restored):
    caffelite.install_in_cv2()
    for arguments in (["/nowhere/x.onnx"], ["onnx", np.zeros(3, np.uint8)]):
        with pytest.raises(cv2.error, match="OpenCV"):  # OpenCV's own text, not ours
            cv2.dnn.readNet(*arguments)


def test_classes_are_registered_in_both(restored, monkeypatch):
    calls = []
    monkeypatch.setattr(cv2, "dnn_registerLayer", lambda *given: calls.append(("register", *given)))
    monkeypatch.setattr(cv2, "dnn_unregisterLayer", lambda *given: calls.append(("unregister", *given)))
    caffelite.install_in_cv2()
    for class_ in (int, float):
        cv2.dnn_registerLayer("Foo", class_)
    assert list(registered_types()) == ["Foo"]
    # never two at once: OpenCV ends the process
    assert calls == [("register", "Foo", int), ("unregister", "Foo"), ("register", "Foo", float)]
    cv2.dnn_unregisterLayer("Foo")
    assert len(calls) == 3
    cv2.dnn_unregisterLayer("Foo")
    assert calls[3:] == [("unregister", "Foo")]
    assert not registered_types()


def test_an_opencv_that_has_its_own_keeps_it_unless_forced(restored, monkeypatch, caplog):
    def own():
        """Stand for OpenCV 4's."""

    monkeypatch.setattr(cv2.dnn, "readNetFromCaffe", own, raising=False)
    with caplog.at_level(logging.WARNING, "caffelite"):
        assert not caffelite.install_in_cv2()
    assert "reads Caffe's nets by itself" in caplog.text
    assert cv2.dnn.readNetFromCaffe is own
    assert caffelite.install_in_cv2(force=True)
    assert cv2.dnn.readNetFromCaffe is not own


def test_without_opencv(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(caffelite.CaffeliteError, match=r"cv2.dnn is OpenCV's own.*pip install 'caffelite\[image\]'"):
        caffelite.install_in_cv2()
