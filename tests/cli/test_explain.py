import base64
import json
import re
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from caffelite import examples
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net

MODEL = Path(__file__).resolve().parents[2] / "models" / "lenet_small"
NET, WEIGHTS = str(MODEL / "deploy.prototxt"), str(MODEL / "digits.caffemodel")
IMAGE = ("--image", "digit.png", "--scale", "0.00390625")
HTML = ("--html", "out.html")


@pytest.fixture
def digit(folder):
    images, _ = examples.digits()
    cv2.imwrite("digit.png", (images[7, 0] * 256).astype(np.uint8))
    return images[7:8]


def test_the_program_writes_a_page(program, folder, digit):
    result = program("explain", NET, WEIGHTS, *IMAGE, *HTML)
    assert (result.status, result.err) == (0, "")
    size = (folder / "out.html").stat().st_size
    assert result.out == f"out.html ({size / 1e6:.1f} MB)\n"
    assert 100_000 < size < 10_000_000


def test_it_says_in_which_phase_the_net_runs(caffelite, folder, digit):
    caffelite("explain", NET, WEIGHTS, *IMAGE, *HTML)
    assert f"{NET} in phase TEST with {WEIGHTS} on digit.png</p>" in (folder / "out.html").read_text()


def test_a_net_without_data_in_phase_test_is_refused_naming_the_phase(caffelite, folder):
    (folder / "net.prototxt").write_text(
        'layer { name: "d" type: "DummyData" top: "x" include { phase: TRAIN }\n'
        "dummy_data_param { shape { dim: 1 } } }\n"
        'layer { name: "r" type: "ReLU" bottom: "x" top: "y" }\n'
    )
    assert caffelite("explain", "net.prototxt", WEIGHTS, *HTML).error == (
        "caffelite: error: net.prototxt:3: Unknown bottom blob 'x' (layer 'r', bottom index 0); layer \"d\" "
        "(net.prototxt:1) makes it, but its rules leave it out of this net, "
        "whose state is phase TEST, level 0, no stages"
    )


HDF5_NET = """name: "rows"
layer { name: "rows" type: "HDF5Data" top: "x" top: "label" hdf5_data_param { source: "rows.txt" batch_size: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 2
  weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "ip" top: "ip" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def test_a_net_that_reads_hdf5_files_needs_no_image(caffelite, folder):
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    with h5py.File("rows.h5", "w") as file:
        file["x"], file["label"] = rows, np.array([0, 1, 0])
    (folder / "rows.txt").write_text("rows.h5\n")
    (folder / "net.prototxt").write_text(HDF5_NET)
    Net("net.prototxt", TEST).save("net.caffemodel")
    assert caffelite("explain", "net.prototxt", "net.caffemodel", *HTML).status == 0
    content = content_of_page(folder / "out.html")
    stored = {version["name"]: values_of(content, version) for version in content["versions"]}
    np.testing.assert_array_equal(stored["x"], rows[:2].ravel())
    np.testing.assert_array_equal(stored["label"], [0, 1])
    np.testing.assert_array_equal(stored["ip (drop)"], stored["ip"])  # Dropout in phase TEST


def content_of_page(path):
    return json.loads(re.findall(r'id="content">(.*?)</script>', path.read_text(), re.DOTALL)[0])


def values_of(content, version):
    return np.frombuffer(base64.b64decode(content["arrays"][version["data"]]), "<f4")


def test_it_holds_what_the_net_computes(caffelite, folder, digit):
    caffelite("explain", NET, WEIGHTS, *IMAGE, *HTML)
    content = content_of_page(folder / "out.html")
    version = next(version for version in content["versions"] if version["name"] == "pool1")
    stored = values_of(content, version)
    net = examples.lenet()
    net.forward(data=digit)
    np.testing.assert_allclose(stored, net.blobs["pool1"].data.reshape(-1), rtol=1e-4, atol=1e-5)
    assert content["differentiated"] == "ip2[9]"
    assert [layer["name"] for layer in content["layers"]][4:7] == ["pool2", "ip1", "relu1"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((NET, WEIGHTS, *IMAGE), "give --html=FILE"),
        ((NET, WEIGHTS, *IMAGE, "--html", "out.pdf"), "out.pdf: a page's name ends in .html"),
        ((NET, WEIGHTS, *IMAGE, "--html", "made.html"), "--html: made.html is a folder; give the name of a file"),
        ((NET, WEIGHTS, *IMAGE, "--html", f"{300 * 'x'}/a.html"), "x/a.html: it cannot be looked at"),
        ((NET, WEIGHTS, *IMAGE, "--html", "no/out.html"), "there is no folder no; make it first"),
        ((NET, *HTML), "explain is missing WEIGHTS; write caffelite explain NET WEIGHTS"),
        ((NET, WEIGHTS, *HTML), 'give --image for its input "data"'),
        ((NET, WEIGHTS, "--image", "lost.png", *HTML), "lost.png"),
        ((NET, "lost.caffemodel", *IMAGE, *HTML), "lost.caffemodel"),
        (("lost.prototxt", WEIGHTS, *IMAGE, *HTML), "lost.prototxt"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(caffelite, folder, digit, words, problem):
    (folder / "made.html").mkdir()
    result = caffelite("explain", *words)
    assert result.status == 1
    assert problem in result.error
    assert not (folder / "out.html").exists()


def test_the_help_has_an_example(caffelite):
    assert "caffelite explain models/lenet_small/deploy.prototxt" in caffelite("explain", "--help").out


def test_steps_are_counted_once_the_net_ran(caffelite, folder, digit, monkeypatch):
    """A bar at 0 of 0 would hide, for the seconds that a large net takes, the line that says what is at work."""
    from contextlib import contextmanager

    from caffelite.cli import explain
    from caffelite.pycaffe import Net

    happened = []

    @contextmanager
    def counting(unit):
        happened.append("counting")
        yield lambda done, all: happened.append(all)

    forward = Net.forward_pass
    monkeypatch.setattr(explain, "counting", counting)
    monkeypatch.setattr(Net, "forward_pass", lambda net: (happened.append("forward"), forward(net)))
    assert caffelite("explain", NET, WEIGHTS, *IMAGE, *HTML).status == 0
    assert happened[:2] == ["forward", "counting"]
    assert all(number > 0 for number in happened[2:])
