"""ImageData against OpenCV itself, Caffe's golden batches and hand-made lists."""

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.errors import DataError, LayerError, NetError
from caffelite.core.layer import Context, make_layer
from caffelite.proto.caffe_pb2 import TEST, LayerParameter, NetParameter
from caffelite.testing import assert_agrees, set_up

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def image_data(data_layers):
    """ImageData layers on the list "list.txt"."""

    def text_of(fields="", transform="", prefetch=4):
        source = "" if "source:" in fields else 'source: "list.txt"'
        return (
            f'name: "data" type: "ImageData" transform_param {{ {transform} }} data_param {{ prefetch: {prefetch} }}'
            f" image_data_param {{ {source} {fields} }}"
        )

    return data_layers(text_of)


def write(labels, size=(3, 4), name="list.txt"):
    """Write PNG files all of whose pixels are their number, and a list of them."""
    Path(name).write_text("".join(f"{number}.png {label}\n" for number, label in enumerate(labels)))
    for number in range(len(labels)):
        cv2.imwrite(f"{number}.png", np.full((*size, 3), number, np.uint8))


@pytest.mark.parametrize("name", ["image_data", "image_data_resize_gray"])
def test_equals_caffe(name, image_data, golden_folder, monkeypatch):
    monkeypatch.chdir(golden_folder / "data")
    case = np.load(f"{name}.npz")
    layer_param = text_format.Parse(str(case["prototxt"]), NetParameter()).layer[0]
    layer_param.phase = TEST
    layer = make_layer(layer_param, Context())
    names = [line.split()[0] for line in Path("list.txt").read_text().splitlines()]
    for index, (pixels, labels) in enumerate(image_data.run(layer, 2)):
        for item, image in enumerate(pixels):
            is_exact = names[(4 * index + item) % len(names)].endswith(".png") and name == "image_data"
            assert np.abs(image - case[f"data_{index}"][item]).max() <= (0 if is_exact else 1)
        assert_agrees(labels, case[f"label_{index}"], "label")
    layer.close()


def test_names_with_blanks_and_sizes_that_change_from_batch_to_batch(image_data, folder):
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, shape, np.uint8) for shape in ((5, 7, 3), (6, 4), (4, 6, 4))]
    for name, image in zip(("cat.png", "cat gray.png", "alpha.png"), images, strict=True):
        cv2.imwrite(name, image)
    (folder / "list.txt").write_text("cat.png 0\ncat gray.png 1\nalpha.png 2\n")
    (first, second, third), labels = zip(*image_data.run(image_data(), 3), strict=True)
    np.testing.assert_array_equal(first[0], images[0].transpose(2, 0, 1))
    np.testing.assert_array_equal(second[0], [images[1]] * 3)
    np.testing.assert_array_equal(third[0], images[2][:, :, :3].transpose(2, 0, 1))
    assert [label.tolist() for label in labels] == [[0], [1], [2]]


def test_resizes_between_the_pixel_centres(image_data, folder):
    """The values of the specification, which allows 1 of rounding."""
    cv2.imwrite("0.png", np.arange(0, 160, 10, np.uint8).reshape(4, 4))
    (folder / "list.txt").write_text("0.png 0\n")
    for size, expected in (
        (2, [[25, 45], [105, 125]]),
        (3, [[8, 22, 35], [62, 75, 88], [115, 128, 142]]),
    ):
        ((pixels, _),) = image_data.run(image_data(f"is_color: false new_height: {size} new_width: {size}"), 1)
        assert np.abs(pixels[0, 0] - expected).max() <= 1


