import pytest

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 dim: 5 dim: 6 } } }\n'
FILLERS = 'weight_filler { type: "gaussian" std: 0.5 }'
UNIFORM = 'filler { type: "uniform" min: 0.5 max: 2 } bias_filler { type: "gaussian" std: 1 }'
PRODUCTS = {
    "Convolution": f"convolution_param {{ num_output: 4 kernel_size: 3 group: 2 {FILLERS} }}",
    "Convolution without bias": f"convolution_param {{ num_output: 4 kernel_size: 3 bias_term: false {FILLERS} }}",
    "Deconvolution": f"convolution_param {{ num_output: 6 kernel_size: 2 {FILLERS} }}",
    "InnerProduct": f"inner_product_param {{ num_output: 3 {FILLERS} }}",
    "InnerProduct transposed": f"inner_product_param {{ num_output: 3 transpose: true bias_term: false {FILLERS} }}",
}
NORMALIZED = f"""layer {{ name: "bn" type: "BatchNorm" bottom: "y" top: "y" }}
layer {{ name: "scale" type: "Scale" bottom: "y" top: "y" scale_param {{ bias_term: true {UNIFORM} }} }}
layer {{ name: "half" type: "Power" bottom: "y" top: "y" power_param {{ scale: 0.5 shift: 1 }} }}
layer {{ name: "relu" type: "ReLU" bottom: "y" top: "y" }}
"""


def product(name, bottom="x", top="y"):
    kind, _, _ = name.partition(" ")
    return f'layer {{ name: "product" type: "{kind}" bottom: "{bottom}" top: "{top}" {PRODUCTS[name]} }}\n'


def operators(model):
    return [node.op_type for node in model.graph.node if node.op_type != "Flatten"]


@pytest.mark.parametrize("name", PRODUCTS)
def test_batch_norm_and_scale_become_part_of_a_product(name, run_of, agrees):
    run = run_of(INPUT + product(name) + NORMALIZED)
    plain, folded = run.export(), run.export(folded=True)
    assert len(operators(plain)) == 7
    assert len(operators(folded)) == 2
    assert [node.output[0] for node in folded.graph.node][-2:] == ["y_before_relu", "y"]
    assert agrees(run, folded)


def test_what_stands_before_a_product_becomes_one_batch_norm(run_of, agrees):
    run = run_of(INPUT + NORMALIZED.replace('"y"', '"x"') + product("Convolution"))
    folded = run.export(folded=True)
    assert operators(folded) == ["BatchNormalization", "Relu", "Conv"]
    assert agrees(run, folded)


def test_a_product_that_others_read_stays(run_of, agrees):
    other = 'layer { name: "other" type: "AbsVal" bottom: "y" top: "z" }\n'
    normalized = NORMALIZED.replace('bottom: "y"', 'bottom: "n"').replace('top: "y"', 'top: "n"')
    run = run_of(INPUT + product("Convolution") + other + normalized.replace('bottom: "n"', 'bottom: "y"', 1))
    folded = run.export(folded=True)
    assert operators(folded)[:3] == ["Conv", "Abs", "BatchNormalization"]  # the rest is in the last
    assert agrees(run, folded)


def test_shared_weights_are_folded_where_they_are_scaled(run_of, agrees):
    shared = [
        product("Convolution", *ends).replace("convolution_param", 'param { name: "w" } convolution_param')
        for ends in (("x", "y"), ("x", "z"))
    ]
    run = run_of(INPUT + shared[0] + NORMALIZED + shared[1].replace('"product"', '"again"'))
    folded = run.export(folded=True)
    assert sorted(operators(folded)) == ["Conv", "Conv", "Relu"]
    assert agrees(run, folded)


def test_a_scale_along_another_axis_stays(run_of, agrees):
    scale = f'layer {{ name: "s" type: "Scale" bottom: "y" top: "y" scale_param {{ axis: 2 {UNIFORM} }} }}\n'
    run = run_of(INPUT + product("Convolution") + scale)
    folded = run.export(folded=True)
    assert operators(folded) == ["Conv", "Mul"]
    assert agrees(run, folded)
