import numpy as np

from caffelite.pictures.tiles import in_a_grid


def test_tiles_stand_row_by_row_with_blanks_between():
    tiles = np.arange(12.0).reshape(3, 2, 2)
    mosaic = in_a_grid(tiles, columns=2)
    nan = np.nan
    expected = [[0, 1, nan, 4, 5], [2, 3, nan, 6, 7], [nan] * 5, [8, 9, nan, nan, nan], [10, 11, nan, nan, nan]]
    np.testing.assert_array_equal(mosaic.pixels, expected)
    np.testing.assert_array_equal(mosaic.tile(1, 0), tiles[2])
    assert mosaic.middles() == ([0.5, 3.5], [0.5, 3.5])


def test_about_a_square_also_of_wide_tiles():
    assert in_a_grid(np.zeros((20, 5, 5))).pixels.shape == (4 * 6 - 1, 5 * 6 - 1)
    assert in_a_grid(np.zeros((3, 5, 5))).rows == 1
    wide = in_a_grid(np.zeros((16, 2, 8)))
    assert (wide.rows, wide.columns) == (8, 2)


def test_single_pixels_are_a_matrix():
    np.testing.assert_array_equal(in_a_grid(np.arange(6.0).reshape(6, 1, 1), 3).pixels, [[0, 1, 2], [3, 4, 5]])


def test_larger_tiles_get_wider_blanks_and_colours_white_ones():
    mosaic = in_a_grid(np.zeros((2, 30, 30, 3)))
    assert mosaic.pixels.shape == (30, 62, 3)
    assert (mosaic.pixels[:, 30:32] == 1).all()
