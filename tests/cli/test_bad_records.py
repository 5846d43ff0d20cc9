"""A damaged record as `caffelite train` and `caffelite test` meet it, and the flags that say what then."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelite.core.data.datum import raw_datum
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.data.workers import VARIABLE

NET = """name: "damaged"
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" backend: LMDB batch_size: 4 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "constant" value: 0.1 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
BAD = 5
ERROR = 'net.prototxt:2: layer "data" (Data): db: record "005": a Datum of (1, 2, 2) needs 4 values of data'


@pytest.fixture
def damaged(folder, solver_with):
    """The working directory, with a database of ten records of which one is cut short."""
    (folder / "net.prototxt").write_text(NET)
    pixels = [np.full((1, 2, 2), number, np.uint8) for number in range(10)]
    values = [raw_datum(image, number % 2) for number, image in enumerate(pixels)]
    values[BAD] = values[BAD][:6] + b"\x22\x02ab"  # two bytes of data
    write_lmdb(Path("db"), [(b"%03d" % number, value) for number, value in enumerate(values)])
    solver_with(max_iter="5", test_initialization="false", snapshot="2")
    return folder


@pytest.mark.parametrize("words", [(), ("--on-bad-record=stop",)])
def test_training_stops_at_a_bad_record_and_names_it(program, damaged, words):
    result = program("train", "solver.prototxt", *words)
    assert result.status == 1
    assert ERROR in result.error
    assert "bad_record" not in result.err.partition("Starting Optimization")[2]


def test_training_leaves_it_out_and_says_how_often(program, damaged):
    result = program("train", "solver.prototxt", "--on-bad-record=skip", "--data-workers=2")
    assert result.status == 0
    named = [text for text in result.texts if "is left out (on_bad_record: skip)" in text]
    assert len(named) == 1 and named[0].startswith('db: record "005": a Datum of (1, 2, 2) needs 4 values')
    # 5 batches of 4 out of rounds of 9
    assert result.texts[-2] == 'layer "data", phase TRAIN: a record that cannot be read was left out 2 times'
    assert (damaged / "tiny_iter_5.caffemodel").exists()


def test_a_run_that_leaves_out_records_ends_the_same_after_a_resume(caffelite, damaged):
    assert caffelite("train", "solver.prototxt", "--on-bad-record=skip").status == 0
    whole = Path("tiny_iter_5.caffemodel").read_bytes()
    resumed = caffelite("train", "solver.prototxt", "--on-bad-record=skip", "--snapshot=tiny_iter_2.solverstate")
    assert Path("tiny_iter_5.caffemodel").read_bytes() == whole
    assert resumed.texts[-2] == 'layer "data", phase TRAIN: a record that cannot be read was left out 2 times'


def test_a_test_stops_or_leaves_it_out(caffelite, damaged):
    caffelite("train", "solver.prototxt", "--on-bad-record=skip")
    words = ("test", "net.prototxt", "--weights=tiny_iter_5.caffemodel", "--iterations=3")
    assert ERROR in caffelite(*words).error
    result = caffelite(*words, "--on_bad_record=skip")
    assert result.status == 0
    assert result.texts[-1] == 'layer "data", phase TEST: a record that cannot be read was left out once'


def test_a_report_of_a_test_counts_each_readable_record_once(caffelite, damaged):
    caffelite("train", "solver.prototxt", "--on-bad-record=skip")
    words = ("--weights=tiny_iter_5.caffemodel", "--on-bad-record=skip", "--report=page.html")
    result = caffelite("test", "net.prototxt", *words)
    assert result.status == 0
    assert "The data began again: the report leaves out 3 repeated items" in result.texts
    page = Path("page.html").read_text()
    assert "a record that cannot be read was left out once" in page


