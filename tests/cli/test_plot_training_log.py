import re
import shutil

import cv2
import pytest


@pytest.fixture
def logs(folder, golden_folder):
    """A log of Caffe's in the working directory, a.log, with times in place of those left out of it; again as b.log."""
    lines = (golden_folder / "cli" / "train.log").read_text().splitlines(keepends=True)
    for name in ("a.log", "b.log"):
        stamps = (f"1128 10:{number // 60:02}:{number % 60:02}.000000 1" for number in range(len(lines)))
        text = "".join(line.replace("MMDD HH:MM:SS.UUUUUU TID", next(stamps)) for line in lines)
        (folder / name).write_text(text)
    shutil.copy(golden_folder / "cli" / "train.log", folder / "timeless.log")


def words_in(path):
    """The texts of an SVG, which stand in comments."""
    return re.findall("<!-- (.*?) -->", path.read_text())


def test_several_runs_in_one_picture(logs, folder, program):
    result = program("plot_training_log", "a.log", "b.log", "--out=both.svg")
    assert (result.status, result.out, result.err) == (0, "both.svg\n", "")
    assert {"loss", "learning rate", "iteration", "a: train loss", "b: test loss"} <= set(words_in(folder / "both.svg"))


def test_png_and_the_usual_name(logs, folder, caffelite):
    assert caffelite("plot_training_log", "a.log").out == "training.png\n"
    assert cv2.imread(str(folder / "training.png")).shape[1] == 900


@pytest.mark.parametrize(
    ("words", "panel", "axis"),
    [
        (["2", "x.svg", "a.log"], "test loss", "iteration"),
        (["5", "x.svg", "a.log", "b.log"], "learning rate", "seconds"),
        (["a.log", "--out=x.svg", "--type=6"], "train loss", "iteration"),
        (["a.log", "--out=x.svg", "--type=7"], "train loss", "seconds"),
        (["a.log", "--out=x.svg", "--type=6", "--seconds"], "train loss", "seconds"),
    ],
)
def test_charts_of_caffe(logs, folder, caffelite, words, panel, axis):
    assert caffelite("plot_training_log", *words).status == 0
    words = set(words_in(folder / "x.svg"))
    assert {panel, axis} <= words and not {"loss", "accuracy"} & words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "plot_training_log is missing LOG"),
        (["nowhere.log"], "File not found: nowhere.log"),
        (["net.prototxt"], 'no line "Iteration N, loss = ..."'),
        (["a.log", "--out=x.gif"], "x.gif: a picture's name ends in .png, .svg or .pdf"),
        (["timeless.log", "--seconds"], "the log timeless has no times"),
        (["a.log", "--type=8"], "illegal value '8' specified for string flag 'type'"),
        (["8", "x.png", "a.log"], "no chart of type 8; the types are 0 test accuracy, 1 test accuracy / seconds, 2"),
        (["6", "x.png"], "no log is given"),
        (["6", "x.bmp", "a.log"], "x.bmp: a picture's name ends in .png, .svg or .pdf"),
        (["6", "x.png", "a.log", "--out=y.png"], "6 x.png are the type and the picture already"),
    ],
)
def test_what_is_refused(logs, caffelite, words, message):
    result = caffelite("plot_training_log", *words)
    assert result.status == 1 and message in result.error
