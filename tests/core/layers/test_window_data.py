"""WindowData against hand-made windows, a slow reference of its own, and its own state."""

from pathlib import Path

import numpy as np
import pytest

from caffelite.core.errors import DataError, LayerError
from caffelite.proto.caffe_pb2 import TEST, TRAIN, BlobProto
from caffelite.testing import set_up

cv2 = pytest.importorskip("cv2")

WINDOWS = """# 0
noise.png 3 40 50 4
7 0.9 10 12 29 30
0 0.1 0 0 49 39
4 0.6 0 0 9 19
0 0.2 30 5 49 14
# 1
nine.png 3 40 50 1
0 0 40 30 49 39
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with two images and a window file."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    cv2.imwrite("noise.png", noise)
    cv2.imwrite("nine.png", np.full((40, 50, 3), 9, np.uint8))
    (tmp_path / "windows.txt").write_text(WINDOWS)
    return tmp_path


@pytest.fixture
def window_data(data_layers):
    """WindowData layers on the file "windows.txt"."""

    def text_of(fields="", transform="crop_size: 10", prefetch=4):
        source = "" if "source:" in fields else 'source: "windows.txt"'
        batch_size = "" if "batch_size:" in fields else "batch_size: 8"
        return (
            f'name: "data" type: "WindowData" transform_param {{ {transform} }} data_param {{ prefetch: {prefetch} }}'
            f" window_data_param {{ {source} {batch_size} {fields} }}"
        )

    return data_layers(text_of)


def one_window(window, name="nine.png"):
    """A file whose only foreground window this is; background is never asked for by fg_fraction: 1."""
    Path("windows.txt").write_text(f"# 0 {name} 3 40 50 2\n1 1 {window}\n0 0 0 0 1 1\n")
    return "fg_fraction: 1 batch_size: 1"


def test_a_window_is_resized_to_the_crop(window_data, folder):
    fields = one_window("10 12 29 30", "noise.png")
    ((pixels, labels),) = window_data.run(window_data(fields, "crop_size: 15"), 1)
    expected = cv2.resize(cv2.imread("noise.png")[12:31, 10:30], (15, 15)).transpose(2, 0, 1)
    np.testing.assert_array_equal(pixels, expected[np.newaxis])
    assert labels.tolist() == [1]


@pytest.mark.parametrize("mirror", [False, True])
def test_what_lies_outside_of_the_image_is_nothing(window_data, mirror):
    """Case 60 of the specification: (9 - 4) * 2 in the 18 x 18 pixels at (2, 2), or at (2, 0) if mirrored."""
    fields = one_window("0 0 9 19") + " context_pad: 2 scale: 2"
    layer = window_data(fields, f"crop_size: 20 mean_value: 4 mirror: {str(mirror).lower()}")
    expected = np.zeros((2, 3, 20, 20), np.float32)
    expected[0, :, 2:, 2:] = expected[1, :, 2:, :18] = 10
    found = [pixels[0] for pixels, _ in window_data.run(layer, 20 if mirror else 1)]
    for pixels in found:
        assert any(np.array_equal(pixels, image) for image in expected[: 1 + mirror])
    if mirror:
        assert not np.array_equal(found[0], found[[np.array_equal(x, found[0]) for x in found].index(False)])


def reference(image, window, size, pad, square, mirrored, mean, offset, scale):
    """The crop by Caffe's rules, in double precision and pixel by pixel where it can be."""
    half = lambda v: int(np.floor(abs(v) + 0.5)) * (1 if v >= 0 else -1)  # noqa: E731
    x1, y1, x2, y2 = window
    context = size / (size - 2 * pad)
    hw, hh = (x2 - x1 + 1) / 2, (y2 - y1 + 1) / 2
    cx, cy = x1 + hw, y1 + hh
    if square:
        hw = hh = max(hw, hh)
    x1, x2, y1, y2 = half(cx - hw * context), half(cx + hw * context), half(cy - hh * context), half(cy + hh * context)
    sx, sy = size / (x2 - x1 + 1), size / (y2 - y1 + 1)
    inside = image[max(y1, 0) : y2 + 1, max(x1, 0) : x2 + 1]
    outside_right = max(0, x2 + 1 - image.shape[1])
    left, top = half((outside_right if mirrored else max(0, -x1)) * sx), half(max(0, -y1) * sy)
    width = min(half(inside.shape[1] * sx), size - left)
    height = min(half(inside.shape[0] * sy), size - top)
    resized = cv2.resize(inside, (width, height))
    if mirrored:
        resized = resized[:, ::-1]
    out = np.zeros((3, size, size))
    for row in range(height):
        for column in range(width):
            for channel in range(3):
                place = (channel, row + top, column + left)
                value = float(resized[row, column, channel])
                out[place] = (value - mean[channel, row + top + offset, column + left + offset]) * scale
    return out


