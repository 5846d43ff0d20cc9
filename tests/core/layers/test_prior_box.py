import numpy as np
import pytest

from caffelite.core.errors import LayerError
from caffelite.testing import blob_of, check_gradient, layer_from, run_forward, set_up


def prior_box(fields):
    return f'type: "PriorBox" prior_box_param {{ {fields} }}'


def zeros(*shape):
    return np.zeros(shape)


def plain(rows, columns, image, mins, maxes, ratios, step, offset, clip):
    """Boxes one after another, ratios being all but 1; `image` and `step` are (height, width)."""
    boxes = []
    for h in range(rows):
        for w in range(columns):
            for index, low in enumerate(mins):
                sides = [(low, low)]
                if maxes:
                    sides.append(((low * maxes[index]) ** 0.5,) * 2)
                sides += [(low * ratio**0.5, low / ratio**0.5) for ratio in ratios]
                for width, height in sides:
                    x, y = (w + offset) * step[1], (h + offset) * step[0]
                    corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
                    boxes += [side / image[1 - axis % 2] for axis, side in enumerate(corners)]
    return np.clip(boxes, 0, 1) if clip else np.array(boxes)


def test_one_square_by_hand(dtype):
    bottom = [blob_of(zeros(1, 1, 1, 2), dtype), blob_of(zeros(1, 3, 10, 20), dtype)]
    top = run_forward(prior_box("min_size: 4"), *bottom)
    # centres (5, 5) and (15, 5) in an image of 20 x 10
    boxes = [3 / 20, 3 / 10, 7 / 20, 7 / 10, 13 / 20, 3 / 10, 17 / 20, 7 / 10]
    np.testing.assert_allclose(top.data, [[boxes, [0.1] * 8]], rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "mins", "maxes", "ratios", "step", "offset", "clip"),
    [
        ("min_size: 30 max_size: 60 aspect_ratio: 2", [30], [60], [2, 0.5], None, 0.5, False),
        ("min_size: 30 aspect_ratio: 2 aspect_ratio: 3 flip: false", [30], [], [2, 3], None, 0.5, False),
        ("min_size: 8 min_size: 60 clip: true step: 16 offset: 0", [8, 60], [], [], (16, 16), 0, True),
        ("min_size: 8 step_h: 7 step_w: 9 aspect_ratio: 1 aspect_ratio: 4", [8], [], [4, 0.25], (7, 9), 0.5, False),
        ("min_size: 8 aspect_ratio: 2 aspect_ratio: 0.5 aspect_ratio: 2", [8], [], [2, 0.5], None, 0.5, False),
    ],
)
def test_equals_the_plain_loops(fields, mins, maxes, ratios, step, offset, clip, dtype):
    bottom = [blob_of(zeros(2, 5, 3, 4), dtype), blob_of(zeros(2, 3, 60, 100), dtype)]
    top = run_forward(prior_box(fields), *bottom)
    wanted = plain(3, 4, (60, 100), mins, maxes, ratios, step or (20, 25), offset, clip)
    np.testing.assert_allclose(top.data[0, 0], wanted, rtol=1e-5, atol=1e-7)
    assert top.shape == (1, 2, len(wanted))


def test_sizes_are_cut_to_whole_pixels():
    given = prior_box("min_size: 30.9 max_size: 60.7 aspect_ratio: 2")
    whole = prior_box("min_size: 30 max_size: 60 aspect_ratio: 2")
    bottom = [zeros(1, 1, 2, 2), zeros(1, 3, 100, 100)]
    np.testing.assert_array_equal(run_forward(given, *bottom).data, run_forward(whole, *bottom).data)


@pytest.mark.parametrize(
    ("fields", "image"), [("img_size: 50", (50, 50)), ("img_h: 40 img_w: 80", (40, 80)), ("", (60, 100))]
)
def test_size_of_the_image(fields, image):
    top = run_forward(prior_box(f"min_size: 8 {fields}"), zeros(1, 1, 2, 5), zeros(1, 3, 60, 100))
    step = (image[0] / 2, image[1] / 5)
    np.testing.assert_allclose(top.data[0, 0], plain(2, 5, image, [8], [], [], step, 0.5, False), rtol=1e-12)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [("", [0.1] * 4), ("variance: 0.25", [0.25] * 4), ("variance: [0.5, 0.25, 2, 4]", [0.5, 0.25, 2, 4])],
)
def test_variances(fields, wanted):
    top = run_forward(prior_box(f"min_size: 8 aspect_ratio: 2 {fields}"), zeros(1, 1, 2, 2), zeros(1, 3, 9, 9))
    np.testing.assert_allclose(top.data[0, 1].reshape(-1, 4), [wanted] * 12)


