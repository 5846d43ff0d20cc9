from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelite.core.blob import Blob
from caffelite.proto.caffe_pb2 import TEST
from caffelite.pycaffe import Net
from caffelite.reports.evaluation import Evaluation
from caffelite.reports.items import MOST_SIDE, BlobItems, RecordItems, items_of, picture_of


def test_records_of_a_database_as_they_are_stored(folder):
    items = items_of(Net("net.prototxt", TEST), 4)
    assert isinstance(items, RecordItems)
    assert items.count == 7
    name, picture = items.get(4)
    assert name == "key<4>"
    assert picture.tolist() == [[10, 20], [0, 7]]
    assert items.get(2).picture.tolist() == [[0, 40], [0, 7]]  # going back


def test_images_of_a_list(folder):
    cv2 = pytest.importorskip("cv2")
    for number in range(5):
        cv2.imwrite(f"{number}.png", np.full((2, 3, 3), 10 * number, np.uint8))
    (folder / "list.txt").write_text("".join(f"{number}.png {number}\n" for number in range(5)))
    (folder / "list.prototxt").write_text(
        'layer { name: "d" type: "ImageData" top: "x" top: "y" '
        'image_data_param { source: "list.txt" batch_size: 2 shuffle: true } }'
    )
    net = Net("list.prototxt", TEST)
    items = items_of(net, 2)
    assert items.count == 5
    for first in (0, 2, 4):
        labels = net.forward()["y"].astype(int).tolist()
        assert items.numbers(first, 2).tolist() == [first, first + 1]
        for item, label in enumerate(labels, first):
            assert items.get(item).name == f"list.txt:{label + 1}: {label}.png"
            assert items.get(item).picture.tolist() == [[[10 * label] * 3] * 3] * 2
    net.close()


def test_what_stands_in_the_net_where_there_is_no_database(folder):
    (folder / "input.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "v" top: "x" '
        "input_param { shape { dim: 2 dim: 3 } shape { dim: 2 dim: 1 dim: 2 dim: 2 } } }"
    )
    net = Net("input.prototxt", TEST)
    items = items_of(net, 2)
    assert isinstance(items, BlobItems)
    assert items.count is None
    net.blobs["x"].data[1] = [[[-1, 1], [0, 1]]]
    items.keep(7, 1, -0.5)
    items.keep(8, 0, 0.5)  # no mistake
    assert items.get(7).picture.tolist() == [[0, 255], [127, 255]]
    assert items.get(8) is None
    assert isinstance(items_of(net, 3), BlobItems)


SCORES = """layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "y" top: "accuracy" }
"""


def evaluated(text, batches):
    """Return the evaluation of a net after so many batches, and the labels that it got."""
    Path("net.prototxt").write_text(text + SCORES)
    net = Net("net.prototxt", TEST)
    evaluation = Evaluation(net)
    labels = []
    for _ in range(batches):
        net.forward_pass()
        evaluation.add()
        labels += net.blobs["y"].data.astype(int).tolist()
    net.close()
    return evaluation, labels


@pytest.mark.parametrize("shuffle", ["", "shuffle: true"])
def test_rows_of_hdf5_files_count_once(folder, shuffle):
    for name, first, count in (("a.h5", 0, 5), ("b.h5", 5, 2)):
        with h5py.File(name, "w") as file:
            file["x"] = np.arange(4.0 * first, 4 * (first + count)).reshape(count, 1, 2, 2)
            file["y"] = np.arange(first, first + count) % 3
    (folder / "list.txt").write_text("a.h5\nb.h5\n")
    layer = (
        'layer { name: "d" type: "HDF5Data" top: "x" top: "y" '
        f'hdf5_data_param {{ source: "list.txt" batch_size: 4 {shuffle} }} }}\n'
    )
    found, labels = evaluated(layer, 5)
    assert (found.items.count, found.count, found.repeated) == (7, 7, 13)
    assert found.numbers.tolist() == list(range(7)) and found.labels.tolist() == labels[:7]
    assert sorted(labels[:7]) == [0, 0, 0, 1, 1, 2, 2]


def test_windows_count_once_and_have_names(folder):
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite("a.png", np.full((9, 9, 3), 50, np.uint8))
    cv2.imwrite("b.png", np.full((9, 9, 3), 90, np.uint8))
    (folder / "w.txt").write_text(
        "# 0\na.png 3 9 9 3\n0 0.1 0 0 4 4\n1 0.9 1 1 5 5\n0 0 2 2 6 6\n# 1\nb.png 3 9 9 1\n2 0.8 3 3 8 8\n"
    )
    layer = (
        'layer { name: "d" type: "WindowData" top: "x" top: "y" transform_param { crop_size: 4 mirror: true } '
        'window_data_param { source: "w.txt" batch_size: 4 fg_fraction: 0.5 } }\n'
    )
    found, labels = evaluated(layer, 20)
    assert sorted(found.numbers.tolist()) == [0, 1, 2, 3]  # of 80 that were drawn
    assert found.repeated == len(labels) - 4
    assert [found.labels[found.numbers == number].tolist() for number in range(4)] == [[0], [0], [1], [2]]
    assert [found.items.get(number).name for number in range(4)] == [
        'w.txt: image 0, "a.png": window 0 0 4 4',
        'w.txt: image 0, "a.png": window 2 2 6 6',
        'w.txt: image 0, "a.png": window 1 1 5 5',
        'w.txt: image 1, "b.png": window 3 3 8 8',
    ]
    wrong = found.numbers[found.predicted != found.labels].tolist()
    assert all(found.items.get(number).picture.shape == (4, 4, 3) for number in wrong)


def test_only_the_most_certain_mistakes_are_kept(monkeypatch):
    monkeypatch.setattr(BlobItems, "MOST", 2)
    items = BlobItems(Blob((4, 1, 2, 2)))
    for item, margin in enumerate([-0.5, -0.1, -0.3, -0.2]):
        items.keep(item, item, margin)
    assert [items.get(item) is not None for item in range(4)] == [True, False, True, False]


def test_without_pictures():
    items = BlobItems(None)
    items.keep(3, 0, -1.0)
    assert items.get(3) == ("", None)


def test_colours_are_turned_to_red_first_and_large_images_made_smaller():
    image = np.zeros((3, 400, 300), np.uint8)
    image[0] = 9
    picture = picture_of(image)
    assert max(picture.shape[:2]) <= MOST_SIDE
    assert picture[0, 0].tolist() == [0, 0, 9]


@pytest.mark.parametrize("shape", [(10,), (3, 1, 1), (2, 3, 4, 5)])
def test_what_is_no_image(shape):
    assert picture_of(np.zeros(shape, np.float32)) is None


def test_equal_values_and_nan_are_black():
    assert picture_of(np.full((1, 2, 2), 5.0)).tolist() == [[0, 0], [0, 0]]
    assert picture_of(np.array([[[np.nan, 0], [1, 2]]])).tolist() == [[0, 0], [127, 255]]
