import logging

import pytest

from caffelite.core.errors import UsageError
from caffelite.core.solver.solver import get_solver
from caffelite.reports import net_pictures, of_training
from caffelite.reports.of_training import TrainingReport
from caffelite.reports.page import Html

SOLVER = """net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 6 test_iter: 1 test_interval: 3
random_seed: 1 snapshot_prefix: "s"  # <a comment>
"""
NET = """name: "n<>"
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param { shape { dim: 4 dim: 3 }
  shape { dim: 4 } data_filler { type: "gaussian" } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture
def solver(tmp_path, monkeypatch):
    """Make a solver of the files above: solver(text, net)."""
    monkeypatch.chdir(tmp_path)

    def make(text=SOLVER, net=NET):
        (tmp_path / "net.prototxt").write_text(net)
        (tmp_path / "solver.prototxt").write_text(text)
        return get_solver("solver.prototxt")

    return make


@pytest.fixture
def no_curves(monkeypatch):
    """Let matplotlib draw nothing: it takes half a second."""
    monkeypatch.setattr(net_pictures, "curves", lambda log: Html("curves"))


def test_the_page_of_a_training(solver, tmp_path):
    made = solver()
    report = TrainingReport("run.html", made, [("command", "train <x>")])
    made.solve()
    report.finish()
    page = (tmp_path / "run.html").read_text()
    for words in (
        "<h1>n&lt;&gt;: training report</h1>",
        "trained to the end",
        "<b>6</b><span>iterations</span>",
        "<b>1</b><span>test accuracy at 6</span>",
        ">learning rate</text>",
        "Layer ip, at iterations 0 and 6",
        "SoftmaxWithLoss",
        "# &lt;a comment&gt;",
        "shape { dim: 4 dim: 3 }",
        "test_interval: 3",
        "train &lt;x&gt;",
        "s_iter_6.caffemodel",
    ):
        assert words in page, words
    assert "<a comment>" not in page and "<x>" not in page
    assert len(page) < 100_000


def test_the_weights_are_the_same_with_and_without(solver, tmp_path):
    solver().solve()
    without = (tmp_path / "s_iter_6.caffemodel").read_bytes()
    made = solver()
    report = TrainingReport("run.html", made, [])
    report._free_at = 0.0  # and it is written between the iterations, too
    made.solve()
    assert (tmp_path / "s_iter_6.caffemodel").read_bytes() == without


def test_short_trainings_are_written_once_and_long_ones_in_a_small_part_of_the_time(solver, no_curves, monkeypatch):
    written = []
    monkeypatch.setattr(of_training, "write_page", lambda *page: written.append(page))
    made = solver()
    report = TrainingReport("run.html", made, [])
    made.solve()
    report.finish()
    assert len(written) == 1
    monkeypatch.setattr(of_training, "FIRST_AFTER", 0.0)
    made = solver()
    report = TrainingReport("run.html", made, [])
    made.solve()
    report.finish()
    assert len(written) == 3  # the first iteration, and the end
    monkeypatch.setattr(of_training, "SHARE", float("inf"))
    made = solver()
    report = TrainingReport("run.html", made, [])
    made.solve()
    report.finish()
    assert len(written) == 10


def test_a_lost_folder_costs_a_warning_only(solver, no_curves, tmp_path, caplog):
    (tmp_path / "out").mkdir()
    made = solver()
    report = TrainingReport("out/run.html", made, [])
    (tmp_path / "out").rmdir()
    with caplog.at_level(logging.WARNING, "caffelite"):
        made.solve()
        report.finish()
    warnings = [record.getMessage() for record in caplog.records if record.getMessage().startswith("--report")]
    assert len(warnings) == 1
    assert warnings[0].endswith("; training goes on without")
    assert made.iter == 6


def test_a_full_disk_costs_a_warning_only(solver, no_curves, full_disk, caplog):
    made = solver()
    report = TrainingReport(full_disk / "run.html", made, [])
    with caplog.at_level(logging.WARNING, "caffelite"):
        made.solve()
        report.finish()
    assert any("No space left" in record.getMessage() for record in caplog.records)


def test_why_a_training_failed(solver, no_curves, tmp_path):
    made = solver()
    report = TrainingReport("run.html", made, [])
    made.step(2)
    report.finish("the loss is <nan>")
    page = (tmp_path / "run.html").read_text()
    assert "failed at iteration 2" in page and "the loss is &lt;nan&gt;" in page


def test_without_graphviz_the_layers_are_a_table(solver, no_curves, tmp_path, monkeypatch):
    def refuse(net):
        raise UsageError("pip install 'caffelite[draw]'")

    monkeypatch.setattr(net_pictures, "graph", refuse)
    made = solver()
    report = TrainingReport("run.html", made, [])
    made.solve()
    report.finish()
    page = (tmp_path / "run.html").read_text()
    assert "It is not drawn: pip install &#x27;caffelite[draw]&#x27;." in page
    assert ">ip</td><td class=words>InnerProduct</td><td class=words>4 x 2</td>" in page


def test_no_iterations(solver, tmp_path):
    made = solver(SOLVER.replace("max_iter: 6", "max_iter: 0").replace("test_iter: 1 test_interval: 3", ""))
    report = TrainingReport("run.html", made, [])
    made.solve()
    report.finish()
    assert "No iteration was made." in (tmp_path / "run.html").read_text()
