"""What is left to compile, on a table by hand; and what the committed table has to know of the present sources."""

import json
from importlib import import_module

import pytest
from google.protobuf import text_format

import caffelite
import caffelite.core.solver.rules  # noqa: F401  (registers them)
from caffelite.core.kernels.jit.progress import Compiled, Rest
from caffelite.core.layer import layer_type_list
from caffelite.core.net import forecast
from caffelite.core.net.forecast import KernelTable, fields_of_layer, table, without_form
from caffelite.core.solver.solver import SOLVERS
from caffelite.core.type_names import DEPTHWISE
from caffelite.proto.caffe_pb2 import LayerParameter

# a.run calls a.inner and a.shared, b.run calls a.shared
SMALL = {
    "kernels": [
        ["a.inner", 2000, []],
        ["a.shared", 1000, []],
        ["a.run.parallel", 3000, [0, 1]],
        ["b.run.python", 4000, [1]],
    ],
    "cases": {"A": [[["bottoms=1"], [2], []], [["bottoms=2", "a_param.mode=1"], [2, 3], []]]},
}


@pytest.fixture
def small():
    return KernelTable(json.dumps(SMALL))


def seen(done=(), loaded=(), now=(), seconds=0.0, since=0.0):
    return Compiled(list(done), list(loaded), list(now), seconds, since)


def test_all_that_is_called_counts_once(small):
    assert small.rest([2, 3], seen()) == Rest(4, 10.0)
    assert small.rest([3], seen()) == Rest(2, 5.0)


def test_what_is_compiled_or_loaded_is_not_left_nor_what_only_that_calls(small):
    assert small.rest([2, 3], seen(loaded=["a.run.parallel"])) == Rest(2, 5.0)
    assert small.rest([2, 3], seen(loaded=["a.shared"])) == Rest(3, 9.0)
    done = ["a.inner", "a.shared", "a.run.python"]  # on one thread instead of all: the same work
    assert small.rest([2, 3], seen(done=done, seconds=3.0)) == Rest(1, 4.0)


def test_what_is_compiled_now_is_still_left_known_or_not(small):
    assert small.rest([3], seen(now=["b.run.python", "a.shared"])) == Rest(2, 5.0)
    assert small.rest([3], seen(now=["mine.run.python", "mine.inner"])) == Rest(4, 5.0)


def test_nothing_known_is_left(small):
    assert small.rest([], seen(now=["mine.run.python"])) is None
    assert small.rest([3], seen(done=["a.shared", "b.run.python"], now=["mine"])) is None


def test_this_machine_is_as_much_slower_as_it_was_so_far_trusted_by_and_by(small):
    slow = seen(done=["a.inner"], seconds=6.0)  # 2 s in the table: three times; and two seconds of trust in the table
    assert small.rest([2], slow) == Rest(2, 4.0 * (6 + 2) / (2 + 2))
    assert small.rest([2], slow._replace(since=1.5)) == Rest(2, 8.0 - 1.5)


def test_the_case_that_is_most_like_the_layer(small):
    assert small.nearest("A", frozenset({"bottoms=1", "a_param.x"})).forward == [2]
    assert small.nearest("A", frozenset({"bottoms=3", "a_param.mode=1"})).forward == [2, 3]
    assert small.nearest("TheirOwn", frozenset()) is None


def layer(text):
    return text_format.Parse(text, LayerParameter())


def test_fields_of_a_layer_are_those_that_may_choose_a_kernel():
    text = (
        'type: "Convolution" bottom: "x" convolution_param {{ num_output: {0} kernel_size: 3 group: {1} '
        'weight_filler {{ type: "xavier" }} }}'
    )
    plain = fields_of_layer(layer(text.format(8, 1)))
    assert plain == {"bottoms=1", "kernel_size=[3]", "group=1"}
    assert fields_of_layer(layer(text.format(64, 1))) == plain
    assert fields_of_layer(layer(text.format(8, 8))) - plain == {"group=num_output"}
    assert fields_of_layer(layer('type: "ReLU" bottom: "x" relu_param { negative_slope: 0.1 }')) == {
        "bottoms=1",
        "negative_slope",
    }


NET = """
layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 2 dim: 1 dim: 8 dim: 8 } } }
layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }
layer { name: "pool" type: "Pooling" bottom: "relu" top: "pool" pooling_param { kernel_size: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "Reduction" bottom: "ip" top: "loss" loss_weight: 1 }
"""


def wanted_names():
    return {table().kernels[row].name.rpartition(".")[0] for row in forecast.wanted()}


def names_of(type_name, which):
    """The kernels of a type's first case: what a layer with few fields is like."""
    return {table().kernels[row].name.rpartition(".")[0] for row in getattr(table().cases[type_name][0], which)}


@pytest.fixture
def net_of(monkeypatch, tmp_path):
    """A net of NET, the only one that is noted."""
    monkeypatch.setattr(forecast, "_nets", [])
    monkeypatch.setattr(forecast, "_solvers", [])
    (tmp_path / "net.prototxt").write_text(NET)
    return lambda phase: caffelite.Net(tmp_path / "net.prototxt", phase)


def test_layers_that_get_no_gradient_want_no_kernels_for_it(net_of):
    net = net_of(caffelite.TRAIN)  # no parameters lie before ReLU and Pooling
    wanted = wanted_names()
    assert names_of("ReLU", "forward") <= wanted and names_of("InnerProduct", "backward") <= wanted
    only_back = names_of("ReLU", "backward") - names_of("ReLU", "forward")
    assert only_back and not only_back & wanted
    del net


def test_what_ran_wants_no_more(net_of):
    net = net_of(caffelite.TRAIN)
    net.forward(end="pool")
    assert not names_of("ReLU", "forward") & wanted_names()
    assert names_of("InnerProduct", "forward") <= wanted_names()
    net.forward()
    assert names_of("InnerProduct", "backward") <= wanted_names()
    net.backward()
    assert wanted_names() == set()


def test_a_net_for_tests_has_no_way_back(net_of):
    net = net_of(caffelite.TEST)
    assert names_of("InnerProduct", "forward") <= wanted_names()
    net.forward()
    assert wanted_names() == set()


def test_the_committed_table_knows_every_layer_type_and_update_rule():
    known = {kind for kind, cases in table().cases.items() if cases} - {"Python"}  # runs the user's code
    rules = {forecast.rule_kind(name) for name in SOLVERS}
    assert set(table().cases) == {*layer_type_list(), *rules}, "run tools/kernel_table.py"
    as_convolutions = set(DEPTHWISE)  # what they run is asked of Convolution
    wanted = {*layer_type_list(), *rules} - {"Python", "MemoryData"} - as_convolutions
    assert known == wanted, "run tools/kernel_table.py"


def test_every_kernel_of_the_committed_table_is_still_there():
    for kernel in table().kernels:
        parts = without_form(kernel.name).rpartition("caffelite.core.kernels.")[2]  # of an update rule it comes twice
        module, _, name = parts.rpartition(".")
        assert hasattr(import_module(f"caffelite.core.kernels.{module}"), name), f"{kernel}: run tools/kernel_table.py"
