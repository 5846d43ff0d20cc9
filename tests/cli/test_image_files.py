"""Nets on image files, by the program: what is wrong with lists, window files and images, and runs that are resumed."""

import time

import numpy as np
import pytest

from caffelite import TEST, Net

cv2 = pytest.importorskip("cv2")

NET = """layer { name: "images" type: "ImageData" top: "data" top: "label"
  transform_param { crop_size: 5 mirror: true scale: 0.01 }
  image_data_param { source: "list.txt" root_folder: "images/" batch_size: 3 shuffle: true rand_skip: 4
    label_count: 2 } }
layer { name: "windows" type: "WindowData" top: "window" top: "class" transform_param { crop_size: 6 mirror: true }
  window_data_param { source: "windows.txt" root_folder: "images/" batch_size: 4 scale: 0.01 context_pad: 1 } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "ip2" type: "InnerProduct" bottom: "window" top: "ip2"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss1" type: "EuclideanLoss" bottom: "ip1" bottom: "label" top: "loss1" }
layer { name: "loss2" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "class" top: "loss2" }
"""
LIST = "".join(f"{number}.png {number} {-number / 4}\n" for number in range(7))
WINDOWS = """# 0
0.png 3 8 9 2
1 0.9 0 0 4 4
0 0.1 3 3 8 7
# 1
1.png 3 8 9 2
4 0.9 1 1 8 7
0 0 0 0 3 7
"""


@pytest.fixture
def images(folder, solver_with):
    """The working directory with a net on images, its list and its window file."""
    (folder / "images").mkdir()
    for number, pixels in enumerate(np.random.default_rng(1).integers(0, 256, (7, 8, 9, 3), np.uint8)):
        cv2.imwrite(f"images/{number}.png", pixels)
    for name, text in (("net.prototxt", NET), ("list.txt", LIST), ("windows.txt", WINDOWS), ("empty.txt", "")):
        (folder / name).write_text(text)
    cv2.imwrite("images/large.png", np.zeros((30, 40, 3), np.uint8))
    solver_with(snapshot="2", test_iter=None, test_interval=None)
    return folder


CASES = {
    "missing list": (
        "list.txt",
        "none.txt",
        'prototxt:3: layer "images" (ImageData): image_data_param.source is "none',
    ),
    "empty list": ("list.txt", "empty.txt", 'image_data_param.source is "empty.txt"; File is empty'),
    "a folder": ("list.txt", "images", 'image_data_param.source is "images"; it is a folder; a list of lines'),
    "labels": ("label_count: 2", "label_count: 3", 'list.txt:1: the line "0.png 0 0.0" has fewer than 3 labels'),
    "half": (
        "shuffle: true rand_skip: 4\n    label_count: 2",
        "",
        'list.txt:1: Could not load "0.png 0": there is no such file',
    ),
    "no such size": ("label_count: 2", "label_count: 2 new_width: 3", "new_width must be set together"),
    "missing windows": ("windows.txt", "none.txt", 'layer "windows" (WindowData): window_data_param.source is "none.t'),
    "empty windows": ("windows.txt", "empty.txt", "Window file is empty"),
    "no windows": ("windows.txt", "list.txt", 'list.txt:1: an image begins with "#", not with "0.png"'),
    "padding": ("context_pad: 1", "context_pad: 3", "window_data_param.context_pad is 3; use less than half of crop"),
}


@pytest.mark.parametrize(("old", "new", "message"), CASES.values(), ids=CASES)
def test_fields_and_files_that_cannot_be_used(images, caffelite, old, new, message):
    (images / "net.prototxt").write_text(NET.replace(old, new, 1))
    result = caffelite("train", "--solver=solver.prototxt")
    assert result.status == 1
    assert message in result.error and 'layer "' in result.error


FAULTY = {
    "unreadable": ("list.txt", "3.png 3", "text.png 3", 'list.txt:4: Could not load "text.png": its 4 bytes are no im'),
    "absent": ("list.txt", "3.png 3", "none.png 3", 'list.txt:4: Could not load "none.png": there is no such file'),
    "no number": (
        "list.txt",
        "3.png 3",
        "3.png three",
        'list.txt:4: the line "3.png three -0.75" has the label "three"',
    ),
    "in windows": ("windows.txt", "1.png", "none.png", 'windows.txt: image 1, "none.png": Could not open or find file'),
    "class": ("windows.txt", "4 0.9", "0 0.9", "windows.txt:7: foreground of class 0 or less"),
    "number": ("windows.txt", "4 0.9", "cat 0.9", 'windows.txt:7: class index is "cat", which is no whole number'),
}


