import numpy as np

from caffelite.boxes.box import best

WINDOWS = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [5, 5, 15, 15], [2, 2, 4, 4], [20, 20, 30, 30]], float)
SCORES = np.array([0.5, 0.9, 0.8, 0.7, 0.6])


def test_windows_that_a_better_one_covers_go():
    assert best(WINDOWS, SCORES, 0.5).tolist() == [1, 2, 3, 4]  # 90 of 100; 20 of 170; 4 of 90


def test_of_the_smaller_one():
    assert best(WINDOWS, SCORES, 0.5, of_smaller=True).tolist() == [1, 2, 4]  # all 4 of 4


def test_what_overlaps_as_much_as_is_allowed_stays():
    halves = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], float)
    assert best(halves, np.array([1.0, 0.5]), 0.5).tolist() == [0, 1]


def test_of_equal_scores_the_first_is_the_better_one():
    assert best(WINDOWS[:2], np.array([0.5, 0.5]), 0.5).tolist() == [0]


def test_no_windows():
    assert best(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []
