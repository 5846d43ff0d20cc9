import pytest
from google.protobuf import text_format

from caffelite.drawing.words import colour, figures, shape_words
from caffelite.proto.caffe_pb2 import LayerParameter


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'type: "Convolution" convolution_param { num_output: 64 kernel_size: 7 stride: 2 pad: 3 }',
            "64 of 7×7, stride 2, pad 3",
        ),
        (
            'type: "Convolution" convolution_param { num_output: 8 kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 1 group: 2 '
            "dilation: 2 }",
            "8 of 1×3, pad 0×1, dilation 2, 2 groups",
        ),
        ('type: "Deconvolution" convolution_param { num_output: 8 kernel_size: [2, 3, 4] }', "8 of 2×3×4"),
        ('type: "Pooling" pooling_param { pool: AVE global_pooling: true }', "AVE, global"),
        ('type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }', "MAX 3×3, stride 2"),
        ('type: "InnerProduct" inner_product_param { num_output: 10 }', "10 outputs"),
        ('type: "Data" data_param { source: "a/b_lmdb/" batch_size: 4 }', "b_lmdb, batches of 4"),
        ('type: "HDF5Data" hdf5_data_param { source: "a/rows.txt" batch_size: 3 }', "rows.txt, batches of 3"),
        ('type: "Dropout"', "0.5"),
        ('type: "Eltwise"', "SUM"),
        ('type: "Python" python_param { module: "m" layer: "L" }', "m.L"),
        ('type: "ReLU"', ""),
        ('type: "Fork"', ""),
    ],
)
def test_figures(text, words):
    assert figures(text_format.Parse(text, LayerParameter())) == words


def test_shapes():
    assert shape_words((64, 3, 5, 5)) == "64×3×5×5"
    assert shape_words((7,)) == "7"
    assert shape_words(()) == "1 number"


def test_colours_are_alike_for_what_is_alike():
    of = {
        name: colour(LayerParameter(type=name))
        for name in ("Data", "HDF5Data", "EuclideanLoss", "SoftmaxWithLoss", "Fork")
    }
    assert of["Data"] == of["HDF5Data"]
    assert of["EuclideanLoss"] != of["Fork"]
    assert all(len(value) == 7 and value.startswith("#") for value in of.values())
