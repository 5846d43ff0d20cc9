import pytest

from caffelite.core.prototxt.suggest import any_of, did_you_mean, nearest

TYPES = ["Convolution", "InnerProduct", "Pooling", "Power", "ReLU", "Sigmoid", "Silence", "SoftmaxWithLoss"]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("Poolling", "Pooling"),
        ("POOLING", "Pooling"),
        ("INNER_PRODUCT", "InnerProduct"),
        ("Relu", "ReLU"),
        ("SoftmaxLoss", "SoftmaxWithLoss"),
        ("Bogus", ""),
    ],
)
def test_nearest(word, name):
    assert nearest(word, TYPES) == name


def test_a_name_that_begins_with_the_word_goes_before_others():
    assert nearest("Conv", ["Concat", "Convolution", "Deconvolution"]) == "Convolution"
    assert nearest("lenet", ["alexnet", "lenet_digits", "lenet_fashion_mnist"]) == "lenet_digits"
    assert nearest("a", ["accuracy"]) == ""


def test_what_is_no_text_is_like_no_name():
    assert nearest(2, ["conv1"]) == ""


def test_of_equally_near_names_the_first_in_ascii_order_is_taken():
    assert nearest("pool3", ["pool2", "pool1"]) == "pool1"


@pytest.mark.parametrize(("word", "name"), [("tipe", "type"), ("fork_param", ""), ("poolling_param", "pooling_param")])
def test_ending_alike_in_param_does_not_make_fields_alike(word, name):
    assert nearest(word, ["type", "tile_param", "power_param", "pooling_param"]) == name


def test_did_you_mean():
    assert did_you_mean("Poolling", TYPES) == '; did you mean "Pooling"?'
    assert did_you_mean("Bogus", TYPES) == ""
    assert did_you_mean("Pooling", []) == ""


def test_any_of():
    assert any_of(["MAX"]) == "MAX"
    assert any_of(["MAX", "AVE", "STOCHASTIC"]) == "MAX, AVE or STOCHASTIC"


def test_what_is_no_text_is_like_nothing():
    assert nearest(3, ["3"]) == "" == did_you_mean(b"conv", ["conv"])
