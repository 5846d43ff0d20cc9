import numpy as np
import pytest

from caffelite import TEST, Net
from caffelite.comparing.weights import weight_differences
from caffelite.core.errors import WeightsError

NET = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 1 bias_term: false } }
"""


@pytest.fixture
def save(tmp_path):
    def write(name, text=NET, change=lambda net: None):
        (tmp_path / "net.prototxt").write_text(text)
        net = Net(tmp_path / "net.prototxt", TEST, seed=1)
        change(net)
        (net.save_hdf5 if name.endswith("h5") else net.save)(tmp_path / name)
        return tmp_path / name

    return write


def rows(first, second, **options):
    return [
        (row.layer, row.blob, row.shape, row.result, row.same) for row in weight_differences(first, second, **options)
    ]


EQUAL = [
    ("a", "blobs[0]", "3 x 2", "equal", True),
    ("a", "blobs[1]", "3", "equal", True),
    ("b", "blobs[0]", "1 x 3", "equal", True),
]


def test_equal(save):
    first = save("a.caffemodel")
    assert rows(first, save("b.caffemodel")) == EQUAL
    assert rows(first, save("b.caffemodel.h5")) == EQUAL


def test_values(save):
    def change(net):
        net.params["a"][0].data[1] += 0.5

    first = save("a.caffemodel")
    (row, *others) = weight_differences(first, save("b.caffemodel", change=change))
    assert (row.layer, row.same, row.result) == ("a", False, "")
    assert row.figures.differing == 2
    assert row.figures.largest == pytest.approx(0.5)
    assert all(other.same for other in others)
    assert rows(first, save("b.caffemodel", change=change), tolerance=2.0) == EQUAL


def test_shapes_and_layers(save):
    first = save("a.caffemodel")
    second = save("b.caffemodel", NET.replace("num_output: 1", "num_output: 2").replace('name: "a"', 'name: "c"'))
    assert rows(first, second) == [
        ("a", "blobs[0]", "3 x 2", f"only in {first}", False),
        ("a", "blobs[1]", "3", f"only in {first}", False),
        ("b", "blobs[0]", "1 x 3 | 2 x 3", "the shapes differ", False),
        ("c", "blobs[0]", "3 x 2", f"only in {second}", False),
        ("c", "blobs[1]", "3", f"only in {second}", False),
    ]


def test_old_shapes_are_those_of_today(golden_folder, save):
    old = golden_folder / "cli" / "weights" / "weights_v1_legacy.caffemodel"
    values = np.load(golden_folder / "cli" / "weights" / "weights_expected.npz")
    assert all(row.same for row in weight_differences(old, old))
    assert len(values) > 0
    new = golden_folder / "cli" / "weights" / "weights_double.caffemodel"
    assert {row.shape for row in weight_differences(old, new) if row.layer == "ip1"} == {"4 x 3", "4"}


def test_refuses(save, tmp_path):
    first = save("a.caffemodel")
    with pytest.raises(WeightsError, match="net.prototxt"):
        rows(first, tmp_path / "net.prototxt")