def test_features_are_of_the_readable_records(caffelite, damaged):
    caffelite("train", "solver.prototxt", "--on-bad-record=skip")
    words = ("extract_features", "tiny_iter_5.caffemodel", "net.prototxt", "data", "f.h5", "3", "hdf5")
    assert ERROR in caffelite(*words).error
    assert not Path("f.h5").exists()
    result = caffelite(*words, "--on_bad_record=skip", "--data_workers=2")
    assert result.status == 0
    assert result.texts[-2] == 'layer "data", phase TEST: a record that cannot be read was left out once'
    with h5py.File("f.h5") as file:
        rows = file["data"][:]
    assert len(rows) == 12 and (rows[9:] == rows[:3]).all()  # nine can be read


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--on-bad-record=maybe",), "illegal value 'maybe' .* use stop or skip"),
        (("--data-workers=-1",), "--data_workers is -1; use 0 or more"),
    ],
)
def test_refuses(caffelite, damaged, words, message):
    result = caffelite("train", "solver.prototxt", *words)
    assert result.status == 1
    assert re.search(message, result.err)


def test_the_environment_says_how_many_workers(caffelite, damaged, monkeypatch):
    monkeypatch.setenv(VARIABLE, "none")
    assert f'{VARIABLE} is "none"; write how many' in caffelite("train", "solver.prototxt").error


def test_flags_of_reading_that_change_nothing_are_told(caffelite, folder):
    result = caffelite("train", "solver.prototxt", "--on-bad-record=skip", "--data-workers=2")
    told = [text for text in result.texts if "so nothing changes" in text]
    assert told == [
        "--data_workers: no layer of the net decodes records, so nothing changes",
        "--on_bad_record: no layer of the net reads records, so nothing changes",
    ]
    assert not any("no layer" in text for text in caffelite("train", "solver.prototxt").texts)


def test_features_of_a_net_that_reads_nothing(caffelite, folder):
    assert caffelite("train", "solver.prototxt").status == 0
    (weights,) = (path.name for path in folder.glob("*.caffemodel"))
    words = (weights, "net.prototxt", "ip", "ip_lmdb", "1", "lmdb", "--on-bad-record=skip")
    told = "--on_bad_record: no layer of the net reads records, so nothing changes"
    assert told in caffelite("extract_features", *words).texts


@pytest.fixture
def damaged_rows(folder, solver_with):
    """The working directory, with an HDF5 file of ten rows of which two, in one chunk, are damaged."""
    (folder / "net.prototxt").write_text(
        NET.replace('type: "Data"', 'type: "HDF5Data"').replace(
            'data_param { source: "db" backend: LMDB', 'hdf5_data_param { source: "rows.txt"'
        )
    )
    with h5py.File("rows.h5", "w") as file:
        file.create_dataset("data", data=np.arange(40.0).reshape(10, 4), chunks=(2, 4), fletcher32=True)
        file["label"] = np.arange(10) % 2
        place = file["data"].id.get_chunk_info(2).byte_offset
    content = bytearray(Path("rows.h5").read_bytes())
    content[place] ^= 1
    Path("rows.h5").write_bytes(content)
    Path("rows.txt").write_text("rows.h5\n")
    solver_with(max_iter="5", test_initialization="false", snapshot="2")
    return folder


def test_rows_of_hdf5_files(program, damaged_rows):
    stopped = program("train", "solver.prototxt")
    assert stopped.status == 1
    assert 'layer "data" (HDF5Data): rows.h5: row 4 of dataset data cannot be read (' in stopped.error
    result = program("train", "solver.prototxt", "--on-bad-record=skip", "--data-workers=2")
    assert result.status == 0
    named = [text for text in result.texts if "is left out (on_bad_record: skip)" in text]
    assert [text.partition(" of dataset")[0] for text in named] == ["rows.h5: row 4", "rows.h5: row 5"]
    # 5 batches of 4 out of rounds of 8
    assert result.texts[-2] == 'layer "data", phase TRAIN: a record that cannot be read was left out 4 times'
    assert "--data_workers: no layer of the net decodes records, so nothing changes" in result.texts
    whole = Path("tiny_iter_5.caffemodel").read_bytes()
    words = ("--on-bad-record=skip", "--snapshot=tiny_iter_2.solverstate")
    assert program("train", "solver.prototxt", *words).status == 0
    assert Path("tiny_iter_5.caffemodel").read_bytes() == whole


def test_time_leaves_it_out(caffelite, damaged):
    assert ERROR in caffelite("time", "net.prototxt", "--iterations=2").error
    assert caffelite("time", "net.prototxt", "--iterations=2", "--on-bad-record=skip").status == 0
