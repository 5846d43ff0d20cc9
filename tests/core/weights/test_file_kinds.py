import pytest

from caffelite.core.weights.file_kinds import looks_like


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"", "an empty file"),
        (b"\x89HDF\r\n\x1a\n....", "an HDF5 file"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"\x1f\x8b\x08\x00", "compressed with gzip"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b'name: "LeNet"\nlayer {\n', "a text file"),
        ('name: "Größe"\n'.encode() * 60, "a text file"),
    ],
)
def test_other_files_are_told_by_their_first_bytes(head, name):
    assert looks_like(head[:512]).startswith(name)


@pytest.mark.parametrize("name", ["LeNet", " " * 32, "\n\n", "a" * 60])
def test_binary_messages_are_not_mistaken(name):
    from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter

    net = NetParameter(name=name, layer=[LayerParameter(name="conv1")])
    assert looks_like(net.SerializeToString()) == ""
