"""Nets of models/ as ONNX files and back: the same answers, or a refusal by name."""

from pathlib import Path

import numpy as np
import pytest

import caffelite
from caffelite.onnx_export.file import export_file
from caffelite.onnx_import.of_file import OnnxError, from_onnx
from caffelite.onnx_import.writing import write_both

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "autoencoder",
    "cifar10_full",
    "cifar10_quick",
    "lenet_small",
    "mtcnn/det1",
    "mtcnn/det2",
    "mtcnn/det3",
    "siamese",
)
LARGE = ("densenet121", "googlenet", "mobilenet_v1", "mobilenet_v2", "resnet18", "resnet50", "squeezenet_v1.1")
REFUSED = {"mobilenet_ssd": "TopK", "yolov3_tiny": "Greater"}


def file_of(name):
    return ROOT / "models" / (f"{name}.prototxt" if "/" in name else f"{name}/deploy.prototxt")


def exported(name, folder):
    """The net with weights that keep values in sight, and its ONNX file."""
    net = caffelite.Net(file_of(name), caffelite.TEST)
    rng = np.random.default_rng(1)
    for layer in net.layers:
        for blob in layer.blobs:
            if layer.type in ("BatchNorm", "Scale", "PReLU"):
                blob.data[...] = rng.uniform(0.5, 1, blob.shape)
            elif len(blob.shape) > 1:
                blob.data[...] = rng.normal(0, (2 / np.prod(blob.shape[1:])) ** 0.5, blob.shape)
            else:
                blob.data[...] = rng.normal(0, 0.1, blob.shape)
    net.save(folder / "net.caffemodel")
    export_file(file_of(name), folder / "net.caffemodel", folder / "net.onnx")
    return net, folder / "net.onnx"


@pytest.mark.parametrize("dialect", ["caffelite", "bvlc"])
@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_gives_the_same_answers(name, dialect, tmp_path):
    net, path = exported(name, tmp_path)
    for blob in net.inputs:
        net.blobs[blob].reshape(2, *net.blobs[blob].shape[1:])
    net.reshape()
    imported = from_onnx(path, dialect, {blob: net.blobs[blob].shape for blob in net.inputs})
    files = write_both(imported, tmp_path / "again")
    again = caffelite.Net(str(files[0]), caffelite.TEST, weights=str(files[1]))
    values = {blob: np.random.default_rng(2).normal(size=net.blobs[blob].shape) for blob in net.inputs}
    for blob, array in values.items():
        again.blobs[blob].data[...] = array
    again.forward()
    for blob, wanted in net.forward(**values).items():
        found = again.blobs[blob].data.reshape(wanted.shape)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * max(1, np.abs(wanted).max()), err_msg=blob)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named(name, tmp_path):
    _, path = exported(name, tmp_path)
    with pytest.raises(OnnxError, match=rf'node ".*" \({REFUSED[name]}\)'):
        from_onnx(path)


def test_all_nodes_without_a_layer_are_named_at_once(model_file):
    nodes = [
        ("Erf", ["x"], ["a"], {}),
        ("Sin", ["x"], ["b"], {}),
        ("Relu", ["a"], ["c"], {}),
        ("Add", ["c", "b"], ["y"], {}),
    ]
    with pytest.raises(OnnxError) as caught:
        from_onnx(model_file(nodes, [1, 3]))
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "(Erf): there is no layer for this operator" in lines[0] and "(Sin)" in lines[1]


@pytest.mark.parametrize("dialect", ["caffelite", "bvlc"])
@pytest.mark.parametrize("fields", ["axis: 1", "axis: 1 out_max_val: true", ""])
def test_an_arg_max_comes_back(fields, dialect, tmp_path):
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 5 dim: 3 } } }\n'
        f'layer {{ name: "y" type: "ArgMax" bottom: "x" top: "y" argmax_param {{ {fields} }} }}'
    )
    export_file(tmp_path / "net.prototxt", None, tmp_path / "net.onnx")
    types = [layer.type for layer in from_onnx(tmp_path / "net.onnx", dialect, {"x": (2, 5, 3)}).net.layer]
    assert {"Reverse", "Concat", "Power"}.isdisjoint(types)
