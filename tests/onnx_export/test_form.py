import re

import pytest

from caffelite.core.layer import layer_type_list
from caffelite.onnx_export import form
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


def test_the_reference_evaluator_agrees(case, run_of, agree):
    run = run_of(case.text)
    model = run.export()
    if "reference" not in case.exempt:
        agree(run, model)


def test_a_type_of_the_users_own(run_of, agree):
    @form("Own")
    def own(writer):
        return writer.op("Neg", writer.bottom)

    try:
        assert FORMS["Own"] is own
        with pytest.raises(AssertionError, match="registered twice"):
            form("Own")(own)
    finally:
        del FORMS._members["Own"]