def test_a_photo_is_not_turned_by_its_orientation(image_data, folder):
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, 8:] = 255
    jpeg = cv2.imencode(".jpg", image)[1].tobytes()
    orientation = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # 6: to be turned by 90 degrees
    exif = b"Exif\0\0" + orientation
    (folder / "0.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    assert cv2.imread("0.jpg").shape == (16, 8, 3)  # this OpenCV would turn it
    (folder / "list.txt").write_text("0.jpg 0\n")
    ((pixels, _),) = image_data.run(image_data(), 1)
    assert pixels.shape == (1, 3, 8, 16)


def test_transforms(image_data):
    write([5])
    ((pixels, _),) = image_data.run(
        image_data(transform="crop_size: 2 scale: 2 mean_value: 1 mean_value: 2 mean_value: 3"), 1
    )
    np.testing.assert_array_equal(pixels, np.broadcast_to([[[[-2]], [[-4]], [[-6]]]], (1, 3, 2, 2)))


def test_batches_go_on_over_the_end(image_data):
    write(range(3))
    assert image_data.labels_of(image_data("batch_size: 2"), 4) == [[0, 1], [2, 0], [1, 2], [0, 1]]
    assert image_data.labels_of(image_data("batch_size: 7"), 1) == [[0, 1, 2, 0, 1, 2, 0]]


def test_shuffle_gives_each_round_another_order(image_data):
    write(range(20))
    rounds = image_data.labels_of(image_data("batch_size: 20 shuffle: true"), 4)
    assert all(sorted(of_round) == list(range(20)) for of_round in rounds)
    assert len({tuple(of_round) for of_round in rounds}) == 4
    assert list(range(20)) not in rounds
    other_batches = image_data.labels_of(image_data("batch_size: 8 shuffle: true", prefetch=1), 10)
    assert np.ravel(other_batches).tolist() == np.ravel(rounds).tolist()
    assert image_data.labels_of(image_data("batch_size: 20 shuffle: true", seed=1), 1) != rounds[:1]
    assert (
        image_data.labels_of(image_data("batch_size: 20 shuffle: true", solver_rank=1, solver_count=2), 1) != rounds[:1]
    )


def test_orders_are_uniform(image_data):
    """Of 3 images each of the 6 orders comes as often as the others: 600 rounds, 100 +- 4 standard deviations."""
    write(range(3), size=(1, 1))
    counts = Counter(
        map(tuple, np.reshape(image_data.labels_of(image_data("batch_size: 600 shuffle: true"), 3), (600, 3)))
    )
    assert len(counts) == 6 and all(abs(count - 100) < 4 * np.sqrt(600 * 5 / 36) for count in counts.values())


def test_rand_skip_moves_the_first_round_only(image_data, caplog):
    caplog.set_level("INFO")
    write(range(5))
    starts = set()
    for seed in range(40):
        ((first, *rest),) = image_data.labels_of(image_data("batch_size: 9 rand_skip: 3", seed=seed), 1)
        assert [first, *rest] == [(first + i) % 5 for i in range(9)]
        assert f"Skipping first {first} data points." in caplog.messages
        caplog.clear()
        starts.add(first)
    assert starts == {0, 1, 2}


def test_rand_skip_must_leave_something(image_data):
    write(range(5))
    with pytest.raises(LayerError, match=r"rand_skip is 1000000; Not enough points to skip: \d+ was drawn, .* 5 lines"):
        set_up(image_data("rand_skip: 1000000"), [], 2)


def test_several_labels(image_data):
    write(["1 0 -1", "0.5 2 3"])
    fields = "batch_size: 3 label_count: 3"
    assert set_up(image_data(fields), [], 2)[1].shape == (3, 3)
    ((_, labels),) = image_data.run(image_data(fields), 1)
    assert labels.tolist() == [[1, 0, -1], [0.5, 2, 3], [1, 0, -1]]
    write(range(2))
    ((_, labels),) = image_data.run(image_data("batch_size: 2 label_count: 1"), 1)
    assert labels.tolist() == [[0], [1]]


@pytest.mark.parametrize("passed", [0, 1, 3, 7])
def test_a_resumed_run_reads_on(image_data, passed):
    write(range(7))
    fields = {
        "fields": "batch_size: 3 shuffle: true rand_skip: 5",
        "transform": "mirror: true crop_size: 2",
        "prefetch": 3,
    }
    whole = image_data.run(image_data(**fields), 12)
    stopped = image_data(**fields)
    image_data.run(stopped, passed)
    state = stopped.get_state()
    assert state["position"] == 3 * passed and state["lines"] == 7
    for first_forwards in (0, 2):  # state may come to a layer that already reads ahead
        resumed = image_data(**fields)
        top = set_up(resumed, [], 2)
        for _ in range(first_forwards):
            resumed.forward([], top)
        resumed.set_state(state)
        for expected in whole[passed:]:
            np.testing.assert_equal(image_data.forward(resumed, top), expected)


def test_order_and_skip_come_from_the_state(image_data):
    write(range(7))
    fields = "batch_size: 3 shuffle: true rand_skip: 5"
    first = image_data(fields)
    whole = image_data.labels_of(first, 8)
    other_seed = image_data(fields, seed=99)
    top = set_up(other_seed, [], 2)
    other_seed.set_state({**first.get_state(), "position": 6})
    assert [image_data.forward(other_seed, top)[1].tolist() for _ in range(6)] == whole[2:]


def test_a_list_that_has_grown_since(image_data, caplog):
    write(range(3))
    stopped = image_data("batch_size: 2")
    image_data.run(stopped, 1)
    write(range(4))
    resumed = image_data("batch_size: 2")
    set_up(resumed, [], 2)
    resumed.set_state(stopped.get_state())
    assert caplog.messages == ["list.txt has 4 lines and had 3 when the state was kept: other images follow"]


def test_images_are_found_beside_the_list_and_beside_the_prototxt(image_data, folder, monkeypatch):
    os.mkdir("proto")
    monkeypatch.chdir("proto")
    write([3])
    monkeypatch.chdir(folder)
    assert image_data.labels_of(image_data(folder=folder / "proto"), 1) == [[3]]
    shutil.move("proto/list.txt", "list.txt")
    assert image_data.labels_of(image_data('root_folder: "proto/"'), 1) == [[3]]
    os.mkdir("lists")
    shutil.move("list.txt", "lists/list.txt")
    shutil.move("proto/0.png", "lists/0.png")
    layer_param = text_format.Parse('type: "ImageData" image_data_param { source: "lists/list.txt" }', LayerParameter())
    layer = make_layer(layer_param, Context())
    assert image_data.labels_of(layer, 1) == [[3]]
    layer.close()


def test_the_log(image_data, caplog):
    caplog.set_level("INFO")
    write(range(2))
    set_up(image_data("batch_size: 2 shuffle: true"), [], 2)
    assert caplog.messages == [
        "Opening file list.txt",
        "A total of 2 images.",
        "Shuffling data",
        "output data size: 2,3,3,4",
    ]
    caplog.clear()
    set_up(image_data(solver_rank=1, solver_count=2), [], 2)
    assert caplog.messages == [
        "Shuffling or skipping recommended for multi-GPU: each solver reads the whole list",
        "output data size: 1,3,3,4",
    ]


def test_tells_of_labels_that_are_no_numbers(image_data, caplog):
    write(["cat"])
    assert image_data.labels_of(image_data(), 1) == [[0]]
    assert 'list.txt:1: no blank and whole number at the end of "0.png cat": label 0' in caplog.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("new_height: 10", r"new_width is 0; new_height and new_width must be set together: new_height is 10"),
        ("new_width: 10", r"new_height is 0; .*new_width is 10"),
        ("batch_size: 0", r"batch_size is 0; Positive batch size required"),
        ('source: "none.txt"', r'source is "none.txt"; there is no such file \(tried .*/none.txt\); a list of lines'),
        ('source: "."', r'source is "\."; it is a folder; a list of lines `path label` is expected'),
        ('source: ""', r'source is ""; the name is empty; a list'),
        ('source: "empty.txt"', r'source is "empty.txt"; File is empty'),
    ],
)
def test_refuses(image_data, folder, fields, message):
    write([0])
    (folder / "empty.txt").touch()
    with pytest.raises(LayerError, match=r"image_data_param\." + message):
        set_up(image_data(fields), [], 2)


