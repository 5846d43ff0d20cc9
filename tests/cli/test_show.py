import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from caffelite import examples
from caffelite.cli import show
from caffelite.pictures import figure

MODEL = Path(__file__).resolve().parents[2] / "models" / "lenet_small"
NET_AND_WEIGHTS = (str(MODEL / "deploy.prototxt"), str(MODEL / "digits.caffemodel"))
SCALE = ("--scale", "0.00390625")


@pytest.fixture
def digit(folder):
    """The values of a digit, which is digit.png in the working directory."""
    images, _ = examples.digits()
    cv2.imwrite(str(folder / "digit.png"), (images[7, 0] * 256).astype(np.uint8))
    return images[7:8]


@pytest.fixture
def saved(monkeypatch):
    """The pictures that commands write, by their paths; they are not drawn."""
    pictures = {}
    monkeypatch.setattr(figure, "save", lambda picture, path: pictures.update({str(path): picture}))
    return pictures


def shown(picture, axes=0):
    return np.ma.filled(picture.axes[axes].images[0].get_array(), np.nan)


def test_the_program_writes_a_picture_and_its_name(program, folder):
    result = program("show", "filters", *NET_AND_WEIGHTS, "--layer", "ip2", "-o", "x.png")
    assert (result.status, result.out, result.err) == (0, "x.png\n", "")
    assert cv2.imread(str(folder / "x.png")).shape[1] > 500


def test_filters_of_the_first_layer_by_default(caffelite, saved):
    assert caffelite("show", "filters", *NET_AND_WEIGHTS).out == "filters.png\n"
    weights = examples.lenet().params["conv1"][0].data
    np.testing.assert_array_equal(shown(saved["filters.png"])[:5, 6:11], weights[1, 0])


def test_activations_of_an_image(caffelite, saved, digit):
    result = caffelite("show", "activations", *NET_AND_WEIGHTS, "--image", "digit.png", *SCALE, "--layer", "conv2")
    assert result.out == "conv2_activations.png\n"
    net = examples.lenet()
    net.forward(data=digit)
    np.testing.assert_allclose(
        shown(saved["conv2_activations.png"])[:8, 9:17], net.blobs["conv2"].data[0, 1], rtol=1e-4, atol=1e-5
    )


def test_gradients_of_the_best_score_add_up_along_the_image(caffelite, saved, digit):
    """Where only the image's brightness changes, the score changes by the sum of gradient times image."""
    caffelite("show", "gradients", *NET_AND_WEIGHTS, "--image", "digit.png", *SCALE, "--layer", "data", "-o", "x.svg")
    net = examples.lenet()
    scores = [net.forward(data=digit * factor, end="ip2")["ip2"][0, 9].copy() for factor in (0.999, 1.001)]
    picture = saved["x.svg"]
    assert picture.axes[0].get_title("left") == "Gradient of ip2[9] in data: 1 channel of 28x28"
    assert (shown(picture) * digit[0, 0]).sum() == pytest.approx((scores[1] - scores[0]) / 0.002, rel=1e-2)


def test_im2col_needs_no_weights(caffelite, saved):
    assert caffelite("show", "im2col", NET_AND_WEIGHTS[0], "--layer", "conv2").out == "conv2_im2col.png\n"
    assert shown(saved["conv2_im2col.png"], 2).max() == 25


def test_trainings_by_their_files(caffelite, saved, folder):
    for name, loss in (("a.log", 1), ("b.log", 2)):
        (folder / name).write_text(f"Iteration 0, loss = {loss}\n")
    (folder / "c").mkdir()
    shutil.copy(folder / "a.log", folder / "c" / "a.log")
    caffelite("show", "training", "a.log", "b.log", "c/a.log")
    labels = {line.get_label(): line.get_ydata()[0] for line in saved["training.png"].axes[0].lines}
    assert labels == {"a.log: train loss": 1, "b: train loss": 2, "c/a.log: train loss": 1}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("filter", *NET_AND_WEIGHTS), 'no picture "filter"; did you mean "filters"?'),
        (("filters", NET_AND_WEIGHTS[0]), "is missing WEIGHTS; write caffelite show filters NET WEIGHTS"),
        (("filters", *NET_AND_WEIGHTS, "c"), 'has no use for "c"; write caffelite show filters NET WEIGHTS'),
        (("training",), "is missing LOG; write caffelite show training LOG..."),
        (("filters", *NET_AND_WEIGHTS, "-o", "x.jpg"), "x.jpg: a picture's name ends in .png, .svg or .pdf"),
        (("filters", *NET_AND_WEIGHTS, "--layer", "pool1"), 'layer "pool1" (Pooling) has no filters'),
        (("activations", *NET_AND_WEIGHTS), 'give --image for its input "data"'),
        (("activations", *NET_AND_WEIGHTS, "--layer", "con1"), 'no blob "con1"; did you mean "conv1"?'),
        (("training", NET_AND_WEIGHTS[0]), 'no line "Iteration N, loss = ..."'),
    ],
)
def test_what_cannot_be_drawn_is_refused(caffelite, words, problem):
    result = caffelite("show", *words)
    assert result.status == 1
    assert problem in result.error


def test_without_matplotlib_the_extra_is_named(caffelite, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    result = caffelite("show", "filters", *NET_AND_WEIGHTS)
    assert result.error.endswith("pictures are drawn by matplotlib: pip install 'caffelite[plot]'")
    assert caffelite("train", "--solver=solver.prototxt", "--chart=x.png").error == result.error


def test_every_kind_stands_in_the_help(caffelite):
    text = caffelite("show", "--help").out
    assert all(f"  show {kind} " in text for kind in show.FILES)


def test_train_draws_a_chart(caffelite, folder, solver_with):
    solver_with(display="2")
    result = caffelite("train", "--solver=solver.prototxt", "--chart", "run.svg")
    assert result.status == 0
    assert (folder / "run.svg").read_text().startswith("<?xml")
    assert sorted(path.name for path in folder.glob("*.svg*")) == ["run.svg"]


def test_train_refuses_a_chart_that_cannot_be_written(caffelite):
    assert "ends in .png, .svg or .pdf" in caffelite("train", "--solver=solver.prototxt", "--chart=x.jpeg").error