@pytest.mark.parametrize(("name", "old", "new", "message"), FAULTY.values(), ids=FAULTY)
def test_faults_in_the_files(images, caffelite, name, old, new, message):
    (images / "images" / "text.png").write_text("none")
    (images / name).write_text((images / name).read_text().replace(old, new, 1))
    result = caffelite("train", "--solver=solver.prototxt")
    assert result.status == 1 and message in result.error


def test_images_of_two_sizes(images, program):
    (images / "net.prototxt").write_text(NET.replace("crop_size: 5 mirror", "mirror", 1))
    (images / "list.txt").write_text(LIST + "large.png 1 2\n")
    result = program("train", "--solver=solver.prototxt")
    assert result.status == 1
    assert 'layer "images" (ImageData): record "list.txt:' in result.error
    assert "images of one batch must be equally large" in result.error


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(images, caffelite, solver_with):
    solver_with(snapshot="4", max_iter="10", test_iter=None, test_interval=None, random_seed=None)
    assert caffelite("train", "--solver=solver.prototxt").status == 0
    whole = (images / "tiny_iter_10.caffemodel").read_bytes()
    (images / "tiny_iter_10.caffemodel").unlink()
    result = caffelite("train", "--solver=solver.prototxt", "--snapshot=tiny_iter_4.solverstate")
    assert result.status == 0, result.err
    assert (images / "tiny_iter_10.caffemodel").read_bytes() == whole


@pytest.mark.slow
def test_killed_runs_end_where_an_uninterrupted_one_does(images, started_program, caffelite, solver_with):
    fields = {"snapshot": "3", "max_iter": "100", "test_iter": None, "test_interval": None}
    solver_with(**fields, snapshot_prefix='"killed"')
    for iteration in (6, 33, 60):
        process = started_program("train", "--solver=solver.prototxt", "--snapshot=auto")
        while not any(int(path.stem.split("_")[-1]) >= iteration for path in images.glob("killed_iter_*.solverstate")):
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        process.wait()
    assert caffelite("train", "--solver=solver.prototxt", "--snapshot=auto").status == 0
    solver_with(**fields)
    assert caffelite("train", "--solver=solver.prototxt").status == 0
    whole = (images / "tiny_iter_100.caffemodel").read_bytes()
    assert (images / "killed_iter_100.caffemodel").read_bytes() == whole


@pytest.mark.parametrize("command", [("check",), ("summary",), ("deploy",)])
def test_nets_without_their_files(folder, caffelite, command):
    (folder / "net.prototxt").write_text(NET)
    result = caffelite(*command, "net.prototxt")
    assert result.status == 0, result.err


def test_several_labels_from_list_to_database_to_blob(images, caffelite):
    made = caffelite("convert_imageset", "--label_count=2", "images/", "list.txt", "db")
    assert made.status == 0, made.err
    fields = 'data_param { source: "db" backend: LMDB batch_size: 7 }'
    (images / "net.prototxt").write_text(f'layer {{ name: "d" type: "Data" top: "data" top: "label" {fields} }}')
    assert Net("net.prototxt", TEST).forward()["label"].tolist() == [[k, -k / 4] for k in range(7)]


def test_fields_without_effect_are_told(images, caffelite):
    text = NET.replace("crop_size: 6", "crop_size: 6 scale: 2 force_gray: true")
    text = text.replace("crop_size: 5", "crop_size: 5 force_color: true")
    (images / "net.prototxt").write_text(text + "# data_param")
    result = caffelite("check", "net.prototxt")
    for words in (
        "transform_param.scale has no effect; write window_data_param.scale",
        "transform_param.force_gray has no effect; images are read in colour, always",
        "transform_param.force_color has no effect; images are read as image_data_param.is_color says",
    ):
        assert words in result.out + result.err
