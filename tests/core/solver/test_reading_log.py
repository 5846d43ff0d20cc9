import time
from types import SimpleNamespace

import pytest

from caffelite.core import events
from caffelite.core.solver.reading_log import ReadingLog
from caffelite.proto.caffe_pb2 import TRAIN


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands where it is put."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(time, "perf_counter", lambda: now.seconds)
    return now


def test_says_how_long_training_waited(clock, caplog):
    caplog.set_level("INFO")
    layer = SimpleNamespace(name="data", phase=TRAIN, records_skipped=0, seconds_waited=5.0, seconds_for_first=0.0)
    log = ReadingLog([layer])
    displayed = events.IterationDisplayed(10, 0.5, (), 1.0, 10.0, 10)
    clock.seconds = 100.0
    log(events.SolvingStarted(0, "net", "fixed", 100))
    clock.seconds, layer.seconds_waited = 110.0, 8.0
    log(displayed)
    assert caplog.messages == ["    30% of the time was spent waiting for data (3.0 s of 10.0 s)"]
    clock.seconds, layer.seconds_waited = 120.0, 8.9
    log(displayed)  # less than a tenth
    clock.seconds, layer.seconds_waited = 120.5, 9.4
    log(displayed)  # too soon
    assert len(caplog.messages) == 1
    clock.seconds, layer.records_skipped = 150.0, 4
    log(events.OptimizationDone(100))
    assert caplog.messages[1:] == [
        "9% of the time was spent waiting for data (4.4 s of 50.0 s): reading, decoding and transforming were slower "
        "than the net (--data_workers)",
        'layer "data", phase TRAIN: a record that cannot be read was left out 4 times',
    ]
    assert log.text.startswith("9% of the time")


def test_much_waiting_adds_up_until_it_is_worth_a_line(clock, caplog):
    caplog.set_level("INFO")
    layer = SimpleNamespace(name="data", phase=TRAIN, records_skipped=0, seconds_waited=0.0, seconds_for_first=0.0)
    log = ReadingLog([layer])
    log(events.SolvingStarted(0, "net", "fixed", 100))
    for clock.seconds, layer.seconds_waited in [(1.0, 0.5), (2.0, 0.9), (3.0, 1.2), (4.0, 1.7), (5.0, 2.2)]:
        log(events.IterationDisplayed(10, 0.5, (), 1.0, 10.0, 10))
    assert caplog.messages == [
        "    40% of the time was spent waiting for data (1.2 s of 3.0 s)",
        "    50% of the time was spent waiting for data (1.0 s of 2.0 s)",
    ]


def test_says_nothing_of_a_training_that_did_not_wait(clock, caplog):
    caplog.set_level("INFO")
    log = ReadingLog(
        [SimpleNamespace(name="data", phase=TRAIN, records_skipped=0, seconds_waited=0.0, seconds_for_first=0.0)]
    )
    clock.seconds = 10.0
    log(events.OptimizationStopped(5))
    assert not caplog.messages and not log.text


def test_the_wait_for_first_batches_counts_neither_as_waiting_nor_as_time(clock, caplog):
    caplog.set_level("INFO")
    layer = SimpleNamespace(name="data", phase=TRAIN, records_skipped=0, seconds_waited=0.0, seconds_for_first=0.0)
    log = ReadingLog([layer])
    log(events.SolvingStarted(0, "net", "fixed", 100))
    clock.seconds, layer.seconds_waited, layer.seconds_for_first = 10.0, 4.0, 6.0
    log(events.IterationDisplayed(10, 0.5, (), 1.0, 10.0, 10))
    assert caplog.messages == ["    100% of the time was spent waiting for data (4.0 s of 4.0 s)"]