@pytest.mark.parametrize(("pad", "mode"), [(3, "warp"), (0, "square"), (5, "square")])
@pytest.mark.parametrize("window", ["10 12 29 30", "0 0 9 19", "30 5 49 14", "1 25 48 39"])
def test_crops_with_context_and_a_mean_image(window_data, folder, pad, mode, window):
    rng = np.random.default_rng(2)
    mean = rng.uniform(0, 255, (3, 26, 24)).astype(np.float32)
    proto = BlobProto(num=1, channels=3, height=26, width=24, data=mean.ravel())
    (folder / "mean.binaryproto").write_bytes(proto.SerializeToString())
    fields = one_window(window, "noise.png") + f' context_pad: {pad} crop_mode: "{mode}" scale: 0.5'
    layer = window_data(fields, 'crop_size: 21 mirror: true mean_file: "mean.binaryproto"')
    image = cv2.imread("noise.png")
    both = [
        reference(image, tuple(map(int, window.split())), 21, pad, mode == "square", mirrored, mean, 1, 0.5)
        for mirrored in (False, True)
    ]
    counts = [0, 0]
    for pixels, _ in window_data.run(layer, 12):
        errors = [np.abs(pixels[0] - expected).max() for expected in both]
        assert min(errors) < 1e-4
        counts[int(np.argmin(errors))] += 1
    assert min(counts) > 0


def test_the_last_items_of_a_batch_are_foreground(window_data):
    """Case 57 of the specification: the number of foreground windows is rounded down."""
    for size, fraction, num_fg in ((128, 0.25, 32), (10, 0.25, 2), (5, 0.5, 2), (4, 0.3, 1), (4, 0, 0), (4, 1, 4)):
        ((_, labels),) = window_data.run(window_data(f"batch_size: {size} fg_fraction: {fraction}"), 1)
        assert (labels > 0).tolist() == [False] * (size - num_fg) + [True] * num_fg


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_windows_are_drawn_evenly(window_data, phase):
    labels = np.concatenate(
        [labels for _, labels in window_data.run(window_data("batch_size: 500 fg_fraction: 1", phase=phase), 2)]
    )
    assert set(labels) == {4, 7} and abs(np.sum(labels == 4) - 500) < 4 * np.sqrt(250)


def test_draws_are_those_of_seed_and_position(window_data):
    first = window_data.run(window_data(transform="crop_size: 10 mirror: true"), 6)
    again = window_data.run(window_data(transform="crop_size: 10 mirror: true", prefetch=1), 6)
    np.testing.assert_equal(again, first)
    other = window_data.run(window_data(transform="crop_size: 10 mirror: true", seed=1), 6)
    assert not all(np.array_equal(a[0], b[0]) for a, b in zip(first, other, strict=True))
    assert not np.array_equal(first[0][0], first[1][0])


@pytest.mark.parametrize("passed", [0, 1, 3])
@pytest.mark.parametrize("cache", ["", "cache_images: true"])
def test_a_resumed_run_reads_on(window_data, passed, cache):
    fields = {"fields": f"context_pad: 2 {cache}", "transform": "crop_size: 12 mirror: true"}
    whole = window_data.run(window_data(**fields), 6)
    stopped = window_data(**fields)
    window_data.run(stopped, passed)
    assert stopped.get_state() == {"position": 8 * passed}
    resumed = window_data(**fields)
    top = set_up(resumed, [], 2)
    resumed.forward([], top)
    resumed.set_state(stopped.get_state())
    for expected in whole[passed:]:
        np.testing.assert_equal(window_data.forward(resumed, top), expected)


