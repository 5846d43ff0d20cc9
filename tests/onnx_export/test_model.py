import sys

import onnx
import pytest

from caffelite.core.errors import NetError, UsageError
from caffelite.onnx_export import model
from caffelite.onnx_export.graph import Graph

NET = """name: "small"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 } }
"""


def test_weights_are_initializers_and_no_inputs(run_of):
    made = run_of(NET).export()
    assert made.graph.name == "small"
    assert made.producer_name == "caffelite"
    assert [value.name for value in made.graph.input] == ["x"]
    assert {tensor.name: tuple(tensor.dims) for tensor in made.graph.initializer} == {"ip.0": (2, 3), "ip.1": (2,)}
    assert [(one.domain, one.version) for one in made.opset_import] == [("", 15)]


def test_it_has_been_checked_with_its_shapes(run_of, monkeypatch):
    calls = []
    monkeypatch.setattr(onnx.checker, "check_model", lambda *_, **options: calls.append(options))
    run_of(NET).export()
    assert calls == [{"full_check": True}]


def test_the_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"pip install 'caffelite\[onnx\]'"):
        model.require_onnx()


def test_a_model_that_no_file_can_hold_is_refused(monkeypatch, run_of):
    monkeypatch.setattr(model, "LARGEST", 2**20 + 16)
    with pytest.raises(NetError, match="holds at most 2 GB"):
        run_of(NET).export()


def test_a_graph_without_operators_is_a_model():
    assert not model.model_of(Graph("empty")).graph.node
