"""Kinds of files, and that every door where a file is read says which one it was given."""

import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import caffelite
from caffelite.core.data.mean import read_mean
from caffelite.core.errors import CaffeliteError
from caffelite.core.file_kinds import HEAD, looks_like, text_kind
from caffelite.core.prototxt.parse import read_net, read_solver
from caffelite.core.weights.caffemodel import read_layers
from caffelite.core.weights.formats import BINARY
from caffelite.core.weights.hdf5 import opened
from caffelite.proto.caffe_pb2 import BlobProto, LayerParameter, NetParameter, SolverState

ROOT = Path(__file__).resolve().parents[2]


def archive(name):
    """A zip with one file of that name, as other frameworks write theirs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(name, b"x")
    return buffer.getvalue()


def tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        packed.addfile(tarfile.TarInfo("net.prototxt"))
    return buffer.getvalue()


def npy():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


KINDS = {
    "web page": (b"<!DOCTYPE html>\n<html><head>", "a web page", "answered with a page"),
    "web page in XHTML": (b'<?xml version="1.0"?>\n<!DOCTYPE html><html>', "a web page", "answered with a page"),
    "answer": (b"404: Not Found", "what a server wrote instead of the file", "the address is wrong"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4\n", "a pointer of Git LFS", "git lfs pull"),
    "Darknet cfg": (b"# tiny\n[net]\nbatch=1\n[convolutional]\nfilters=3\n", "a Darknet cfg", "darknet2caffe"),
    "OpenVINO": (b'<?xml version="1.0"?>\n<net name="n" version="11">', "an OpenVINO model", "as ONNX"),
    "JSON": (b'{"nodes": []}', "JSON", ""),
    "Python": (b"import torch\nx = 1\n", "a Python program", ""),
    "gzip": (gzip.compress(b"layer"), "compressed with gzip", "gunzip"),
    "xz": (lzma.compress(b"layer"), "compressed with xz", "unxz"),
    "zip": (archive("net.prototxt"), "a zip archive", "unzip"),
    "tar": (tar(), "a tar archive", "tar xf"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive", "7z x"),
    "PyTorch": (archive("archive/data.pkl"), "a PyTorch file", "as ONNX"),
    "old PyTorch": (b"\x80\x02\x8a\nl\xfc", "a Python pickle, perhaps PyTorch's", "as ONNX"),
    "npz": (archive("weights.npy"), "a numpy .npz file", ""),
    "npy": (npy(), "a numpy array", ""),
    "ONNX": (b"\x08\x07\x12\x07pytorch\x1a\x051.9.0", "an ONNX model", "caffelite convert"),
    "ONNX of another maker": (b"\x08\x08\x12\x05MyExp\x1a\x032.4:\x80\x01", "an ONNX model", "caffelite convert"),
    "TensorFlow": (b"\x0a\x3c\x0a\x05input\x12\x0bPlaceholder", "a TensorFlow graph", "as ONNX"),
    "Darknet weights": (
        b"\0\0\0\0\2\0\0\0\5\0\0\0" + bytes(range(100)),
        "a file of Darknet's weights",
        "darknet2caffe",
    ),
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image", ""),
    "JPEG": (b"\xff\xd8\xff\xe0\0", "a JPEG image", ""),
    "GIF": (b"GIF89a\1\0", "a GIF image", ""),
    "BMP": (b"BM\x36\x4c\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x36\0\0\0", "a BMP image", ""),
    "TIFF": (b"II*\0\x08\0\0\0", "a TIFF image", ""),
    "TIFF, big-endian": (b"MM\0*\0\0\0\x08", "a TIFF image", ""),
    "WebP": (b"RIFF\x24\0\0\0WEBPVP8 ", "a WebP image", ""),
    "PDF": (b"%PDF-1.4\n%\xe2\xe3\0", "a PDF document", ""),
    "LMDB": ((ROOT / "tests/golden/data/raw_lmdb/data.mdb").read_bytes()[:HEAD], "a database of LMDB", "Data layer"),
}
NET = NetParameter(layer=[LayerParameter(name="x", type="Input", top=["x"])])
NET.layer[0].input_param.shape.add(dim=[1])
DOORS = {
    "net": (read_net, "a prototxt"),
    "solver": (read_solver, "a prototxt"),
    "caffemodel": (read_layers, "a caffemodel"),
    "solverstate": (lambda path: BINARY.read_state(path), "a solverstate"),
    "weights of a Net": (lambda path: caffelite.Net(NET, caffelite.TEST).copy_from(path), "a caffemodel"),
    "mean": (read_mean, "a BlobProto"),
}


@pytest.mark.parametrize(("content", "name", "advice"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("door", DOORS)
def test_every_door_says_what_the_file_is(door, content, name, advice, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    read, wanted = DOORS[door]
    with pytest.raises(CaffeliteError) as caught:
        read(path)
    text = str(caught.value)
    assert f"this is {name}, not {wanted}" in text, text
    assert advice in text


@pytest.mark.parametrize(("content", "name", "advice"), KINDS.values(), ids=KINDS)
def test_hdf5_files_too(content, name, advice, tmp_path):
    (tmp_path / "file.h5").write_bytes(content)
    with pytest.raises(CaffeliteError, match=f"this is {name}, not an HDF5 caffemodel"):
        with opened(tmp_path / "file.h5", "caffemodel"):
            pass


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"", "an empty file"),
        (b"\x89HDF\r\n\x1a\n....", "an HDF5 file"),
        (b'name: "LeNet"\nlayer {\n', "a text file"),
        ('name: "Gr\u00f6\u00dfe"\n'.encode() * 60, "a text file"),
    ],
)
def test_other_files_are_told_by_their_first_bytes(head, name):
    assert looks_like(head[:512]).name.startswith(name)


@pytest.mark.parametrize("name", ["LeNet", " " * 32, "\n\n", "a" * 60, "onnx", "data.pkl"])
def test_binary_messages_are_not_mistaken(name):
    net = NetParameter(name=name, layer=[LayerParameter(name="conv1")])
    assert looks_like(net.SerializeToString()) is None
    assert looks_like(SolverState(iter=7, learned_net=f"{name}.caffemodel").SerializeToString()) is None
    assert looks_like(BlobProto(num=1, channels=3, height=2, width=2, data=range(12)).SerializeToString()) is None


@pytest.mark.parametrize("path", sorted(ROOT.glob("models/*/*.*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_files_of_models_are_not_mistaken(path):
    head = path.read_bytes()[:HEAD]
    if path.suffix == ".caffemodel":
        assert looks_like(head) is None
    elif path.suffix == ".prototxt":
        assert looks_like(head).name.startswith("a text file")
        assert text_kind(path.read_text()) is None
