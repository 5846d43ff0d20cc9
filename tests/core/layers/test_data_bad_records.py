"""A Data layer's threads: their number changes nothing, and they leave out records that they cannot read."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from caffelite.core.data.datum import encoded_datum
from caffelite.core.data.lmdb_writer import write_lmdb
from caffelite.core.data.opencv import encode
from caffelite.core.errors import DataError
from caffelite.testing import set_up


def write_pngs(count, bad=()):
    """Images k of 3 x 9 x 9, their label k, as PNGs; those in `bad` are cut short, or, where odd, no records at all."""
    shutil.rmtree("db", ignore_errors=True)
    records = []
    for number in range(count):
        image = np.random.default_rng(number).integers(0, 256, (9, 9, 3), np.uint8)
        data = encode(image, "png")
        value = encoded_datum(data[: len(data) // 2] if number in bad else data, number)
        records.append((b"%03d" % number, b"\xff\xff" if number in bad and number % 2 else value))
    write_lmdb(Path("db"), records)


RANDOM = "crop_size: 7 mirror: true mean_value: 100"


def test_what_is_read_does_not_depend_on_the_number_of_workers(data):
    write_pngs(150)
    first = data.run(data("batch_size: 70", transform=RANDOM, data_workers=1), 4)
    assert np.ravel([labels for _, labels in first]).tolist() == [number % 150 for number in range(280)]
    for workers in (2, 5):
        np.testing.assert_equal(data.run(data("batch_size: 70", transform=RANDOM, data_workers=workers), 4), first)


@pytest.mark.parametrize("workers", [1, 4])
def test_of_several_bad_records_the_first_is_named(data, workers):
    write_pngs(40, bad={21, 33, 35})
    layer = data("batch_size: 20", data_workers=workers)
    top = set_up(layer, [], 2)
    data.forward(layer, top)
    with pytest.raises(DataError, match='db: record "021": it is not a Datum'):
        data.forward(layer, top)


BAD = {0, 5, 6, 22, 39}
GOOD = [number for number in range(40) if number not in BAD]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("prefetch", [1, 4])
def test_bad_records_are_left_out_and_counted(data, caplog, workers, prefetch):
    write_pngs(40, BAD)
    layer = data(f"batch_size: 9 prefetch: {prefetch}", on_bad_record="skip", data_workers=workers)
    found = data.labels_of(layer, 9)
    assert np.ravel(found).tolist() == [GOOD[turn % len(GOOD)] for turn in range(81)]
    assert layer.records_skipped == 5 + 5 + 3  # two rounds of 35, and 11 of the third
    assert layer.records[-1] == 80 + found[-1][-1]
    named = [message.partition(": record ")[2][:5] for message in caplog.messages if "is left out" in message]
    assert named == ['"000"', '"005"', '"006"', '"022"', '"039"']


def test_draws_stay_those_of_the_record(data):
    write_pngs(40, BAD)
    damaged = data.run(data("batch_size: 7", transform=RANDOM, on_bad_record="skip"), 5)
    write_pngs(40)
    whole = data.run(data("batch_size: 40", transform=RANDOM), 1)[0][0]
    np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in damaged]), whole[GOOD])


@pytest.mark.parametrize("passed", [1, 4, 11])
def test_a_run_that_leaves_out_records_is_resumed_exactly(data, passed):
    write_pngs(40, BAD)
    fields = {"fields": "batch_size: 9", "transform": RANDOM, "on_bad_record": "skip"}
    layer = data(**fields)
    whole = data.run(layer, 15)
    stopped = data(**fields, data_workers=1)
    data.run(stopped, passed)
    resumed = data(**fields, data_workers=3)
    top = set_up(resumed, [], 2)
    resumed.set_state(stopped.get_state())
    for expected in whole[passed:]:
        np.testing.assert_equal(data.forward(resumed, top), expected)
    assert resumed.get_state() == layer.get_state()


def test_a_run_that_a_bad_record_stopped_goes_on_without_it(data):
    write_pngs(40, bad={21})
    stopped = data("batch_size: 20")
    data.run(stopped, 1)
    resumed = data("batch_size: 20", on_bad_record="skip")
    top = set_up(resumed, [], 2)
    resumed.set_state(stopped.get_state())
    assert data.forward(resumed, top)[1].tolist() == [20, *range(22, 40), 0]


def test_each_solver_leaves_out_its_own_records(data):
    write_pngs(40, bad={4, 7, 10})
    for rank in range(3):
        layer = data("batch_size: 10", on_bad_record="skip", solver_rank=rank, solver_count=3)
        own = [number % 40 for number in range(rank, 200, 3) if number % 40 not in (4, 7, 10)]
        assert np.ravel(data.labels_of(layer, 3)).tolist() == own[:30]


def test_nothing_is_looked_for_where_all_records_are_bad(data):
    write_pngs(12, bad=set(range(12)))
    with pytest.raises(DataError, match='none of the 12 records can be read; .*db: record "000"'):
        set_up(data("batch_size: 5", on_bad_record="skip"), [], 2)
