INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 8 } } }\n'
CONV = """layer { name: "conv" type: "Convolution" bottom: "x" top: "y"
 convolution_param { num_output: 4 kernel_size: 3 stride: 2 weight_filler { type: "gaussian" std: 0.5 } } }
"""
PRODUCT = 'layer { name: "ip" type: "InnerProduct" bottom: "y" top: "z" inner_product_param { num_output: 2 } }\n'


def dims(values):
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values
    }


def test_batch_height_and_width_are_open_in_a_net_of_convolutions(run_of, agrees):
    run = run_of(INPUT + CONV + 'layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }\n')
    model = run.export()
    assert dims(model.graph.input) == {"x": ["N", 3, "height", "width"]}
    assert dims(model.graph.output) == {"y": ["N", 4, "y.2", "y.3"]}
    assert dims(model.graph.value_info) == {"y_before_relu": ["N", 4, "y_before_relu.2", "y_before_relu.3"]}
    assert run.net.blobs["x"].shape == (2, 3, 9, 8)  # as before
    run.resize(x=(5, 3, 12, 7))
    assert agrees(run, model)


def test_an_inner_product_fixes_height_and_width(run_of, agrees):
    run = run_of(INPUT + CONV + PRODUCT)
    model = run.export()
    assert dims([*model.graph.input, *model.graph.output]) == {"x": ["N", 3, 9, 8], "z": ["N", 2]}
    run.resize(x=(1, 3, 9, 8))
    assert agrees(run, model)


def test_a_size_that_a_few_pixels_more_do_not_change_is_fixed_all_the_same(run_of):
    """227 pixels and 228 give AlexNet's fc6 the same 9216 values, 224 do not."""
    pool = 'layer { name: "p" type: "Pooling" bottom: "x" top: "y" pooling_param { kernel_size: 4 stride: 4 } }\n'
    assert dims(run_of(INPUT + pool + PRODUCT).export().graph.input) == {"x": ["N", 3, 9, 8]}


def test_a_reshape_with_numbers_fixes_what_it_says(run_of):
    reshape = 'layer { name: "r" type: "Reshape" bottom: "x" top: "y" reshape_param { shape { %s } } }\n'
    free = run_of(INPUT + reshape % "dim: 0 dim: 0 dim: -1").export()
    assert dims(free.graph.input) == {"x": ["N", 3, "height", "width"]}
    fixed = run_of(INPUT + reshape % "dim: 2 dim: 27 dim: 8").export()
    assert dims(fixed.graph.input) == {"x": [2, 3, 9, 8]}


def test_windows_beyond_the_edge_fix_height_and_width(run_of):
    pool = 'layer { name: "p" type: "Pooling" bottom: "x" top: "y" pooling_param { kernel_size: 1 stride: 2 } }\n'
    assert dims(run_of(INPUT + pool).export().graph.input) == {"x": ["N", 3, 9, 8]}


def test_inputs_have_batches_of_their_own_where_they_may(run_of, agrees):
    index = 'layer { name: "i" type: "Input" top: "index" input_param { shape { dim: 5 } } }\n'
    run = run_of(INPUT + index + 'layer { name: "b" type: "BatchReindex" bottom: "x" bottom: "index" top: "y" }\n')
    run.inputs["index"] %= 2
    model = run.export()
    assert dims(model.graph.input) == {"x": ["N", 3, "height", "width"], "index": ["index_N"]}
    run.resize(x=(4, 3, 2, 2), index=(3,))
    assert agrees(run, model)


def test_sizes_that_depend_on_the_data_have_names(run_of, agrees):
    mark = 'layer { name: "i" type: "Input" top: "index" input_param { shape { dim: 2 } } }\n'
    text = INPUT + mark + 'layer { name: "f" type: "Filter" bottom: "x" bottom: "index" top: "y" }\n'
    run = run_of(text + 'layer { name: "r" type: "ReLU" bottom: "y" top: "z" }\n')
    model = run.export()
    assert dims(model.graph.output) == {"z": ["z.0", "z.1", "z.2", "z.3"]}
    assert dims(model.graph.value_info) == {"y": ["y.0", 3, "height", "width"]}
    run.inputs["index"][:] = 0, 1
    assert agrees(run, model)


def test_every_blob_has_its_sizes(case, run_of):
    """So that viewers show them, whatever they are named."""
    run = run_of(case.text)
    graph = run.export().graph
    known = dims([*graph.input, *graph.output, *graph.value_info])
    for name, values in run.forward().items():
        if name in known and "Filter" not in case.text:
            assert len(known[name]) == values.ndim
            for size, dim in zip(values.shape, known[name], strict=True):
                assert dim == size or isinstance(dim, str), name
    assert {output for node in graph.node for output in node.output if "/" not in output} <= set(known)


def test_a_size_that_is_equal_when_even_alone_has_a_name_of_its_own(run_of, agrees):
    """Pooled and blown up again, 8 pixels are 8 and 9 are 10."""
    pool = 'layer { name: "p" type: "Pooling" bottom: "x" top: "p" pooling_param { kernel_size: 2 stride: 2 } }\n'
    up = """layer { name: "up" type: "Deconvolution" bottom: "p" top: "up" convolution_param { num_output: 3
        kernel_size: 2 stride: 2 bias_term: false weight_filler { type: "gaussian" std: 0.5 } } }
    """
    crop = """layer { name: "crop" type: "Crop" bottom: "up" bottom: "x" top: "crop" crop_param { axis: 2 } }
    """
    run = run_of(INPUT.replace("dim: 9", "dim: 8") + pool + up + crop)
    graph = run.export().graph
    assert dims(graph.value_info) == {"p": ["N", 3, "p.2", "p.3"], "up": ["N", 3, "up.2", "up.3"]}
    assert dims(graph.output) == {"crop": ["N", 3, "height", "width"]}
    run.resize(x=(1, 3, 11, 5))
    assert agrees(run, run.export())


def test_a_size_is_fixed_that_smaller_images_cannot_have(run_of):
    """The kernel of 4 reaches over an image of 3, for which zeros are written; nothing of it shows in larger ones."""
    conv = CONV.replace("kernel_size: 3", "kernel_size: 4")
    image = INPUT.replace("dim: 9 dim: 8", "dim: 9 dim: 4")
    assert dims(run_of(image + conv).export().graph.input) == {"x": ["N", 3, "height", 4]}
    assert dims(run_of(image + conv.replace("stride: 2", "")).export().graph.input) == {
        "x": ["N", 3, "height", "width"]
    }