def test_refuses_no_batches_ahead_and_sizes_that_no_memory_holds(image_data):
    write([0])
    with pytest.raises(LayerError, match=r"data_param\.prefetch is 0"):
        set_up(image_data(prefetch=0), [], 2)
    with pytest.raises(NetError, match="an image of new_height 4000000 x new_width 3000000 needs 32.7 TiB"):
        set_up(image_data("new_height: 4000000 new_width: 3000000"), [], 2)


@pytest.mark.parametrize(
    ("line", "content", "message"),
    [
        ("none.png 1", None, r'list.txt:2: Could not load "none.png": there is no such file \(tried .*none.png\)'),
        (". 1", None, r'list.txt:2: Could not load "\.": it is a folder'),
        ("text.png 1", b"no image", r'list.txt:2: Could not load "text.png": its 8 bytes are no image that OpenCV kn'),
        (
            "0.png 1 ",
            None,
            r'Could not load "0.png 1": .* \(what follows the last blank .* is its label; .*label_count',
        ),
        ("0.png 1 2", None, r'Could not load "0.png 1": .* \(what follows the last blank'),
    ],
)
def test_an_image_that_cannot_be_read_fails_when_its_batch_is_due(image_data, folder, line, content, message):
    write([0])
    (folder / "list.txt").write_text(f"0.png 0\n{line}\n")
    if content:
        (folder / line.split()[0]).write_bytes(content)
    layer = image_data()
    top = set_up(layer, [], 2)
    layer.forward([], top)
    for _ in range(2):
        with pytest.raises(DataError, match=message):
            layer.forward([], top)


def test_images_of_two_sizes_need_a_crop_or_a_size(image_data):
    write([0, 1])
    cv2.imwrite("1.png", np.zeros((5, 6, 3), np.uint8))
    with pytest.raises(LayerError, match=r'record "list.txt:2: 1.png" is an image of 3 5 6 .90.; .* equally large'):
        image_data.run(image_data("batch_size: 2"), 1)
    for fields, transform in (("", "crop_size: 2"), ("new_height: 2 new_width: 2", "")):
        ((pixels, _),) = image_data.run(image_data(f"batch_size: 2 {fields}", transform=transform), 1)
        assert pixels.shape == (2, 3, 2, 2)


def test_number_of_tops(image_data):
    write([0])
    with pytest.raises(LayerError, match="ImageData Layer produces 2 top"):
        set_up(image_data(), [], 1)


def test_images_that_cannot_be_read_are_left_out_if_told(image_data, folder):
    write(range(4))
    (folder / "2.png").unlink()
    assert image_data.labels_of(image_data("batch_size: 3", on_bad_record="skip"), 3) == [[0, 1, 3]] * 3
    shuffled = np.ravel(
        image_data.labels_of(image_data("batch_size: 3 shuffle: true", on_bad_record="skip"), 20)
    ).tolist()
    assert all(sorted(shuffled[start : start + 3]) == [0, 1, 3] for start in range(0, 60, 3))


def test_one_image_that_can_be_read_is_enough(image_data, folder):
    """Shuffled, up to two rounds without it follow each other but for one image."""
    write(range(4))
    for number in (0, 1, 3):
        (folder / f"{number}.png").unlink()
    found = image_data.labels_of(image_data("batch_size: 3 shuffle: true", on_bad_record="skip"), 20)
    assert found == [[2, 2, 2]] * 20
