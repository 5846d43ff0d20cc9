import csv
import math

import numpy as np
import pytest

import caffelite
from caffelite.core.errors import UsageError
from caffelite.inspection import Statistics
from caffelite.inspection.statistics import FIELDS

NET = """
layer { name: "in" type: "DummyData" top: "x" top: "t" dummy_data_param {
        shape { dim: 4 dim: 3 } shape { dim: 4 dim: 2 }
        data_filler { type: "gaussian" std: 1 } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" param { lr_mult: 1 } param { lr_mult: 0 }
        inner_product_param { num_output: 2 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }
layer { name: "more" type: "Reduction" bottom: "y" top: "more" reduction_param { operation: SUMSQ } loss_weight: 0.1 }
"""


@pytest.fixture
def solver(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    path = tmp_path / "solver.prototxt"
    path.write_text(
        f'net: "{tmp_path / "net.prototxt"}" base_lr: 0.1 lr_policy: "fixed" momentum: 0.5 iter_size: 2 random_seed: 3'
    )
    return caffelite.get_solver(str(path))


def like(figures, array):
    assert figures.mean == pytest.approx(array.mean(), abs=1e-6)
    assert figures.std == pytest.approx(array.std(), abs=1e-6)
    assert (figures.smallest, figures.largest) == pytest.approx((array.min(), array.max()), abs=1e-6)
    assert figures.zeros == pytest.approx((array == 0).mean())


def test_of_a_net(solver):
    net = solver.net
    net.forward()
    net.backward()
    table = net.statistics()
    like(table.of("activation")["y"].figures, net.blobs["y"].data)
    like(table.of("gradient")["y"].figures, net.blobs["y"].diff)
    like(table.of("weight")["ip[0]"].figures, net.params["ip"][0].data)
    like(table.of("weight gradient")["ip[0]"].figures, net.params["ip"][0].diff)
    assert table.of("activation")["y"].layer == "relu"  # which wrote it last
    assert not table.of("update")
    assert {row.blob for row in table.rows} == {"x", "t", "y", "loss", "more", "ip[0]", "ip[1]"}
    head, *lines = str(table).splitlines()
    assert head.split() == list(FIELDS[1:])
    assert len(lines) == len(table.rows) == table._repr_html_().count("<tr>") - 1


def test_it_pins_nothing_and_takes_no_memory(solver):
    net = solver.net
    net.statistics()
    assert not any(blob.pinned for blob in net._blob_list)
    x = net._blob_list[net.blob_names.index("x")]
    assert x._diff is None


class Spy:
    """Values of one iteration, looked at through the net's own callbacks."""

    def __init__(self, net):
        self.net, self.before_relu, self.weights = net, [], []
        net.after_forward(lambda index: self.before_relu.append(self.y()) if net.layer_names[index] == "ip" else None)

    def y(self):
        return self.net.blobs["y"].data.copy()


def test_while_a_solver_runs(solver):
    net = solver.net
    spy = Spy(net)
    seen = Statistics(solver, every=2)
    weight = net.params["ip"][0]
    gradients = []
    solver.add_callback(lambda: None, lambda: gradients.append(weight.diff.copy()))
    before = weight.data.copy()
    solver.step(1)
    table = seen.tables[0]
    assert (table, seen.last) == (seen.last, table)
    by_layer = {row.layer: row for row in table.rows if row.what == "activation"}
    like(by_layer["ip"].figures, spy.before_relu[1])  # of the second batch, before the layer in place
    like(by_layer["relu"].figures, np.maximum(spy.before_relu[1], 0))
    like(table.of("weight")["ip[0]"].figures, before)
    like(table.of("weight gradient")["ip[0]"].figures, gradients[0] / 2)
    update = table.of("update")["ip[0]"]
    like(update.figures, before - weight.data)
    assert update.ratio == pytest.approx(np.linalg.norm(before - weight.data) / np.linalg.norm(before), rel=1e-5)
    assert "ip[1]" not in table.of("update")  # its lr_mult is 0
    solver.step(4)
    assert list(seen.tables) == [0, 2, 4]
    assert str(seen.last).startswith("iteration 4\nlayer ")


def test_it_changes_nothing_and_looks_only_when_it_is_time(solver, tmp_path):
    other = caffelite.get_solver(str(tmp_path / "solver.prototxt"))
    seen = Statistics(solver, every=3)
    for each in (solver, other):
        each.step(5)
    np.testing.assert_array_equal(solver.net.params["ip"][0].data, other.net.params["ip"][0].data)
    assert list(seen.tables) == [0, 3]
    assert seen not in solver.net.plan.observers


def test_csv(solver, tmp_path):
    file = tmp_path / "statistics.csv"
    Statistics(solver, every=1, file=file)
    solver.step(2)
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert tuple(rows[0]) == FIELDS
    assert {row["iter"] for row in rows} == {"0", "1"}
    (update,) = (row for row in rows if row["what"] == "update" and row["iter"] == "1")
    diff = solver.net.params["ip"][0].diff
    assert float(update["mean"]) == pytest.approx(diff.mean(), rel=1e-5)
    assert float(update["ratio"]) > 0
    again = Statistics(solver, every=1, file=file)  # a run that goes on adds to it
    assert file.read_text().count("iter,") == 1
    assert again.last.rows == []


def test_refusals(solver, tmp_path):
    with pytest.raises(UsageError, match="every is 0; use 1 or more"):
        Statistics(solver, every=0)
    other = tmp_path / "notes.txt"
    other.write_text("mine\n")
    with pytest.raises(UsageError, match="notes.txt is there, and no table of statistics"):
        Statistics(solver, file=other)
    assert other.read_text() == "mine\n"
    with pytest.raises(UsageError, match="cannot be written"):
        Statistics(solver, file=tmp_path / "nowhere" / "s.csv")


def test_weights_of_zeros(solver):
    solver.net.params["ip"][0].data[...] = 0
    seen = Statistics(solver)
    solver.net.params["ip"][1].data[...] = 1
    solver.step(1)
    assert seen.last.of("update")["ip[0]"].ratio == math.inf
