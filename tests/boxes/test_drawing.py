import numpy as np
import pytest

from caffelite.boxes.box import Box
from caffelite.boxes.drawing import COLOURS, draw_boxes, name_of

pytest.importorskip("cv2")

GREY = np.full((200, 300, 3), 128, np.uint8)


def coloured(image, label):
    return (image == COLOURS[label]).all(axis=2)


def test_a_box_is_drawn_in_the_colour_of_its_label():
    box = Box(1, 0.5, 100, 50, 200, 150, ((150.0, 100.0),))
    drawn = draw_boxes(GREY, [box])
    found = coloured(drawn, 1)
    assert (
        found[50, 180:200].all() and found[150, 100:200].all() and found[60:150, 100].all() and found[60:150, 200].all()
    )
    assert found[100, 150]
    assert (GREY == 128).all()  # the image itself stays
    rows, columns = np.nonzero((drawn != 128).any(axis=2))
    assert columns.min() >= 98 and rows.max() <= 152


def test_what_is_not_in_the_image_is_cut_off_and_the_words_stay_inside():
    drawn = draw_boxes(GREY, [Box(0, 0.99, 250, -20, 400, 100)], ["a rather long name"])
    assert drawn.shape == GREY.shape
    assert coloured(drawn, 0)[:10].any()


def test_the_best_box_lies_above_the_others():
    boxes = [Box(0, 0.9, 50, 50, 150, 150), Box(1, 0.8, 50, 50, 150, 150)]
    drawn = draw_boxes(GREY, boxes)
    assert coloured(drawn, 0)[150, 60:140].all()


@pytest.mark.parametrize(("label", "name"), [(0, "cat"), (1, "dog"), (2, "2"), (-1, "-1")])
def test_names(label, name):
    assert name_of(label, ["cat", "dog"]) == name