def test_cached_images_need_no_files_later(window_data, folder):
    ((pixels, labels),) = window_data.run(window_data(), 1)
    layer = window_data("cache_images: true")
    top = set_up(layer, [], 2)
    (folder / "noise.png").unlink()
    (folder / "nine.png").unlink()
    layer.forward([], top)
    np.testing.assert_array_equal(top[0].data, pixels)
    np.testing.assert_array_equal(top[1].data, labels)


def test_a_root_folder(window_data, folder):
    wanted = window_data.run(window_data(), 2)
    (folder / "images").mkdir()
    for name in ("noise.png", "nine.png"):
        (folder / name).rename(folder / "images" / name)
    np.testing.assert_equal(window_data.run(window_data('root_folder: "images/"'), 2), wanted)


def test_the_log(window_data, caplog):
    caplog.set_level("INFO")
    set_up(window_data(), [], 2)
    assert caplog.messages == [
        "Number of images: 2",
        "Number of foreground windows: 2",
        "Number of background windows: 3",
        "output data size: 8,3,10,10",
    ]


@pytest.mark.parametrize(
    ("fields", "transform", "message"),
    [
        ("", "crop_size: 0", r"transform_param.crop_size is 0; use the size of the windows"),
        ("", "crop_size: 10 mean_value: 1 mean_value: 2", r"mean_value is \[1.0, 2.0\]; Specify .* channels: 3"),
        ("", 'crop_size: 10 mean_value: 1 mean_file: "m"', r"Cannot specify mean_file and mean_value"),
        ("", 'crop_size: 10 mean_file: "m"', r'mean_file is "m"; there is no such file'),
        ("", 'crop_size: 10 mean_file: "narrow"', r"mean_file is an image of 3 30 9 .*; windows need 3 channels"),
        (
            "",
            'crop_size: 10 mean_file: "low"',
            r"mean_file is an image of 3 20 40 .*; windows need .* pixels at 15 in both",
        ),
        ("context_pad: 5", "crop_size: 10", r"context_pad is 5; use less than half of crop_size, which is 10"),
        ('crop_mode: "sqare"', "crop_size: 10", r'crop_mode is "sqare"; use warp or square; did you mean "square"'),
        ("batch_size: 0", "crop_size: 10", r"batch_size is 0; use 1 or more"),
        ("scale: nan", "crop_size: 10", r"window_data_param.scale is nan; images would become nan"),
        ("", "crop_size: 10 mean_value: inf", r"transform_param.mean_value is inf; images would become nan"),
        (
            "",
            "crop_size: 10 augmentation { rotation { degrees: 3 } }",
            r"^transform_param.augmentation is set; WindowData layers crop their images by themselves; remove it$",
        ),
        ("fg_fraction: 1.5", "crop_size: 10", r"fg_fraction is 1.5; use a share between 0 and 1"),
        ("fg_fraction: -0.5", "crop_size: 10", r"fg_fraction is -0.5; use a share"),
        ('source: "none"', "crop_size: 10", r'source is "none"; there is no such file .*; a window file is expected'),
        ('source: "."', "crop_size: 10", r'source is "."; it is a folder'),
        ('source: "empty"', "crop_size: 10", r'source is "empty"; Window file is empty'),
        ("fg_threshold: 1", "crop_size: 10", r"it has no foreground windows: none overlap .* fg_threshold \(1\)"),
        ("bg_threshold: -1", "crop_size: 10", r"it has no background windows: none overlap .* bg_threshold \(-1\)"),
    ],
)
def test_refuses(window_data, folder, fields, transform, message):
    (folder / "empty").touch()
    for name, height, width in (("narrow", 30, 9), ("low", 20, 40)):
        mean = BlobProto(num=1, channels=3, height=height, width=width, data=np.zeros(3 * height * width))
        (folder / name).write_bytes(mean.SerializeToString())
    with pytest.raises(LayerError, match=message):
        set_up(window_data(fields, transform), [], 2)


