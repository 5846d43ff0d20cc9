import subprocess
import sys

import numpy as np
import pytest

from caffelite.core.errors import UsageError
from caffelite.pictures.figure import Picture, check_path, draw_image, save

BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture
def picture():
    picture = Picture(2, 1)
    draw_image(picture.add_subplot(), np.eye(3))
    return picture


@pytest.mark.parametrize("ending", BEGINNINGS)
def test_written_as_its_ending_says_over_what_was_there(picture, tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    path.write_text("old")
    save(picture, path)
    assert path.read_bytes().startswith(BEGINNINGS[ending])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_notebooks_see_it(picture):
    assert picture._repr_png_().startswith(b"\x89PNG")


def test_pyplot_is_not_touched():
    code = (
        "import sys, caffelite.pictures.blobs, caffelite.pictures.training; print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(("name", "problem"), [("x.jpg", r"ends in .png, .svg or .pdf"), ("a/x.png", "no folder")])
def test_what_cannot_be_written_is_refused(tmp_path, name, problem):
    with pytest.raises(UsageError, match=problem):
        check_path(tmp_path / name)


@pytest.mark.parametrize(
    ("values", "limits"), [([[-1, 3]], (-3, 3)), ([[1, 3]], (1, 3)), ([[2, 2]], (2, 3)), ([[np.nan, 1]], (1, 2))]
)
def test_zero_is_in_the_middle_if_there_are_values_below(values, limits):
    assert draw_image(Picture(1, 1).add_subplot(), np.array(values, float)).get_clim() == limits
