import numpy as np

from caffelite.examples.scene import grey, scene


def test_the_picture_has_what_filters_look_for():
    picture = scene()
    assert (picture.shape, picture.dtype) == ((160, 200, 3), np.uint8)
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    assert (blue[:40, :130] > red[:40, :130]).all()  # the sky
    assert (red[76:80, 80:100] > blue[76:80, 80:100] + 50).all()  # the roof
    assert abs(np.diff(green[136, 130:])).max() > 80  # posts of the fence
    np.testing.assert_array_equal(scene(), picture)


def test_in_grey():
    whole = grey()
    assert (whole.shape, whole.dtype) == ((160, 200), np.float32)
    assert 0 <= whole.min() < 0.1 and 0.9 < whole.max() <= 1
    np.testing.assert_array_equal(grey(80), whole[70:150, 52:132])
