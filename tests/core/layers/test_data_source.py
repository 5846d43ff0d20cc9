"""Where a Data layer's database is, and of which kind."""

import os
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.data.datum import raw_datum
from caffelite.core.data.leveldb_writer import write_leveldb
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.errors import LayerError
from caffelite.core.layer import make_layer
from caffelite.proto.caffe_pb2 import TEST, LayerParameter
from caffelite.testing import set_up


def write(write_database=write_lmdb):
    """Five records whose pixels and label are their number."""
    images = (np.full((2, 3, 4), number, np.uint8) for number in range(5))
    write_database(Path("db"), [(b"%03d" % number, raw_datum(image, number)) for number, image in enumerate(images)])


@pytest.mark.parametrize("source", ["db", "nowhere_lmdb"])
def test_says_that_leveldb_is_the_default(folder, source):
    write()
    text = f'type: "Data" data_param {{ source: "{source}" batch_size: 1 }}'
    layer = make_layer(text_format.Parse(text, LayerParameter()))
    with pytest.raises(LayerError, match=rf"backend is LEVELDB \(Caffe's default\); .*\"{source}\".*`backend: LMDB`"):
        set_up(layer, [], 2)


def test_says_that_a_folder_is_of_leveldb(data):
    write(write_leveldb)
    with pytest.raises(LayerError, match=r'backend is LMDB; "db" is a LevelDB folder: write `backend: LEVELDB`'):
        set_up(data("batch_size: 1"), [], 2)


def test_leveldb_wraps_and_a_resumed_run_goes_on_with_the_next_record(data):
    write(write_leveldb)
    fields = "batch_size: 3 backend: LEVELDB"
    layer = data(fields)
    assert data.labels_of(layer, 3) == [[0, 1, 2], [3, 4, 0], [1, 2, 3]]
    resumed = data(fields)
    top = set_up(resumed, [], 2)
    resumed.set_state(layer.get_state())
    assert [data.forward(resumed, top)[1].tolist() for _ in range(2)] == [[4, 0, 1], [2, 3, 4]]
    shares = [data.labels_of(data(fields, solver_rank=rank, solver_count=2), 2) for rank in range(2)]
    assert shares == [[[0, 2, 4], [1, 3, 0]], [[1, 3, 0], [2, 4, 1]]]


def test_several_layers_and_a_forked_process_read_one_leveldb(data):
    write(write_leveldb)
    fields = "batch_size: 2 backend: LEVELDB"
    layers = [data(fields), data(fields, phase=TEST)]
    tops = [set_up(layer, [], 2) for layer in layers]
    for layer, top in zip(layers, tops, strict=True):
        assert data.forward(layer, top)[1].tolist() == [0, 1]
    process = os.fork()
    if not process:
        found = [data.forward(layer, top)[1].tolist() for layer, top in zip(layers, tops, strict=True)]
        os._exit(0 if found == [[2, 3], [2, 3]] else 1)
    assert os.waitpid(process, 0)[1] == 0
    assert data.forward(layers[0], tops[0])[1].tolist() == [2, 3]
    for layer in layers:
        layer.close()
    del layer, layers, tops


def test_a_missing_source_lists_the_places(data):
    with pytest.raises(
        LayerError,
        match=r"source is \"no/db\"; there is no such file \(tried .*/no/db, /proto/folder/no/db and the fol",
    ):
        set_up(data("batch_size: 1", source="no/db", folder=Path("/proto/folder")), [], 2)


def test_a_missing_source_names_the_command_that_makes_it(data):
    with pytest.raises(LayerError, match=r"no such file .*; make it with `caffelite dataset mnist`"):
        set_up(data("batch_size: 1", source="data/mnist_train_lmdb"), [], 2)


def test_a_source_that_is_no_database_is_named_by_its_field(data, folder):
    (folder / "db").mkdir()
    with pytest.raises(LayerError, match=r'data_param\.source is "db"; db is not an LMDB database'):
        set_up(data("batch_size: 1"), [], 2)


def test_a_source_beside_the_prototxt(data, folder, monkeypatch):
    write()
    os.mkdir("elsewhere")
    monkeypatch.chdir("elsewhere")
    assert data.labels_of(data("batch_size: 2", folder=folder), 1) == [[0, 1]]


def test_the_digits_are_made_when_first_used(data, caplog):
    caplog.set_level("INFO")
    assert data.labels_of(data("batch_size: 10", source="data/digits_train_lmdb"), 1) == [
        [1, 3, 5, 6, 7, 8, 9, 0, 1, 2]
    ]
    assert caplog.messages[0] == "Making data/digits_train_lmdb from the digits that come with caffelite"
    caplog.clear()
    set_up(data("batch_size: 5", source="data/digits_test_lmdb"), [], 2)
    assert caplog.messages == ["Opened lmdb data/digits_test_lmdb", "output data size: 5,1,28,28"]
