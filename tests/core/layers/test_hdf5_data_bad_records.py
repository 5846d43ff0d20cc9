"""Rows of HDF5Data that cannot be read: they end the run when their batch is due, or are left out and counted."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelite.core.errors import DataError
from caffelite.core.weights.hdf5_safety import trust
from caffelite.testing import set_up

ROWS, CHUNK = 40, 4
BAD = [*range(8, 12), *range(36, 40)]  # rows of two chunks
GOOD = [row for row in range(ROWS) if row not in BAD]


@pytest.fixture
def rows(data_layers):
    """HDF5Data layers of a file whose row k holds k; damage is done after a layer has looked at the file."""
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("data", data=np.arange(ROWS * 1.0), chunks=(CHUNK,), fletcher32=True)
        file["label"] = np.arange(ROWS) % 3
    trust("a.h5")  # the check, another process, takes its time
    Path("list.txt").write_text("a.h5\n")

    def text_of(fields):
        return (
            f'name: "rows" type: "HDF5Data" top: "data" top: "label" hdf5_data_param {{ source: "list.txt" {fields} }}'
        )

    return data_layers(text_of)


def damage(name, bad, chunk=CHUNK):
    with h5py.File(name, "r") as file:
        places = [file["data"].id.get_chunk_info(number).byte_offset for number in {row // chunk for row in bad}]
    content = bytearray(Path(name).read_bytes())
    for place in places:
        content[place] ^= 1
    Path(name).write_bytes(content)
    trust(name)


def forward(rows, layer, top):
    data, labels = rows.forward(layer, top)
    assert labels.tolist() == [row % 3 for row in data]
    return data.tolist()


def test_a_damaged_row_fails_when_its_batch_is_due(rows):
    layer = rows("batch_size: 3 prefetch: 1")
    top = set_up(layer, [], 2)
    damage("a.h5", BAD)
    assert [forward(rows, layer, top) for _ in range(2)] == [[0, 1, 2], [3, 4, 5]]
    for _ in range(2):
        with pytest.raises(DataError, match=r"a.h5: row 8 of dataset data cannot be read .*damaged or was changed"):
            layer.forward([], top)


def test_also_where_it_was_fetched_with_others(rows):
    """The whole file is one window of shuffled rows."""
    layer = rows("batch_size: 1 prefetch: 1 shuffle: true")
    top = set_up(layer, [], 2)
    whole = [forward(rows, layer, top)[0] for _ in range(ROWS)]
    damage("a.h5", BAD)
    layer = rows("batch_size: 1 prefetch: 1 shuffle: true")
    top = set_up(layer, [], 2)
    first = next(place for place, row in enumerate(whole) if row in BAD)
    assert first > 0
    assert [forward(rows, layer, top)[0] for _ in range(first)] == whole[:first]
    with pytest.raises(DataError, match=f"a.h5: row {whole[first]:.0f} of dataset data cannot be read"):
        layer.forward([], top)


@pytest.mark.parametrize("fields", ["batch_size: 9", "batch_size: 9 shuffle: true", "batch_size: 9 prefetch: 5"])
def test_they_are_left_out_and_counted(rows, caplog, fields):
    layer = rows(fields)
    top = set_up(layer, [], 2)
    whole = sum([forward(rows, layer, top) for _ in range(40)], [])
    damage("a.h5", BAD)
    layer = rows(fields, on_bad_record="skip")
    top = set_up(layer, [], 2)
    found = sum([forward(rows, layer, top) for _ in range(9)], [])
    good = [row for row in whole if row not in BAD]
    assert found == good[:81]
    passed = next(n for n in range(len(whole)) if sum(row not in BAD for row in whole[:n]) == 81)
    assert layer.records_skipped == passed - 81
    named = [message for message in caplog.messages if "is left out (on_bad_record: skip)" in message]
    assert len(named) == len(BAD) and all(f"a.h5: row {row} of dataset data" in " ".join(named) for row in BAD)


@pytest.mark.parametrize("fields", ["batch_size: 9", "batch_size: 7 shuffle: true"])
@pytest.mark.parametrize("passed", [1, 4, 11])
def test_a_run_that_leaves_out_rows_is_resumed_exactly(rows, fields, passed):
    damage("a.h5", BAD)
    layer = rows(fields, on_bad_record="skip")
    top = set_up(layer, [], 2)
    whole = [forward(rows, layer, top) for _ in range(15)]
    stopped = rows(fields, on_bad_record="skip")
    top = set_up(stopped, [], 2)
    for _ in range(passed):
        forward(rows, stopped, top)
    resumed = rows(fields, on_bad_record="skip")
    top = set_up(resumed, [], 2)
    resumed.set_state(stopped.get_state())
    assert [forward(rows, resumed, top) for _ in range(passed, 15)] == whole[passed:]
    assert resumed.get_state() == layer.get_state()


def test_each_solver_leaves_out_its_own_rows(rows):
    damage("a.h5", BAD)
    for rank in range(3):
        layer = rows("batch_size: 10", on_bad_record="skip", solver_rank=rank, solver_count=3)
        top = set_up(layer, [], 2)
        own = [number % ROWS for number in range(rank, 200, 3) if number % ROWS not in BAD]
        assert sum([forward(rows, layer, top) for _ in range(3)], []) == own[:30]


@pytest.mark.parametrize("fields", ["batch_size: 5", "batch_size: 5 shuffle: true"])
def test_nothing_is_looked_for_where_all_rows_are_bad(rows, fields):
    damage("a.h5", range(ROWS))
    layer = rows(fields, on_bad_record="skip")
    top = set_up(layer, [], 2)
    with pytest.raises(DataError, match=f"none of the {ROWS} records can be read; .*a.h5: row 0 of dataset data"):
        layer.forward([], top)


def test_a_chunk_of_thousands_of_rows_may_be_lost(rows):
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("data", data=np.arange(9000.0), chunks=(3000,), fletcher32=True)
        file["label"] = np.arange(9000) % 3
    damage("a.h5", range(3000, 6000), chunk=3000)
    layer = rows("batch_size: 2999", on_bad_record="skip")
    top = set_up(layer, [], 2)
    assert [forward(rows, layer, top)[-1] for _ in range(3)] == [2998, 8997, 2996]
    assert layer.records_skipped == 3000
