from itertools import pairwise
from pathlib import Path

import pytest

import caffelite
from caffelite.core.errors import UnknownNameError
from caffelite.inspection import explanation_of_file, summary_of_file

MODELS = Path(__file__).resolve().parents[2] / "models"

CONV1 = """\
{place}: conv1 (Convolution)
  y[n, k, p, q] = b[k] + sum over c < 1, i < 5, j < 5 of w[k, c, i, j] * x[n, c, p + i, q + j],
    k < 20
  bottom data: 64 x 1 x 28 x 28
  top    conv1: 64 x 20 x 24 x 24
  blob   conv1[0]: 20 x 1 x 5 x 5
  blob   conv1[1]: 20
  im2col 25 x 576: a row for each of 1 channels x 5 x 5 taps, a column for each of 24 x 24 places
  forward:
    top 20 x 576  = weight 20 x 25  times columns of bottom 25 x 576,  64 times: 18,432,000 multiply-adds
  backward:
    weight gradient 20 x 25              = top gradient 20 x 576  times columns^T of bottom 576 x 25,  \
64 times: 18,432,000 multiply-adds
    columns of bottom gradient 25 x 576  = weight^T 25 x 20       times top gradient 20 x 576,         \
64 times: 18,432,000 multiply-adds"""


@pytest.fixture(scope="module")
def lenet():
    return caffelite.Net(MODELS / "lenet/deploy.prototxt", caffelite.TEST)


def test_a_convolution_of_lenet(lenet):
    place = f"{MODELS / 'lenet/deploy.prototxt'}:9"
    assert str(lenet.explain("conv1")) == CONV1.format(place=place)
    assert repr(lenet.explain("conv1")) == str(lenet.explain("conv1"))


def test_a_fully_connected_layer_of_lenet(lenet):
    found = lenet.explain("ip1")
    assert found.formula == "y[n, k] = sum over i < 800 of w[k, i] * x[n, i] (+ b[k]), k < 500"
    assert (found.bottoms, found.tops) == ({"pool2": (64, 50, 4, 4)}, {"ip1": (64, 500)})
    assert found.params == {"ip1[0]": (500, 800), "ip1[1]": (500,)}
    assert found.columns is None
    assert [(product.left_shape, product.right_shape, product.shape) for product in found.products] == [
        ((64, 800), (800, 500), (64, 500)),
        ((500, 64), (64, 800), (500, 800)),
        ((64, 500), (500, 800), (64, 800)),
    ]


def test_follows_the_shapes(lenet):
    net = caffelite.Net(MODELS / "lenet/deploy.prototxt", caffelite.TEST)
    net.blobs["data"].reshape(2, 1, 32, 32)
    net.plan.layer_steps[1].reshape()
    assert net.explain("conv1").columns[0] == (25, 28 * 28)


def test_groups_have_matrices_of_their_own():
    net = caffelite.Net(MODELS / "alexnet/deploy.prototxt", caffelite.TEST)
    found = net.explain("conv2")
    assert found.columns[0] == (48 * 5 * 5, 27 * 27)
    forward, weight, bottom = found.products
    assert (forward.left_shape, forward.right_shape, forward.times) == ((128, 1200), (1200, 729), 20)
    assert (weight.shape, bottom.shape) == ((128, 1200), (1200, 729))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conv11", 'no layer "conv11"; did you mean "conv1"?'),
        ("data_", 'no layer "data_"; did you mean "data"?'),
        ("zzzz", 'no layer "zzzz"'),
    ],
)
def test_unknown_layers(lenet, name, message):
    with pytest.raises(UnknownNameError) as caught:
        lenet.explain(name)
    assert message in str(caught.value)


def test_a_blob_is_no_layer(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text('layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 } } }')
    with pytest.raises(UnknownNameError, match='no layer "x": it is a blob, made by layer "in"'):
        caffelite.Net(path, caffelite.TEST).explain("x")


def test_blobs_are_those_that_the_user_named(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 } } }'
        'layer { name: "a" type: "ReLU" bottom: "x" top: "a" } layer { name: "b" type: "ReLU" bottom: "x" top: "b" }'
    )
    net = caffelite.Net(path, caffelite.TEST)
    assert net.explain("b").bottoms == {"x": (2,)}
    assert len(net.explain("x_in_0_split").tops) == 2


def test_a_layer_that_does_not_say_its_formula(lenet, monkeypatch):
    monkeypatch.setattr(type(lenet.layer_dict["relu1"]), "formula", "")
    assert lenet.explain("relu1").formula == "ReLULayer does not say its `formula`"


@pytest.mark.parametrize("name", ["alexnet", "squeezenet_v1.1", "mtcnn", "siamese"])
def test_lines_of_a_formula_end_between_its_parts(name):
    path = MODELS / name / ("det1.prototxt" if name == "mtcnn" else "deploy.prototxt")
    net = caffelite.Net(path, caffelite.TEST)
    for layer in net.layer_dict:
        text = str(net.explain(layer))
        formula = text[: text.index("\n  bottom" if "\n  bottom" in text else "\n  top")].splitlines()[1:]
        assert all(len(line) <= 100 for line in formula)
        for line, following in pairwise(formula):
            assert line.count("[") == line.count("]") and line.count("(") == line.count(")")
            assert line[-1] not in "<=*/" and following.strip()[0] not in "<=*/"
        assert " ".join(line.strip() for line in formula) == net.explain(layer).formula


SMALL = ("lenet", "siamese", "lstm_sequence", "mtcnn")  # the others are built in the slow tests
NETS = [
    pytest.param(
        path, id=f"{path.parent.name}/{path.stem}", marks=[] if path.parent.name in SMALL else pytest.mark.slow
    )
    for path in sorted(MODELS.glob("**/*.prototxt"))
    if path.stem != "solver"
]


@pytest.mark.parametrize("path", NETS)
def test_every_model_without_its_data(path):
    """Its products add up to the multiply-adds of the summary, which are known from elsewhere."""
    for phase in (caffelite.TRAIN, caffelite.TEST):
        layers = summary_of_file(path, phase).layers
        first = next((layer for layer in layers if layer.params and layer.type != "BatchNorm"), layers[-1])
        for layer in (layers[0], first, layers[-1]):
            found = explanation_of_file(path, layer.name, phase)
            assert (found.type, found.tops, tuple(found.params.values())) == (layer.type, layer.tops, layer.params)
            products = sum(one.multiply_adds for one in found.products if one.is_forward)
            assert products in (0, layer.multiply_adds)
            assert layer.type not in ("Convolution", "InnerProduct") or products == layer.multiply_adds > 0


def test_a_data_layer_whose_data_are_not_there():
    found = explanation_of_file(MODELS / "alexnet/train_val.prototxt", "data", caffelite.TEST)
    assert (found.type, found.tops) == ("Data", {"data": (50, 3, 227, 227), "label": (50,)})
    assert found.formula == 'data_param.source "data/imagenet_val_lmdb" is not there; its shapes alone are known'
