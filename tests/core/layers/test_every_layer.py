"""What holds of every layer type: it says its shapes and source, is tested, and takes a second shape."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.layer import LAYERS, Context, layer_type_list, make_layer
from caffelite.proto.caffe_pb2 import TEST, TRAIN, NetParameter
from caffelite.testing import blob_of, layer_from, set_up, spread_values

TESTS = Path(__file__).resolve().parent
GOLDEN = TESTS.parents[1] / "golden" / "layers"

# Types without a golden case that need more than one blob of shape IMAGE: the layer, and its bottoms' shapes.
IMAGE = (2, 4, 6, 6)
EXAMPLES: dict[str, tuple[str, list[tuple[int, ...]]]] = {}

# Where the samples are not along the first axis that is longer than 1: (T, N, ...) with a fixed T.
BATCH_AXIS = {"LSTM": 1, "RNN": 1}


def every_class():
    return [
        pytest.param(kind.layer_class, id=f"{name}-{kind.layer_class.__name__}")
        for name in layer_type_list()
        for kind in LAYERS[name]
    ]


def golden_types():
    """Type -> the first golden case of it, and the layer's parameters there."""
    found = {}
    for path in sorted(GOLDEN.glob("*.npz")):
        with np.load(path) as case:
            net = text_format.Parse(str(case["prototxt"]), NetParameter())
            phase = str(case["phase"])
        layer = next(layer for layer in net.layer if layer.name == "layer")
        layer.phase = TEST if phase == "TEST" else TRAIN
        found.setdefault(layer.type, (path, layer))
    return found


def bottom_types():
    """Types that read blobs and whose shapes do not come from the user's own code."""
    return [
        name
        for name in layer_type_list()
        if any(kind.layer_class.exact_num_bottom_blobs != 0 for kind in LAYERS[name]) and name != "Python"
    ]


def example(type_name):
    """A layer of this type and values for its bottoms."""
    if type_name in (golden := golden_types()):
        path, layer_param = golden[type_name]
        with np.load(path) as case:
            count = sum(re.fullmatch(r"bottom_\d+", key) is not None for key in case.files)
            return make_layer(layer_param, Context()), [case[f"bottom_{i}"] for i in range(count)]
    text, shapes = EXAMPLES.get(type_name, ("", None))
    layer = layer_from(f'type: "{type_name}" {text}', np.float32)
    if shapes is None:
        shapes = [IMAGE] * (layer.exact_num_bottom_blobs or layer.min_bottom_blobs or 1)
    return layer, [spread_values(shape) for shape in shapes]


def twice_as_large(values, axis=None):
    """The bottoms with twice the samples: along `axis`, or the first one of bottom[0] that is longer than 1."""
    if axis is None:
        axis = next(axis for axis, size in enumerate(values[0].shape) if size > 1)
    size = values[0].shape[axis]
    return [
        np.concatenate([array, array], axis) if array.ndim > axis and array.shape[axis] == size else array
        for array in values
    ]


def feed(layer, bottom, top, values):
    for blob, array in zip(bottom, values, strict=True):
        blob.reshape(*array.shape)
        blob.data[...] = array
    layer.reshape(bottom, top)
    layer.forward(bottom, top)
    return [blob.data.copy() for blob in top]


@pytest.mark.parametrize("layer_class", every_class())
def test_docstring_says_bottoms_tops_and_source(layer_class):
    text = layer_class.__doc__ or ""
    for side in ("bottom", "top"):
        if getattr(layer_class, f"exact_num_{side}_blobs") != 0:
            assert re.search(rf"\b{side}(s|\[[^]]*\])?[^:\n]*: ", text), f"`{side}[0]: SHAPE.` is missing"
    module_text = sys.modules[layer_class.__module__].__doc__ or ""
    assert "Source" in text + module_text, "neither the class nor its file says `Source: ...`"


@pytest.mark.parametrize("layer_class", every_class())
def test_has_a_test_file_with_a_gradient_check(layer_class):
    path = TESTS / f"test_{layer_class.__module__.rpartition('.')[2]}.py"
    assert path.exists(), f"{path.name} is missing"
    if layer_class.has_backward and 0 not in (layer_class.exact_num_bottom_blobs, layer_class.exact_num_top_blobs):
        assert "check_gradient" in path.read_text(), f"{path.name} does not call check_gradient"


@pytest.mark.parametrize("type_name", bottom_types())
def test_takes_another_shape_and_the_first_one_again(type_name):
    layer, values = example(type_name)
    bottom = [blob_of(array, np.float32) for array in values]
    top = set_up(layer, bottom, len(layer.layer_param.top) or None)
    first = feed(layer, bottom, top, values)
    feed(layer, bottom, top, twice_as_large(values, BATCH_AXIS.get(type_name)))
    again = feed(layer, bottom, top, values)
    for before, after in zip(first, again, strict=True):
        np.testing.assert_array_equal(after, before)


def test_golden_cases_are_of_known_types():
    unknown = set(golden_types()) - set(layer_type_list())
    assert not unknown
