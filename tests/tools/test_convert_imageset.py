import logging
import os

import numpy as np
import pytest

from caffelite.core.data.datum import DatumReader
from caffelite.core.data.lmdb_reader import LmdbReader
from caffelite.core.data.opencv import encode
from caffelite.core.errors import DataError, UsageError
from caffelite.proto.caffe_pb2 import Datum
from caffelite.tools.convert_imageset import Options, convert_imageset

pytest.importorskip("cv2")

NOISE = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)


@pytest.fixture
def convert(tmp_path, caplog):
    """Make images/NAME of NAME=bytes and convert a list of them: convert("a.png 1", **options) -> records."""
    caplog.set_level(logging.INFO, logger="caffelite")
    (tmp_path / "images").mkdir()

    def run(*lines, root=f"{tmp_path}/images/", done=None, **options):
        (tmp_path / "list.txt").write_text("".join(f"{line}\n" for line in lines))
        progress = lambda done_now, all: (done if done is not None else []).append((done_now, all))  # noqa: E731
        convert_imageset(root, tmp_path / "list.txt", tmp_path / "db", Options(**options), progress)
        reader = LmdbReader(tmp_path / "db")
        return [(key.decode(), Datum.FromString(value)) for key, value in reader.read(reader.entries)]

    return run


@pytest.fixture
def images(convert, tmp_path):
    """a.png and b.PNG in colour, grey.jpg, c.jpeg; returns the folder."""
    folder = tmp_path / "images"
    for name, image in (("a.png", NOISE), ("b.PNG", NOISE[:, ::-1]), ("grey.jpg", NOISE[:, :, 0]), ("c.jpeg", NOISE)):
        (folder / name).write_bytes(encode(image, name.rpartition(".")[2].lower()))
    return folder


@pytest.mark.parametrize(
    ("options", "name"),
    [({"resize_height": 40, "resize_width": 48}, "raw_lmdb"), ({"encode_type": "png"}, "encoded_lmdb")],
)
def test_the_databases_that_caffe_made(golden_folder, tmp_path, options, name):
    """Equal byte for byte: the records, and so the file, which is made of them in the same transactions."""
    data = golden_folder / "data"
    made = convert_imageset(f"{data}/images/", data / "list.txt", tmp_path / "db", Options(**options), lambda *_: None)
    assert made == 6
    assert (tmp_path / "db" / "data.mdb").read_bytes() == (data / name / "data.mdb").read_bytes()


def test_images_that_cannot_be_read_are_named_and_their_numbers_left_out(images, convert, caplog):
    (images / "no_image.png").write_bytes(b"none")
    done = []
    records = convert("b.PNG 1", "none.png 2", "no_image.png 3", "", "a.png 0", done=done)
    assert [(key, datum.label) for key, datum in records] == [("00000000_b.PNG", 1), ("00000004_a.png", 0)]
    assert f"Could not open or find file {images}/none.png" in caplog.messages
    assert (
        f"Could not open or find file {images}/no_image.png: its 4 bytes are no image that OpenCV knows"
        in caplog.messages
    )
    assert f"Could not open or find file {images}/: it is a folder" in caplog.messages
    assert caplog.messages[0].startswith(f"{images.parent}/list.txt:4: no blank and whole number")
    assert "A total of 5 images." in caplog.messages
    assert "Processed 2 files." in caplog.messages
    assert caplog.messages[-1] == f"3 of 5 images are not in {images.parent}/db"
    assert done == [(line, 5) for line in range(1, 6)]


def test_raw_records(images, convert):
    ((_, datum),) = convert("a.png 7")
    assert (datum.channels, datum.height, datum.width, datum.label, datum.encoded) == (3, 6, 8, 7, False)
    assert datum.data == NOISE.transpose(2, 0, 1).tobytes()
    assert datum.HasField("encoded")


def test_gray(images, convert):
    ((_, datum),) = convert("a.png 7", gray=True)
    assert (datum.channels, datum.height, datum.width) == (1, 6, 8)
    grey = np.frombuffer(datum.data, np.uint8).reshape(6, 8)
    np.testing.assert_allclose(grey, NOISE @ [0.114, 0.587, 0.299], atol=1)


def test_resize_needs_both_sizes(images, convert, caplog):
    ((_, datum),) = convert("a.png 7", resize_height=3)
    assert (datum.height, datum.width) == (6, 8)
    assert "images keep their sizes: resizing needs both --resize_width and --resize_height" in caplog.messages


def test_negative_sizes_are_0(images, convert):
    ((_, datum),) = convert("a.png 7", resize_height=-3, resize_width=4)
    assert (datum.height, datum.width) == (6, 8)


@pytest.mark.parametrize(
    ("name", "options", "stored"),
    [
        ("a.png", {"encoded": True}, True),
        ("a.png", {"encoded": True, "gray": True}, True),  # Caffe's channels are those that it asked for
        ("b.PNG", {"encode_type": "png"}, True),
        ("c.jpeg", {"encode_type": "jpg"}, True),
        ("grey.jpg", {"encoded": True}, True),
        ("c.jpeg", {"encode_type": "png"}, False),
    ],
)
def test_encoded_files_are_stored_as_they_are_where_they_can_be(images, convert, name, options, stored):
    ((_, datum),) = convert(f"{name} 1", **options)
    assert datum.encoded
    assert not (datum.HasField("channels") or datum.HasField("height") or datum.HasField("width"))
    assert (datum.data == (images / name).read_bytes()) == stored