def test_refuses_images_that_are_not_in_colour(window_data, folder):
    (folder / "windows.txt").write_text(WINDOWS.replace("nine.png 3", "nine.png 1"))
    with pytest.raises(LayerError, match="its last image has 1 channels: images are read in colour, write 3"):
        set_up(window_data(), [], 2)


@pytest.mark.parametrize(
    ("window", "name", "message"),
    [
        (
            "0 0 9 9",
            "none.png",
            r'windows.txt: image 0, "none.png": Could not open or find file: there is no such file',
        ),
        ("0 0 9 9", "windows.txt", r'image 0, "windows.txt": Could not open or find file: its \d+ bytes are no image'),
        ("0 0 9 9", ".", r'image 0, "\.": Could not open or find file: it is a folder'),
        (
            "0 0 50 9",
            "nine.png",
            r'"nine.png": window 0 0 50 9: it is not inside of the image, which is 50 wide and 40',
        ),
    ],
)
def test_images_and_windows_that_cannot_be_read(window_data, window, name, message):
    layer = window_data(one_window(window, name))
    top = set_up(layer, [], 2)
    for _ in range(2):
        with pytest.raises(DataError, match=message):
            layer.forward([], top)


BAD_WINDOWS = (
    WINDOWS
    + """# 2
none.png 3 40 50 2
5 0.9 10 12 29 30
0 0 0 0 9 9
# 3
nine.png 3 90 90 2
3 0.9 50 50 80 80
2 0.9 0 0 9 9
"""
)


@pytest.mark.parametrize("cache", ["", "cache_images: true"])
def test_bad_windows_are_left_out(window_data, folder, caplog, cache):
    """Of foreground 7 and 4 remain, and 2, whose image has a window outside of it; 5 and 3 cannot be read."""
    (folder / "bad.txt").write_text(BAD_WINDOWS)
    fields = f'source: "bad.txt" batch_size: 40 fg_fraction: 0.5 {cache}'
    runs = []
    for workers in (1, 5):
        layer = window_data(fields, on_bad_record="skip", data_workers=workers)
        runs.append((window_data.run(layer, 6), layer.get_state()))
    np.testing.assert_equal(runs[1], runs[0])
    batches, state = runs[0]
    labels = np.concatenate([labels for _, labels in batches])
    assert set(labels) == {0, 2, 4, 7}
    assert (labels > 0).sum() == 6 * 20
    assert state["position"] == 6 * 40 and layer.records_skipped == state["skipped"] > 0
    for problem in ('image 2, "none.png": Could not open', 'image 3, "nine.png": window 50 50 80 80: it is not inside'):
        assert sum(problem in message for message in caplog.messages) == 2  # once a layer


def test_a_resumed_run_leaves_out_the_same(window_data, folder):
    (folder / "bad.txt").write_text(BAD_WINDOWS)
    fields = 'source: "bad.txt" fg_fraction: 0.5'
    whole = window_data.run(window_data(fields, on_bad_record="skip"), 6)
    stopped = window_data(fields, on_bad_record="skip")
    window_data.run(stopped, 2)
    resumed = window_data(fields, on_bad_record="skip")
    top = set_up(resumed, [], 2)
    resumed.set_state(stopped.get_state())
    for expected in whole[2:]:
        np.testing.assert_equal(window_data.forward(resumed, top), expected)
    assert resumed.records_skipped > stopped.records_skipped


def test_there_is_an_end_of_bad_windows(window_data):
    layer = window_data(one_window("0 0 9 9", "none.png"), on_bad_record="skip")
    top = set_up(layer, [], 2)
    with pytest.raises(DataError, match='1000 records in a row cannot be read.*"none.png"'):
        layer.forward([], top)


def test_a_cached_image_that_is_not_there_is_told_at_once(window_data):
    with pytest.raises(DataError, match='image 0, "none.png": Could not open or find file'):
        set_up(window_data(one_window("0 0 1 1", "none.png") + " cache_images: true"), [], 2)


def test_a_fault_of_the_file_names_its_line(window_data, folder):
    (folder / "windows.txt").write_text(WINDOWS.replace("7 0.9", "0 0.9"))
    with pytest.raises(DataError, match=r"windows.txt:3: foreground of class 0"):
        set_up(window_data(), [], 2)
