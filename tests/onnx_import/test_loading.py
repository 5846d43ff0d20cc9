import numpy as np
import onnx
import pytest

from caffelite.core.errors import UsageError
from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.of_file import from_onnx
from caffelite.onnx_import.register import OPERATORS

RELU = [("Relu", ["x"], ["y"], {})]


def shape_of(imported):
    return list(imported.net.layer[0].input_param.shape[0].dim)


def test_an_open_batch_is_one(model_file):
    assert shape_of(from_onnx(model_file(RELU, ("N", 3, 4, 4)))) == [1, 3, 4, 4]


def test_open_sizes_are_asked_for(model_file):
    path = model_file(RELU, ("N", 3, "H", "W"))
    with pytest.raises(OnnxError, match=r'input "x" has the sizes N,3,H,W, .* --shape x=1,3,224,224'):
        from_onnx(path)
    assert shape_of(from_onnx(path, shapes={"x": (2, 3, 5, 6)})) == [2, 3, 5, 6]
    with pytest.raises(UsageError, match="--shape names z, which is no input"):
        from_onnx(path, shapes={"z": (2, 3, 5, 6)})


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_text("<html>not found</html>")
    with pytest.raises(OnnxError, match=r"net\.onnx: (cannot be read as an ONNX file|this is no ONNX file)"):
        from_onnx(path)


def test_a_number_is_an_input_without_axes(agrees):
    assert agrees([("Add", ["x", "z"], ["y"], {})], {"x": (2, 3), "z": ()})


def changed(path, change):
    model = onnx.load(path)
    change(model)
    onnx.save(model, str(path))
    return path


REFUSED = [
    (lambda model: model.graph.ClearField("output"), "the model has no output; export it with"),
    (lambda model: model.opset_import[0].__setattr__("version", 99), "opset 99, and onnx .* pip install -U onnx"),
    (lambda model: model.opset_import[0].__setattr__("version", 5), "opset 5, whose .* opset 7 or later"),
    (lambda model: model.graph.input[0].type.tensor_type.__setattr__("elem_type", 56), "is of an unknown kind, 56;"),
    (lambda model: model.graph.input[0].type.tensor_type.ClearField("shape"), 'input "x" has the sizes \\?'),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=["no output", "new", "old", "kind", "no shape"])
@pytest.mark.parametrize("dialect", ["caffelite", "bvlc"])
def test_models_that_cannot_be(change, message, dialect, model_file):
    with pytest.raises(OnnxError, match=rf"m\.onnx: .*{message}"):
        from_onnx(changed(model_file(RELU, (1, 3)), change), dialect)


@pytest.mark.parametrize("dialect", ["caffelite", "bvlc"])
def test_nodes_of_one_name_are_two_layers(dialect, model_file, run):
    def change(model):
        for node in model.graph.node:
            node.name = "n"

    path = changed(model_file([("Relu", ["x"], ["a"], {}), ("Neg", ["a"], ["y"], {})], (1, 3)), change)
    np.testing.assert_array_equal(run(path, np.array([[-1, 0, 2]]), dialect=dialect), [[0, 0, -2]])


WEIGHTS = {"w": np.ones((2, 3, 3, 3), np.float32), "t": np.ones((48, 2), np.float32)}


@pytest.mark.parametrize(
    ("node", "shape", "message"),
    [
        (("Conv", ["x", "w"], ["y"], {}), (1, 4, 8, 8), r"\(1, 4, 8, 8\), 4 channels; its weights are for 3"),
        (("ConvTranspose", ["x", "w"], ["y"], {}), (1, 3, 8, 8), r"3 channels; its weights are for 2"),
        (("Conv", ["x", "w"], ["y"], {}), (1, 3, 8), "sizes that do not fit it: .*kernel_shape"),
        (("Conv", ["x", "t"], ["y"], {}), (1, 3, 8), r"its weights have the shape \(48, 2\), and kernels none"),
        (("Gemm", ["x", "t"], ["y"], {}), (1, 47), "sizes that do not fit it: .*48 and 47|Source param shape is 2 48"),
        (("Conv", ["x", "w"], ["y"], {}), (1, 3, 2, 2), "does not fit a bottom of 2 x 2"),
        (("Relu", ["x"], ["y"], {}), (1, 3, 0), "--shape gives x the sizes 1,3,0; each is 1 or more"),
    ],
)
def test_sizes_that_do_not_fit(node, shape, message, model_file):
    path = model_file([node], [None] * len(shape), WEIGHTS)
    with pytest.raises((OnnxError, UsageError), match=message):
        from_onnx(path, shapes={"x": shape})


def test_what_onnxsim_joins_wrongly_stays_as_it_is(agrees):
    nodes = [
        ("ReduceL1", ["x"], ["a"], {"axes": [0, 2], "keepdims": 0}),
        ("ReduceL1", ["a"], ["y"], {"axes": [0], "keepdims": 1}),
    ]
    assert agrees(nodes, (2, 3, 4), opset=11)
    assert agrees([("Softmax", ["x"], ["y"], {})], (2, 1), opset=7)  # of which it makes operators of opset 9


def test_damaged_names_and_values(model_file, tmp_path):
    path = model_file([("LeakyRelu", ["x"], ["y"], {"alpha": 0.5})], (1, 3))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"node_0", b"node\xff0"))
    with pytest.raises(OnnxError, match="names that are no UTF-8"):
        from_onnx(path)
    path = model_file([("Concat", ["x"], ["y"], {"axis": 0})], (1, 3))
    with pytest.raises(
        OnnxError, match=r'"x" has the shape 90000 90000 \(8100000000\); a blob holds 2147483647 values'
    ):
        from_onnx(path, shapes={"x": (90000, 90000)})


def test_what_an_operator_stumbles_at_is_told(model_file, monkeypatch):
    monkeypatch.setitem(OPERATORS._members, "Relu", lambda node, net: net.shape(node.input(0)).nothing)
    with pytest.raises(OnnxError, match=r'node "node_0" \(Relu\): its attributes or inputs do not belong together'):
        from_onnx(model_file(RELU, (1, 3)))