def test_takes_maps_and_images_of_another_size():
    layer = layer_from(prior_box("min_size: 8 max_size: 20"))
    bottom = [blob_of(zeros(1, 1, 2, 3)), blob_of(zeros(1, 3, 30, 30))]
    top = set_up(layer, bottom)
    assert top[0].shape == (1, 2, 2 * 3 * 2 * 4)
    bottom[0].reshape(1, 1, 4, 2)
    bottom[1].reshape(1, 3, 80, 20)
    layer.reshape(bottom, top)
    layer.forward(bottom, top)
    wanted = plain(4, 2, (80, 20), [8], [20], [], (20, 10), 0.5, False)
    np.testing.assert_allclose(top[0].data[0, 0], wanted, rtol=1e-12)


def test_no_pixels_give_no_boxes():
    assert run_forward(prior_box("min_size: 8"), zeros(1, 1, 0, 3), zeros(1, 3, 30, 30)).shape == (1, 2, 0)


def test_what_was_written_into_the_top_is_gone_after_the_next_pass():
    layer, bottom = layer_from(prior_box("min_size: 8")), [blob_of(zeros(1, 1, 2, 2)), blob_of(zeros(1, 3, 9, 9))]
    top = set_up(layer, bottom)
    layer.forward(bottom, top)
    before = top[0].data.copy()
    top[0].data[...] = 7
    layer.forward(bottom, top)
    np.testing.assert_array_equal(top[0].data, before)


def test_gradient_is_zero():
    check_gradient(prior_box("min_size: 8"), [np.ones((1, 2, 2, 2)), np.ones((1, 3, 4, 4))])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", r"prior_box_param\.min_size is not given; give the side"),
        ("min_size: 0", r"prior_box_param\.min_size is 0; it must be above 0"),
        ("min_size: 9 max_size: 9", r"prior_box_param\.max_size is 9; it must be above its min_size, 9"),
        ("min_size: 9 min_size: 12 max_size: 20", r"max_size is given 1 times; give one for each of the 2 min_size"),
        ("min_size: 9 aspect_ratio: -1", r"aspect_ratio is -1; it must be above 0"),
        ("min_size: 9 variance: [1, 2]", r"variance is given 2 times; give 1 or 4"),
        ("min_size: 9 variance: 0", r"variance is 0; it must be above 0"),
        ("min_size: 9 step: 8 step_h: 8", r"prior_box_param\.step is given; use either that or step_h and step_w"),
        ("min_size: 9 step: 0", r"prior_box_param\.step is 0; it must be above 0"),
        ("min_size: 9 step_h: 8", r"prior_box_param\.step_w is not given; give it beside step_h, or step for both"),
        ("min_size: 9 img_size: 8 img_w: 8", r"prior_box_param\.img_size is given; use either that or img_h and img_w"),
        ("min_size: 9 img_h: 8", r"prior_box_param\.img_w is not given"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(LayerError, match=message):
        run_forward(prior_box(fields), zeros(1, 1, 2, 2), zeros(1, 3, 9, 9))


def test_refuses_a_bottom_without_height_and_width():
    with pytest.raises(LayerError, match=r"bottom\[1\] is 4 4 \(16\); it needs axes N, C, height and width"):
        run_forward(prior_box("min_size: 9"), zeros(1, 1, 2, 2), zeros(4, 4))


def test_sizes_with_fractions_are_cut_unless_told_not_to(dtype):
    bottom = [blob_of(zeros(1, 1, 2, 2), dtype), blob_of(zeros(1, 3, 10, 20), dtype)]
    fields = "min_size: 4.8 max_size: 7.9 aspect_ratio: 2"
    for given, mins, maxes in (("", [4], [7]), ("whole_sizes: false", [4.8], [7.9])):
        top = run_forward(prior_box(f"{fields} {given}"), *bottom)
        wanted = plain(2, 2, (10, 20), mins, maxes, [2, 0.5], (5, 10), 0.5, False)
        np.testing.assert_allclose(top.data[0, 0], wanted, rtol=1e-6, atol=1e-7)
