import os
import shutil
import signal
import time

import pytest

from caffelite.core.data.leveldb_reader import LevelDbReader

pytest.importorskip("cv2")


@pytest.fixture
def images(folder, golden_folder):
    """The golden images and their list, as images/ and list.txt in the working directory."""
    (folder / "images").symlink_to(golden_folder / "data" / "images")
    (folder / "list.txt").write_bytes((golden_folder / "data" / "list.txt").read_bytes())
    return folder


def test_the_program_makes_the_database_and_the_mean_that_caffe_made(images, program, golden_folder):
    sizes = ("--resize_height=40", "-resize_width", "48")
    made = program("convert_imageset", *sizes, "images/", "list.txt", "raw_lmdb")
    assert (made.status, made.out) == (0, "")
    assert made.texts == ["A total of 6 images.", "Processed 6 files."]
    mean = program("compute_image_mean", "raw_lmdb", "mean.binaryproto")
    assert mean.status == 0
    assert mean.texts[-1] == "mean_value channel [2]: 123.545"
    for name in ("raw_lmdb/data.mdb", "mean.binaryproto"):
        assert (images / name).read_bytes() == (golden_folder / "data" / name).read_bytes()


def test_the_program_makes_the_leveldb_that_caffe_made_and_a_net_reads_it(images, program, golden_folder):
    flags = "--gray --resize_height=20 --resize_width=24 --backend=leveldb"
    made = program("convert_imageset", *flags.split(), "images/", "list.txt", "leveldb")
    assert (made.status, made.texts) == (0, ["A total of 6 images.", "Processed 6 files."])
    shutil.copytree(golden_folder / "data" / "gray_leveldb", "caffes")
    found, wanted = LevelDbReader(images / "leveldb"), LevelDbReader(images / "caffes")
    assert found.read(6) == wanted.read(6)
    assert found.count() == wanted.count() == 6
    text = 'name: "n" layer { name: "data" type: "Data" top: "data" data_param { source: "leveldb" batch_size: 4 } }'
    (images / "net.prototxt").write_text(text)
    summary = program("summary", "net.prototxt")
    assert summary.status == 0
    assert "4 x 1 x 20 x 24" in summary.out
    again = program("convert_imageset", *flags.split(), "images/", "list.txt", "leveldb")
    assert again.status == 1
    assert "mkdir leveldb failed: it is already there" in again.error
    assert program("compute_image_mean", "--backend=leveldb", "leveldb").texts[1] == "Starting iteration"
    wrong = program("compute_image_mean", "leveldb")
    assert wrong.status == 1
    assert "leveldb is not an LMDB but a LevelDB folder: write --backend=leveldb" in wrong.error


def test_all_flags(images, caffelite):
    flags = (
        "--gray --shuffle --check_size --encoded --encode_type=bmp --resize_width=4 --resize_height=4 --backend=lmdb"
    )
    result = caffelite("convert_imageset", *flags.split(), "images/", "list.txt", "db")
    assert result.status == 0, result.err
    assert "Shuffling data" in result.texts
    assert caffelite("compute_image_mean", "db").texts[-2:] == [
        "Number of channels: 1",
        next(text for text in caffelite("compute_image_mean", "db").texts if text.startswith("mean_value channel [0]")),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["images/", "list.txt"], "convert_imageset is missing DB; write caffelite convert_imageset ROOTFOLDER/"),
        (["images/", "list.txt", "net.prototxt"], "mkdir net.prototxt failed: it is already there"),
        (["images/", "list.txt", "db", "--backend=levelDB"], 'Unknown database backend "levelDB"; use lmdb or leveldb'),
        (["images/", "list.txt", "db", "--backend=hdf5"], 'Unknown database backend "hdf5"'),
        (["images/", "list.txt", "db", "--encode_type=xyz"], '--encode_type is "xyz"'),
    ],
)
def test_what_is_refused(images, caffelite, words, message):
    before = sorted(os.listdir())
    result = caffelite("convert_imageset", *words)
    assert result.status == 1
    assert message in result.error
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
def test_an_interrupted_conversion_leaves_no_database(images, started_program, backend):
    (images / "list.txt").write_text("astronaut.png 0\n" * 200000)
    before = sorted(os.listdir())
    process = started_program("convert_imageset", f"--backend={backend}", "images/", "list.txt", "db")
    while not any(name.startswith(".db.") for name in os.listdir()):
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert sorted(os.listdir()) == before
