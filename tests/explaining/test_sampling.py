import numpy as np
import pytest

from caffelite.explaining.sampling import (
    Part,
    by_weight,
    fair_share,
    lines_that_fit,
    part_of,
    places_by_weight,
)


@pytest.mark.parametrize(
    ("counts", "total", "share"), [([10, 100, 100], 110, 50), ([10, 20], 100, 20), ([], 5, 0), ([8, 8, 8], 12, 4)]
)
def test_small_arrays_leave_room_to_large_ones(counts, total, share):
    assert fair_share(counts, total) == share
    assert sum(min(count, share) for count in counts) <= total


@pytest.mark.parametrize(
    ("shape", "most", "part"),
    [
        ((2, 3, 4, 4), 96, Part(2)),
        ((2, 3, 4, 4), 95, Part(1)),
        ((1, 3, 8, 8), 48, Part(1, (2, 2, 4, 4))),
        ((1, 3, 8, 8), 2, None),
        ((1, 3, 2, 300), 30, Part(1, (0, 145, 1, 10))),
        ((5, 7), 20, Part(2)),
        ((1, 50), 20, None),
        ((), 5, Part(1)),
    ],
)
def test_items_go_before_pixels(shape, most, part):
    assert part_of(shape, most) == part


def test_a_part_of_an_array():
    values = np.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
    np.testing.assert_array_equal(Part(1, (2, 3, 4, 2)).of(values), values[:1, :, 2:6, 3:5])


def test_channels_count_by_value_times_gradient():
    data = np.array([[[1, -9], [2, 2], [0, 3]]], float)
    diff = np.array([[[5, 0], [-1, 2], [9, 9]]], float)  # 5, 6, 27
    assert by_weight(data, diff).tolist() == [2, 1, 0]
    assert by_weight(data, 0 * diff).tolist() == [0, 1, 2]  # 10, 4, 3
    assert places_by_weight(data, diff).tolist() == [5, 0, 3, 2, 1, 4]


def test_rows_and_columns_share_the_room():
    assert lines_that_fit((4, 6, 3, 3), 216) == (2, 3)  # rows of 54, columns of 36
