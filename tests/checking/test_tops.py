import pytest

DATA = """layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
"""
IP = """layer {{ name: "{0}" type: "InnerProduct" bottom: "data" top: "{0}"
  inner_product_param {{ num_output: 4 weight_filler {{ type: "xavier" }} }} }}
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }\n'


def test_tops_that_nobody_reads(problems):
    text = DATA.replace('"label"', '"label" top: "weights"').replace(
        "shape { dim: 2 } }", "shape { dim: 2 } shape { dim: 5 } }"
    )
    found = problems(text + IP.format("ip") + IP.format("extra") + LOSS)
    assert found == [
        '1: warning: layer "data": no layer reads the top "weights"; if it is meant, say so with a layer '
        '{ name: "weights_silence" type: "Silence" bottom: "weights" }',
        '5: warning: layer "extra": no layer reads the top "extra"; it is computed for nothing; if it '
        'is meant, say so with a layer { name: "extra_silence" type: "Silence" bottom: "extra" }',
    ]


@pytest.mark.parametrize(
    "text",
    [
        DATA + IP.format("ip") + IP.format("extra"),  # no loss: that is what it is for
        DATA + IP.format("ip") + LOSS,
        DATA
        + IP.format("ip")
        + 'layer { name: "a" type: "Accuracy" bottom: "ip" bottom: "label" top: "a" top: "b" }\n'
        + LOSS,
        DATA + IP.format("ip") + IP.format("extra") + 'layer { name: "s" type: "Silence" bottom: "extra" }' + LOSS,
    ],
)
def test_results_are_no_waste(problems, text):
    assert problems(text) == []


def test_the_last_of_the_layers_in_place_is_named(problems):
    (warning,) = problems(
        DATA
        + IP.format("ip")
        + IP.format("extra")
        + 'layer { name: "r" type: "ReLU" bottom: "extra" top: "extra" }\n'
        + LOSS
    )
    assert warning.startswith('7: warning: layer "r"')
