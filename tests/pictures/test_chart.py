import logging

import pytest

from caffelite.core import events
from caffelite.core.errors import UsageError
from caffelite.core.events import Output
from caffelite.pictures import chart
from caffelite.pictures.chart import Chart


def train(listener):
    """Send what a solver sends in two iterations and a test."""
    outputs = (Output("accuracy", 0.5, 0), Output("loss", 1.5, 1))
    listener(events.NetTestFinished(0, 0, outputs, None, 0.1))
    listener(events.IterationDisplayed(0, 2.0, outputs[1:], 0.1, 1, 1))
    listener(events.LearningRateDisplayed(0, 0.1))
    listener(events.IterationDisplayed(1, 1.0, outputs[1:], 0.1, 1, 1))
    listener(events.LearningRateDisplayed(1, 0.05))
    listener(events.FinalLossDisplayed(2, 0.5))
    listener(events.OptimizationDone(2))


@pytest.fixture
def drawn(monkeypatch):
    """Iterations of the training rows that each picture was drawn of; nothing is drawn."""
    pictures = []
    monkeypatch.setattr(chart, "show_training", lambda runs: [[row.iter for row in run.train] for run in runs.values()])
    monkeypatch.setattr(chart, "save", lambda picture, path: pictures.extend(picture))
    return pictures


def test_it_gathers_what_the_log_shows(tmp_path, drawn):
    listener = Chart(tmp_path / "x.png")
    train(listener)
    rows = listener.log.train
    assert [(row.iter, row.loss, row.lr) for row in rows] == [(0, 2.0, 0.1), (1, 1.0, 0.05), (2, 0.5, None)]
    assert [(row.iter, row.outputs) for row in listener.log.tests[0]] == [(0, {"accuracy": 0.5, "loss": 1.5})]
    assert listener.log.loss_names == {"loss"}


def test_drawn_at_every_display_and_test_and_at_the_end(tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(chart, "SHARE", float("inf"))
    train(Chart(tmp_path / "x.png"))
    assert drawn == [[], [0], [0, 1], [0, 1, 2]]


def test_at_most_a_tenth_of_the_time_is_drawn_but_always_at_the_end(tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(chart, "SHARE", 1e-9)
    train(Chart(tmp_path / "x.png"))
    assert drawn == [[], [0, 1, 2]]


def test_a_file_that_cannot_be_written_costs_a_warning_only(tmp_path, caplog):
    (tmp_path / "folder").mkdir()
    listener = Chart(tmp_path / "folder" / "x.png")
    (tmp_path / "folder").rmdir()
    with caplog.at_level(logging.WARNING, "caffelite"):
        train(listener)
    (record,) = caplog.records
    assert record.getMessage().startswith("--chart: ")
    assert record.getMessage().endswith("; training goes on without")


def test_a_path_that_cannot_be_is_refused_before_training(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        Chart(tmp_path / "nowhere" / "x.png")