def test_resized_and_encoded(images, convert):
    ((key, datum),) = convert("a.png 1", encoded=True, resize_height=3, resize_width=5)
    assert DatumReader("db").read(key.encode(), datum.SerializeToString())[0].shape == (3, 3, 5)


def test_a_file_of_no_known_kind(images, convert, caplog, tmp_path):
    (images / "a").write_bytes((images / "a.png").read_bytes())
    with pytest.raises(DataError, match='a: OpenCV cannot write an image of kind "a"; give --encode_type=jpg or png'):
        convert("a 1", encoded=True)
    assert "Failed to guess the encoding of 'a'" in caplog.messages
    assert sorted(os.listdir(tmp_path)) == ["images", "list.txt"]
    assert convert("a 1", encode_type="bmp")[0][1].data.startswith(b"BM")


def test_an_unknown_encode_type_is_refused_before_anything_is_read(images, convert, tmp_path):
    with pytest.raises(UsageError, match='--encode_type is "xyz", which OpenCV cannot write; use jpg or png'):
        convert("a.png 1", encode_type="xyz")
    assert not (tmp_path / "db").exists()


@pytest.mark.parametrize("encoded", [False, True])
def test_check_size(images, convert, encoded, tmp_path):
    """Encoded ones are compared decoded; Caffe compares nothing with the first's size there, and always stops."""
    with pytest.raises(DataError, match=r"grey.jpg: Incorrect data field size 144: the first image has 90 values"):
        (images / "small.png").write_bytes(encode(NOISE[:5, :6], "png"))
        convert("small.png 1", "grey.jpg 0", check_size=True, encoded=encoded)
    assert sorted(os.listdir(tmp_path)) == ["images", "list.txt"]
    assert len(convert("a.png 1", "b.PNG 0", check_size=True, encoded=encoded)) == 2


def test_shuffle_numbers_the_new_order(images, convert, monkeypatch, caplog):
    monkeypatch.setattr("random.SystemRandom.shuffle", lambda self, items: items.reverse())
    records = convert("a.png 1", "b.PNG 2", "c.jpeg 3", shuffle=True)
    assert [(key, datum.label) for key, datum in records] == [
        ("00000000_c.jpeg", 3),
        ("00000001_b.PNG", 2),
        ("00000002_a.png", 1),
    ]
    assert "Shuffling data" in caplog.messages


def test_many_images_stay_in_order(images, convert, caplog, monkeypatch):
    monkeypatch.setattr("caffelite.tools.convert_imageset.RECORDS_PER_LINE", 100)
    names = ["a.png", "b.PNG", "c.jpeg"]
    records = convert(*(f"{names[line % 3]} {line}" for line in range(250)))
    assert [(key, datum.label) for key, datum in records] == [
        (f"{line:08}_{names[line % 3]}", line) for line in range(250)
    ]
    assert [text for text in caplog.messages if "Processed" in text] == [
        f"Processed {count} files." for count in (100, 200, 250)
    ]


def test_a_missing_list_makes_an_empty_database(tmp_path, caplog):
    assert convert_imageset("", tmp_path / "none.txt", tmp_path / "db", Options(), lambda *_: None) == 0
    assert (tmp_path / "db" / "data.mdb").exists()
    assert f"the list of images cannot be read: {tmp_path}/none.txt: No such file or directory" in caplog.messages
    assert f"{tmp_path}/db holds no records, and no net can read it" in caplog.messages


def test_a_folder_without_its_slash(images, convert, caplog):
    with pytest.raises(DataError, match="holds no records"):
        convert("a.png 1", root=str(images))
    assert any(f'write "{images}/"' in text for text in caplog.messages)


def test_an_existing_database_is_refused_before_images_are_read(images, convert, tmp_path):
    (tmp_path / "db").mkdir()
    with pytest.raises(DataError, match=f"mkdir {tmp_path}/db failed"):
        convert("none.png 1")


def test_too_long_a_path_for_a_key(images, convert):
    deep = "x" * 200 + "/" + "y" * 200 + "/" + "z" * 200
    (images / deep).mkdir(parents=True)
    (images / deep / "a.png").write_bytes((images / "a.png").read_bytes())
    with pytest.raises(DataError, match="takes 1 to 511"):
        convert(f"{deep}/a.png 1")


def test_several_labels_a_line(images, convert):
    ((key, datum), (_, other)) = convert("a.png 1 0 -1", "b.PNG 2.5 0 3", label_count=3)
    assert key == "00000000_a.png"
    assert (datum.label, list(datum.labels)) == (1, [1, 0, -1])
    assert (other.label, list(other.labels)) == (2, [2.5, 0, 3])


def test_lines_without_the_labels_that_were_told(images, convert, tmp_path):
    with pytest.raises(DataError, match=r'list.txt:2: the line "b.PNG 2" has fewer than 2 labels'):
        convert("a.png 1 0", "b.PNG 2", label_count=2)
    with pytest.raises(UsageError, match="--label_count is -1; write how many"):
        convert("a.png 1 0", label_count=-1)
    assert not (tmp_path / "db").exists()


def test_several_labels_without_the_flag_are_guessed_at(images, convert, caplog):
    assert len(convert("a.png 1 0 -1", "b.PNG 1")) == 1
    assert "Could not open or find file" in caplog.text
    assert "if lines have several, give --label_count" in caplog.text
