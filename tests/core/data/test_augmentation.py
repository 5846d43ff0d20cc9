import math

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.data.augmentation import Augmentation, Geometry, Values
from caffelite.core.errors import LayerError
from caffelite.proto.caffe_pb2 import AugmentationParameter

RECORDS = 3000
EVERYTHING = """
rotation { degrees: 10 } zoom { min: 0.5 max: 2 } aspect { ratio: 1.5 } brightness { amount: 0.1 }
contrast { amount: 0.2 } saturation { amount: 0.3 } hue { degrees: 20 } noise { std: 4 } cutout { size: 3 count: 2 }
"""


def augmentation(text):
    return Augmentation(text_format.Parse(text, AugmentationParameter()))


def geometries(text):
    made = augmentation(text)
    return [made.geometry(7, record) for record in range(RECORDS)]


def all_values(text):
    made = augmentation(text)
    return [made.values(7, record) for record in range(RECORDS)]


def assert_uniform(numbers, low, high):
    counts, _ = np.histogram(numbers, 6, (low, high))
    assert counts.sum() == len(numbers)
    assert np.abs(counts / len(numbers) - 1 / 6).max() < 0.03


def test_rotation_is_uniform():
    drawn = geometries("rotation { degrees: 30 }")
    assert_uniform(np.degrees([each.angle for each in drawn]), -30, 30)
    assert all(each[1:] == (1, 1) for each in drawn)


def test_zoom_is_uniform_in_its_logarithm():
    drawn = geometries("zoom { min: 0.5 max: 4 }")
    assert_uniform(np.log2([each.width for each in drawn]), -1, 2)
    assert all(each.width == each.height and each.angle == 0 for each in drawn)


def test_aspect_keeps_the_area():
    drawn = geometries("aspect { ratio: 2 }")
    assert_uniform(np.log2([each.width / each.height for each in drawn]), -1, 1)
    np.testing.assert_allclose([each.width * each.height for each in drawn], 1)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_factors_are_uniform(name):
    drawn = all_values(f"{name} {{ amount: 0.4 }}")
    assert_uniform([getattr(each, name) for each in drawn], 0.6, 1.4)
    assert all(each._replace(**{name: 1}) == Values() for each in drawn)


def test_hue_is_uniform():
    assert_uniform(np.degrees([each.hue for each in all_values("hue { degrees: 18 }")]), -18, 18)


def test_noise_has_a_key_of_its_own_for_each_record():
    drawn = all_values("noise { std: 5 }")
    assert {each.noise for each in drawn} == {5}
    assert len({each.noise_key for each in drawn}) == RECORDS


def test_cutout_is_about_any_pixel_and_cut_off_at_the_border():
    made = augmentation("cutout { size: 4 count: 2 }")
    drawn = [square for record in range(RECORDS) for square in made.squares(7, record, 8, 6)]
    assert len(drawn) == 2 * RECORDS
    rows, columns = ({(each.start, each.stop) for each in axis} for axis in zip(*drawn, strict=True))
    assert rows == {(0, 2), (0, 3), (0, 4), (1, 5), (2, 6), (3, 7), (4, 8), (5, 9)}
    assert columns == {(0, 2), (0, 3), (0, 4), (1, 5), (2, 6), (3, 7)}
    shares = np.array([sum(each[0].stop == stop for each in drawn) for stop in range(2, 10)]) / len(drawn)
    assert np.abs(shares - 1 / 8).max() < 0.02


@pytest.mark.parametrize(("probability", "low", "high"), [(0, 0, 0), (0.25, 0.22, 0.28), (1, 1, 1)])
def test_probability(probability, low, high):
    made = augmentation(EVERYTHING.replace("}", f"probability: {probability} }}"))
    geometry, values, squares = (
        np.array([bool(draw(record)) for record in range(RECORDS)])
        for draw in (
            lambda record: made.geometry(7, record) and made.geometry(7, record).angle,
            lambda record: made.values(7, record) and made.values(7, record).noise,
            lambda record: made.squares(7, record, 8, 8),
        )
    )
    for happened in (geometry, values, squares):
        assert low <= happened.mean() <= high
    if probability == 0.25:  # each change has draws of its own
        assert abs((geometry & values).mean() - 1 / 16) < 0.02


def test_one_change_does_not_move_the_draws_of_another():
    alone, together = augmentation("rotation { degrees: 10 }"), augmentation(EVERYTHING)
    for record in range(20):
        assert alone.geometry(7, record).angle == together.geometry(7, record).angle
        assert augmentation(EVERYTHING).values(7, record) == together.values(7, record)
    assert together.values(7, 1) != together.values(8, 1)


def bgr(seed=1, low=60, high=180):
    """An image, (3, 4, 5), whose values no change below carries out of 0..255."""
    return np.random.default_rng(seed).uniform(low, high, (3, 4, 5))


def changed(image, **values):
    image = image.copy()
    Values(**values).apply(image)
    return image


def grey(image):
    blue, green, red = image
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_brightness():
    np.testing.assert_allclose(changed(bgr(), brightness=1.3), 1.3 * bgr(), rtol=1e-12)
    np.testing.assert_allclose(changed(bgr()[:1], brightness=0.3), 0.3 * bgr()[:1], rtol=1e-12)


