import pytest

from caffelite.core.errors import LayerError
from caffelite.onnx_export.form import REFUSED, load_forms

load_forms()


def test_random_numbers_are_refused(run_of):
    text = 'layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2 } data_filler { %s } } }'
    run = run_of(text % 'type: "gaussian"')
    with pytest.raises(LayerError, match='data_filler.type is "gaussian"; ONNX cannot say that'):
        run.export()


@pytest.mark.parametrize("name", ["Data", "SoftmaxWithLoss", "Accuracy"])
def test_what_is_for_training_leads_to_deploy(name):
    assert "caffelite deploy" in REFUSED[name]
