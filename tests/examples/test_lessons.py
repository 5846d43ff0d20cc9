import sys

import numpy as np
import pytest
from PIL import Image

from caffelite.examples import lessons


def test_matrices_are_aligned():
    assert lessons.matrix(np.array([[1.0, -2.5], [10, 0]])) == "       1 -2.5\n      10    0"
    assert lessons.matrix(np.array([3.0, 4]), indent=0) == "3 4"


def test_values_that_agree_are_said_to(capsys):
    lessons.agree("sum", {"ours": np.array([1.0, 2]), "theirs": np.array([1.0, 2])})
    lessons.agree("sum", {"ours": np.array([1.0]), "a": np.array([1.001]), "b": np.array([1.0])}, within=0.01)
    assert capsys.readouterr().out == "sum: ours = theirs\nsum: ours = a = b, within 0.01\n"


def test_values_that_differ_stop_the_lesson():
    with pytest.raises(AssertionError, match="sum: theirs is 1 from ours, more than 0.5"):
        lessons.agree("sum", {"ours": np.array([1.0, 2]), "theirs": np.array([1.0, 3])}, within=0.5)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_differs(wrong):
    with pytest.raises(AssertionError, match="theirs"):
        lessons.agree("sum", {"ours": np.array([1.0]), "theirs": np.array([wrong])}, within=1.0)


def test_without_matplotlib_a_line_says_so(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert lessons.picture(3, 2) is None
    assert "pip install 'caffelite[plot]'" in capsys.readouterr().out


def test_a_picture_is_kept_in_the_folder_of_its_lesson(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    figure = lessons.picture(1, 1)
    lessons.keep(figure, "/somewhere/nine/lesson.py", "a.png")
    assert (tmp_path / "lessons" / "nine" / "a.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == "Picture: lessons/nine/a.png\n"


def test_a_kept_picture_shows_rare_colours(monkeypatch, tmp_path):
    """A kernel's largest weight is one cell beside grey images and much white."""
    monkeypatch.chdir(tmp_path)
    figure = lessons.picture(4, 3)
    one, other = figure.subplots(1, 2)
    kernel = np.array([[0.02, 0.3, -0.2], [1.2, 1.99, -0.9], [-0.5, 0.4, -0.07]])
    one.imshow(kernel, cmap="RdBu_r", vmin=-2, vmax=2)
    other.imshow(np.random.default_rng(1).random((40, 40)), cmap="gray")
    figure.savefig("drawn.png")
    lessons.keep(figure, "/somewhere/nine/lesson.py", "a.png")
    drawn, kept = (np.asarray(Image.open(path).convert("RGB"), int) for path in ("drawn.png", "lessons/nine/a.png"))
    assert abs(drawn - kept).max() <= 32


def test_a_question_waits_on_a_terminal_only(capsys, monkeypatch):
    asked = []

    def answer(prompt):
        asked.append(prompt)
        raise EOFError

    monkeypatch.setattr("builtins.input", answer)
    for terminal in (False, True):
        monkeypatch.setattr(sys.stdin, "isatty", lambda terminal=terminal: terminal, raising=False)
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal, raising=False)
        lessons.question("why?")
        assert len(asked) == terminal
    assert capsys.readouterr().out == "\nQuestion: why?\n\n" * 2