def test_contrast():
    middle = grey(bgr()).mean()
    np.testing.assert_allclose(changed(bgr(), contrast=1.4), middle + 1.4 * (bgr() - middle), rtol=1e-6)
    np.testing.assert_allclose(changed(bgr(), contrast=0), np.full((3, 4, 5), middle), rtol=1e-6)
    two = bgr()[:2]
    np.testing.assert_allclose(changed(two, contrast=0.5), two.mean() + 0.5 * (two - two.mean()), rtol=1e-12)


def test_saturation():
    np.testing.assert_allclose(changed(bgr(), saturation=1.3), grey(bgr()) + 1.3 * (bgr() - grey(bgr())), rtol=1e-6)
    np.testing.assert_allclose(changed(bgr(), saturation=0), [grey(bgr())] * 3, rtol=1e-6)


def test_hue_turns_the_colour_and_keeps_the_grey():
    """Of YIQ and YUV the planes of colour differ by a reflection: what turns one way in I, Q turns back in U, V."""
    y, (blue, _, red) = grey(bgr()), bgr()
    colour = (0.492 * (blue - y) + 0.877j * (red - y)) * np.exp(-1j * np.radians(25))
    blue, red = y + colour.real / 0.492, y + colour.imag / 0.877
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    turned = changed(bgr(), hue=math.radians(25))
    np.testing.assert_allclose(turned, [blue, green, red], atol=0.3)
    np.testing.assert_allclose(grey(turned), y, rtol=1e-6)
    assert np.abs(turned - bgr()).max() > 20


def test_all_values_one_after_the_other():
    together = changed(bgr(), brightness=1.1, contrast=0.7, saturation=1.2, hue=0.3)
    steps = [{"brightness": 1.1}, {"contrast": 0.7}, {"saturation": 1.2}, {"hue": 0.3}]
    image = bgr()
    for step in steps:
        image = changed(image, **step)
    np.testing.assert_allclose(together, image, rtol=1e-5)


def test_values_are_limited():
    image = np.array([[[0.0, 100, 255]]] * 3)
    assert changed(image, brightness=2).tolist() == [[[0, 200, 255]]] * 3
    noisy = changed(np.full((1, 100, 100), 254.0), noise=10.0, noise_key=5)
    assert noisy.max() == 255
    assert 205 < noisy.min() < 235


def test_geometry_leads_from_the_crop_to_the_image():
    """In a crop of 5 x 5 about the image's x 12, y 22, that is where the middle stays, whatever is done to the rest."""
    middle, offsets = (2, 2), (20, 10)

    def seen(geometry, x, y):
        return (geometry.source_of(middle, *offsets) @ (x, y, 1)).round(9).tolist()

    quarter = Geometry(math.radians(90))
    assert seen(quarter, 2, 2) == [12, 22]
    assert seen(quarter, 2, 0) == [14, 22]  # counter-clockwise: on top is what was on the right
    assert seen(Geometry(0, 2, 2), 4, 2) == [13, 22]  # twice as large: at the border is what was half as far
    assert seen(Geometry(0, 2, 0.5), 3, 3) == [12.5, 24]
    assert seen(Geometry(math.radians(90), 2, 1), 2, 0) == [13, 22]  # first wider, then turned


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rotation { }", "rotation.degrees is not written; use 0 to 180"),
        ("rotation { degrees: -5 }", "rotation.degrees is -5; use 0 to 180"),
        ("rotation { degrees: nan }", "rotation.degrees is nan; use 0 to 180"),
        ("rotation { degrees: 5 probability: 1.5 }", r"rotation.probability is 1.5; use 0 \(never\) to 1"),
        ("cutout { size: 5 probability: -1 }", "cutout.probability is -1; use 0"),
        ("hue { degrees: 200 }", "hue.degrees is 200; use 0 to 180"),
        ("brightness { amount: 1.2 }", "brightness.amount is 1.2; use 0 to 1"),
        ("contrast { amount: 32 }", "contrast.amount is 32; use 0 to 1"),
        ("saturation { }", "saturation.amount is not written; use 0 to 1"),
        ("noise { std: inf }", "noise.std is inf; use 0 to 255"),
        ("zoom { min: 0 }", "zoom.min is 0; use 0.01 to 100"),
        ("zoom { max: 0.5 }", r"zoom.max is 0.5; use zoom.min, 1, to 100"),
        ("zoom { min: 0.5 max: inf }", "zoom.max is inf; use zoom.min, 0.5, to 100"),
        ("aspect { }", "aspect.ratio is not written; use 1 to 100"),
        ("aspect { ratio: 0.75 }", "aspect.ratio is 0.75; use 1 to 100"),
        ("cutout { }", "cutout.size is not written; use 1 or more: the square's side"),
        ("cutout { size: 0 }", "cutout.size is 0; use 1 or more: the square's side"),
        ("cutout { size: 3 count: 0 }", "cutout.count is 0; use 1 or more"),
    ],
)
def test_refuses(text, message):
    with pytest.raises(LayerError, match=r"^transform_param\.augmentation\." + message):
        augmentation(text)


def test_the_ends_of_a_range_that_an_error_names_can_be_used():
    """0.01 in a field is a float32, a little less than 0.01."""
    assert augmentation("zoom { min: 0.01 max: 100 }").geometry(1, 1) is not None
