import pytest

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 8 dim: 8 } } }\n'
# cannot be built, so that nothing is known of "x"
BAD = 'layer { name: "bad" type: "Pooling" bottom: "data" top: "x" pooling_param { kernel_size: 0 } }\n'


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ('type: "Convolution" convolution_param { num_output: 2 kernel_size: 0 }', "kernel_size is 0; use 1 or more"),
        ('type: "Convolution" convolution_param { num_output: 0 kernel_size: 3 group: 2 }', "num_output is 0"),
        ('type: "InnerProduct" inner_product_param { num_output: 0 }', "num_output is 0"),
        (
            'type: "InnerProduct" inner_product_param { num_output: 9 weight_filler { type: "xaviar" } }',
            'weight_filler.type is "xaviar"; Unknown filler name: did you mean "xavier"?',
        ),
        ('type: "Dropout" dropout_param { dropout_ratio: 2 }', "dropout_ratio is 2"),
        ('type: "LRN" lrn_param { local_size: 4 }', "local_size is 4"),
    ],
)
def test_what_a_layers_own_fields_have_wrong(problems, layer, message):
    (_, found) = problems(f'{INPUT}{BAD}layer {{ name: "it" bottom: "x" top: "y" {layer} }}\n')
    assert found.startswith('3: error: layer "it" (') and message in found


@pytest.mark.parametrize(
    "layer",
    [
        'type: "Convolution" convolution_param { num_output: 2 kernel_size: 3 kernel_size: 3 kernel_size: 3 }',  # 3-d
        'type: "Convolution" convolution_param { num_output: 6 kernel_size: 30 group: 6 }',
        'type: "Slice" top: "z" slice_param { axis: 0 slice_point: 19 }',
        'type: "Reshape" reshape_param { shape { dim: 7 dim: -1 } }',
        'type: "Concat" bottom: "data" concat_param { axis: 7 }',
        'type: "SoftmaxWithLoss" bottom: "data"',
        'type: "Eltwise" bottom: "data" eltwise_param { coeff: 1 coeff: 2 }',
        'type: "Python" python_param { module: "no_such" layer: "Layer" }',
    ],
)
def test_what_depends_on_the_bottoms_is_not_judged(problems, layer):
    (found,) = problems(f'{INPUT}{BAD}layer {{ name: "it" bottom: "x" top: "y" {layer} }}\n')
    assert found.startswith("2: error: ")
