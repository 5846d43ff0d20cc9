import re

import onnx
import pytest

from caffelite.core.errors import NetError
from caffelite.core.layer import LAYERS, Layer, layer_type_list, register_layer
from caffelite.onnx_export import export_file, form
from caffelite.onnx_export.form import FORMS, REFUSED, load_forms

load_forms()


def test_every_layer_type_is_exported_or_refused():
    """Add the form of a new type in onnx_export/forms/, or say there what to do in place of it."""
    assert set(FORMS) | set(REFUSED) | {"Input"} >= set(layer_type_list())
    assert not set(FORMS) & set(REFUSED)


def test_every_type_that_is_exported_has_a_case(all_cases):
    """Add a net to a file of cases/."""
    shown = {name for case in all_cases for name in re.findall(r'type: "(\w+)"', case.text)}
    assert set(FORMS) & set(layer_type_list()) - shown == set()


def test_the_reference_evaluator_agrees(case, run_of, agrees):
    run = run_of(case.text)
    model = run.export()
    is_old = tuple(map(int, onnx.__version__.split(".")[:2])) < (1, 23)
    if "reference" not in case.exempt and not (is_old and "reference_before_1_23" in case.exempt):
        assert agrees(run, model)


@pytest.fixture
def own_type():
    """A layer type of the user's, Own, which makes -x."""

    @register_layer("Own")
    class OwnLayer(Layer):
        exact_num_bottom_blobs = exact_num_top_blobs = 1

        def reshape(self, bottom, top):
            top[0].reshape(*bottom[0].shape)

        def forward(self, bottom, top):
            top[0].data[...] = -bottom[0].data

    yield "Own"
    del LAYERS._members["Own"]
    FORMS._members.pop("Own", None)


NET = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "own" type: "Own" bottom: "x" top: "y" }
"""


def test_a_type_of_the_users_own(own_type, run_of, agrees):
    @form(own_type)
    def own(writer):
        return writer.op("Neg", writer.bottom)

    run = run_of(NET)
    model = run.export()
    assert [node.op_type for node in model.graph.node] == ["Neg"]
    assert agrees(run, model)
    with pytest.raises(AssertionError, match="registered twice"):
        form(own_type)(own)


def test_a_type_of_the_users_own_without_a_form(own_type, tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    with pytest.raises(NetError, match=r'net.prototxt:2: layer "own" \(Own\) has no form in ONNX: write one'):
        export_file(tmp_path / "net.prototxt", None, tmp_path / "net.onnx")
