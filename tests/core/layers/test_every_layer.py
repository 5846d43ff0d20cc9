"""What holds of every layer type: it says its shapes and source, is tested, and takes a second shape."""

import ast
import re
import sys
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import CaffeliteError, LayerError, NetError
from caffelite.core.layer import LAYERS, Context, Layer, layer_class_for, layer_type_list, make_layer
from caffelite.core.net.wiring.unread import OWN_MESSAGES, messages_read
from caffelite.core.prototxt.forks import fork_field
from caffelite.core.type_names import CONVOLUTIONS, DEPTHWISE
from caffelite.proto.caffe_pb2 import TEST, TRAIN, LayerParameter, NetParameter
from caffelite.testing import blob_of, layer_from, set_up, spread_values

TESTS = Path(__file__).resolve().parent
GOLDEN = TESTS.parents[1] / "golden" / "layers"

# Types without a golden case that need more than one blob of shape IMAGE: the layer, and its bottoms' shapes, or values
# where not any numbers will do.
IMAGE = (2, 4, 6, 6)
REGIONS = np.array([[0, 0, 0, 3, 3], [1, 1, 1, 5, 5]])
CONVOLUTION = 'convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 1 } }'
EXAMPLES: dict[str, tuple[str, list[tuple[int, ...] | np.ndarray]]] = {
    **{name: (CONVOLUTION, [IMAGE]) for name in DEPTHWISE},
    "Lstm": ('lstm_param { num_output: 4 batch_size: 2 weight_filler { type: "gaussian" std: 1 } }', [(6, 3, 1, 1)]),
    "Axpy": ("", [(2, 4, 1, 1), IMAGE, IMAGE]),
    "Downsample": ("downsample_param { top_height: 3 top_width: 4 }", [IMAGE]),
    "HDF5Output": ('hdf5_output_param { file_name: "out.h5" }', [IMAGE, IMAGE]),
    "Interp": ("interp_param { zoom_factor: 2 }", [IMAGE]),
    "Reorg": ("reorg_param { stride: 2 }", [IMAGE]),
    "Transpose": ("transpose_param { dim: 0 dim: 2 dim: 3 dim: 1 }", [IMAGE]),
    "UnPooling": ("unpooling_param { out_kernel_size: 2 out_stride: 2 }", [IMAGE]),
    "Unpooling": ("unpooling_param { kernel_size: 2 stride: 2 }", [IMAGE]),
    "Upsample": ("upsample_param { scale: 2 }", [IMAGE]),
    "DetectionOutput": ("detection_output_param { num_classes: 3 }", [(2, 16), (2, 12), (1, 2, 16)]),
    "PSROIPooling": (
        "psroi_pooling_param { spatial_scale: 1 output_dim: 1 group_size: 2 }",
        [IMAGE, REGIONS],
    ),
    "PriorBox": ("prior_box_param { min_size: 2 }", [IMAGE, IMAGE]),
    "Proposal": (
        "proposal_param { ratio: 1 scale: 1 base_size: 4 feat_stride: 4 min_size: 1 }",
        [(2, 2, 6, 6), (2, 4, 6, 6), np.array([[24, 24, 1, 1], [20, 20, 1, 1]])],
    ),
    "ROIAlign": ("roi_align_param { pooled_h: 2 pooled_w: 2 }", [IMAGE, REGIONS]),
    "ROIPooling": ("roi_pooling_param { pooled_h: 2 pooled_w: 2 }", [IMAGE, REGIONS]),
    "YoloDetectionOutput": (
        "yolo_detection_output_param { num_classes: 3 num_box: 1 biases: 1 biases: 2 }",
        [(2, 8, 6, 6)],
    ),
    "Yolov3DetectionOutput": (
        "yolov3_detection_output_param { num_classes: 3 num_box: 1 mask_group_num: 1 mask: 0 anchors_scale: 8 "
        "biases: 9 biases: 9 }",
        [(2, 8, 6, 6)],
    ),
}

# Where the samples are not along the first axis that is longer than 1: (T, N, ...) with a fixed T.
BATCH_AXIS = {"LSTM": 1, "RNN": 1}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """The working directory, for layers that write."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("layers"))
        yield


def every_class():
    return [
        pytest.param(kind.layer_class, id=f"{name}-{kind.layer_class.__name__}")
        for name in layer_type_list()
        for kind in LAYERS[name]
    ]


@cache  # there are some hundred files
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
            return make_layer(deepcopy(layer_param), Context()), [case[f"bottom_{i}"] for i in range(count)]
    text, shapes = EXAMPLES.get(type_name, ("", None))
    layer = layer_from(f'type: "{type_name}" {text}', np.float32)
    if shapes is None:
        shapes = [IMAGE] * (layer.exact_num_bottom_blobs or layer.min_bottom_blobs or 1)
    return layer, [shape if isinstance(shape, np.ndarray) else spread_values(shape) for shape in shapes]


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


@pytest.mark.parametrize("type_name", bottom_types())
def test_a_pass_back_before_the_first_forward_takes_no_unfilled_memory(type_name, monkeypatch):
    """It is refused, or its gradients are nan where they would need what forward finds."""
    layer, values = example(type_name)
    bottom = [blob_of(array, np.float32) for array in values]
    top_count, empty = len(layer.layer_param.top) or None, np.empty
    set_up(example(type_name)[0], bottom, top_count)  # compiles what it needs: numba looks at np.empty, too
    with monkeypatch.context() as patched:
        patched.setattr(np, "empty", lambda *args, **options: filled(empty(*args, **options)))
        top = set_up(layer, bottom, top_count)
    for blob in top:
        blob.diff[...] = 1
    with suppress(CaffeliteError):  # losses want a pass forward, and what has no gradient refuses in any case
        layer.backward(top, [layer.allow_force_backward(i) for i in range(len(bottom))], bottom)
    for blob in [*bottom, *layer.blobs]:
        assert not (np.abs(blob.diff) > 1e6).any()


def filled(array):
    if array.dtype.kind == "f":
        array[...] = 1e18
    return array


@pytest.mark.parametrize("layer_class", every_class())
def test_says_its_formula(layer_class):
    own = layer_class.formula_with_numbers is not Layer.formula_with_numbers
    assert bool(layer_class.formula) != own, "give `formula`, or a formula_with_numbers where that is not enough"


@pytest.mark.parametrize("type_name", bottom_types())
def test_formula_and_products_have_the_layers_numbers(type_name):
    layer, values = example(type_name)
    bottom = [blob_of(array, np.float32) for array in values]
    top = set_up(layer, bottom, len(layer.layer_param.top) or None)
    assert not re.search(r"[{}<>]\w*[{}<>]", layer.formula_with_numbers(bottom, top))
    products = layer.matrix_products(bottom, top)
    forward = sum(product.multiply_adds for product in products if product.is_forward)
    assert forward == layer.multiply_adds(bottom, top)


@pytest.mark.parametrize("type_name", sorted({*layer_type_list()} - {*bottom_types()}))
def test_formula_of_layers_without_bottoms(type_name):
    text = layer_from(f'type: "{type_name}"').formula_with_numbers([], [])
    assert text.startswith("y = ") and "{" not in text


def test_golden_cases_are_of_known_types():
    unknown = set(golden_types()) - set(layer_type_list())
    assert not unknown


# What layers say they read, against what their code reads.


@cache
def tree_of(module):
    return ast.parse(Path(sys.modules[module].__file__).read_text())


def bodies_of(layer_class):
    """The class and its bases of caffelite/core/layers, each as a syntax tree with its decorators."""
    for base in layer_class.__mro__:
        if base.__module__.startswith("caffelite.core.layers."):
            tree = tree_of(base.__module__)
            yield next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == base.__name__)


def modules_of(layer_class):
    """Trees of the files of these classes, and of the files for layers and data that they import."""
    names = [base.__module__ for base in layer_class.__mro__]
    seen = {}
    while names:
        name = names.pop()
        if name in seen or not name.startswith(("caffelite.core.layers.", "caffelite.core.data.")):
            continue
        seen[name] = tree_of(name)
        names += [node.module for node in ast.walk(seen[name]) if isinstance(node, ast.ImportFrom)]
    return list(seen.values())


def messages_in(trees):
    """What is read of a `layer_param`, and in a register_layer(when=...) of `layer`."""
    found = set()
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)):
        of = node.value
        own = (
            isinstance(of, ast.Attribute) and of.attr == "layer_param" or isinstance(of, ast.Name) and of.id == "layer"
        )
        if own and node.attr in OWN_MESSAGES:
            found.add(node.attr)
    return found


def words_in(trees):
    """Names of attributes, and texts that are no docstring."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    found = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return found | {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    }


def fields_of(message):
    return [field.name for field in LayerParameter.DESCRIPTOR.fields_by_name[message].message_type.fields]


def read_by_no_layer(message, name):
    """Whether the net says that a field of forks is without effect, or refuses it."""
    known = fork_field(LayerParameter.DESCRIPTOR.fields_by_name[message].message_type.name, name)
    return known is not None and not known.by_layers


@pytest.mark.parametrize("layer_class", every_class())
def test_the_messages_that_a_layer_declares_are_those_that_its_code_reads(layer_class):
    declared = messages_read(layer_class)
    assert declared is not None, f"{layer_class.__name__} does not say which messages it reads"
    engine_alone = {message for message in declared if fields_of(message) == ["engine"]}
    assert set(declared) - engine_alone == messages_in(modules_of(layer_class))
    assert {path.partition(".")[0] for path in layer_class.not_read} <= set(declared)


@pytest.mark.parametrize("layer_class", every_class())
def test_a_layer_reads_all_fields_but_those_that_it_declares(layer_class):
    for message in messages_read(layer_class):
        unread = {path.partition(".")[2] for path in layer_class.not_read if path.startswith(f"{message}.")}
        unread_by_all = {name for name in fields_of(message) if read_by_no_layer(message, name)}
        assert set(fields_of(message)) - words_in(modules_of(layer_class)) - {"engine"} - unread_by_all <= unread
        assert unread.isdisjoint(words_in(bodies_of(layer_class))), "it reads what it says it does not"


# In-place neighbours: below the layer on its first bottom (unless those are numbers of classes or items), and above it.

INDEX_BOTTOMS = ("Embed",)
IN_PLACE_POWER = {"scale": 3.0, "shift": 0.5}


class Neighbours:
    """A net of Inputs, the layer, and Powers below and above it, in place or each with a top of its own."""

    def __init__(self, layer_param, shapes, power_below, views, in_place):
        self.net, self.in_place = NetParameter(force_backward=True), in_place
        bottoms = []
        for index, shape in enumerate(shapes):
            self.add("Input", [], f"x{index}").input_param.shape.add().dim.extend(shape)
            bottoms.append(f"x{index}")
        if power_below:
            self.add("Power", ["x0"], "below").power_param.scale = 2
            bottoms[0] = self.power("below")
        made = self.net.layer.add()
        made.CopyFrom(layer_param)
        made.name = "layer"
        tops = [
            f"top{index}"
            for index in range(max(len(layer_param.top), 1 if layer_class_for(made).exact_num_top_blobs != 0 else 0))
        ]
        del made.bottom[:], made.top[:], made.include[:], made.exclude[:]
        made.bottom.extend(bottoms)
        made.top.extend(tops)
        weighted = [*made.loss_weight, *layer_class_for(made).default_loss_weights(made)]
        for index, top in enumerate(tops):
            if any(weighted[index : index + 1]):
                continue  # the total loss reads it
            for number, view in enumerate(views):
                top = self.view(view, top, f"{top}_view{number}")
            self.power(top)

    def add(self, kind, bottoms, top):
        return self.net.layer.add(name=f"{top}_{len(self.net.layer)}", type=kind, bottom=bottoms, top=[top])

    def view(self, kind, bottom, top):
        layer = self.add(kind, [bottom], top)
        if kind == "Flatten":
            layer.flatten_param.axis = 0
        else:
            layer.reshape_param.shape.dim.append(-1)
        return top

    def power(self, bottom):
        top = bottom if self.in_place else f"{bottom}_apart"
        layer = self.add("Power", [bottom], top)
        layer.power_param.scale, layer.power_param.shift = IN_PLACE_POWER.values()
        return top

    def run(self, values, passes=2):
        """Tops, gradients of the inputs and of the parameters after some passes."""
        net = caffelite.Net(self.net, caffelite.TRAIN, dtype=np.float64, seed=3)
        for index, array in enumerate(values):
            net.blobs[f"x{index}"].reshape(*array.shape)
            net.blobs[f"x{index}"].data[...] = array
        for _ in range(passes):
            net.clear_param_diffs()
            outputs = [value.copy() for _, value in sorted(net.forward().items())]
            for number, name in enumerate(sorted(net.outputs)):
                if not net.blob_loss_weights[name]:
                    net.blobs[name].diff[...] = np.random.default_rng(number).normal(size=net.blobs[name].shape)
            net.backward()
        gradients = [net.blobs[f"x{index}"].diff.copy() for index in range(len(values))]
        params = [blob.diff.copy() for blobs in net.params.values() for blob in blobs]
        return [*outputs, *gradients, *params, *(net.blobs[f"x{index}"].data.copy() for index in range(len(values)))]


USUAL = {
    "ReLU",
    "Sigmoid",
    "Convolution",
    "InnerProduct",
    "Pooling",
    "Softmax",
    "Eltwise",
    "Dropout",
    "Concat",
    "Split",
}


@pytest.mark.parametrize(
    "views",
    [
        pytest.param((), id="none"),
        pytest.param(("Flatten",), id="flatten"),
        pytest.param(("Reshape", "Flatten"), id="two views", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "type_name",
    [
        pytest.param(name, marks=() if name in USUAL else pytest.mark.slow)  # compiling in float64 takes a minute
        for name in bottom_types()
        if name != "Accuracy"  # it has no gradient
    ],
)
def test_in_place_neighbours_change_neither_values_nor_gradients(type_name, views):
    layer, values = example(type_name)
    values = [np.asarray(array, np.float64) for array in values]
    shapes = [array.shape for array in values]
    apart, within = (
        Neighbours(layer.layer_param, shapes, type_name not in INDEX_BOTTOMS, views, in_place).run(values)
        for in_place in (False, True)
    )
    assert len(apart) == len(within)
    for one, other in zip(apart, within, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-9)


# Layers whose top has the shape of the bottom: the text, and the bottoms' shapes.
FILLER = 'weight_filler { type: "gaussian" std: 1 }'
OF_THE_BOTTOMS_SHAPE = {
    **{name: (CONVOLUTION, [IMAGE]) for name in CONVOLUTIONS},
    "Axpy": ("", [(2, 4), (2, 4), (2, 4)]),
    "Filter": ("", [(3, 4), (3,)]),
    "Im2col": ("convolution_param { kernel_size: 1 }", [IMAGE]),
    "InnerProduct": (f"inner_product_param {{ num_output: 144 {FILLER} }}", [(70, 144)]),
    "Interp": ("interp_param { height: 6 width: 6 }", [IMAGE]),
    "LSTM": (f"recurrent_param {{ num_output: 4 {FILLER} }}", [(3, 2, 4), (3, 2)]),
    "Lstm": (f"lstm_param {{ num_output: 4 {FILLER} }}", [(3, 2, 4)]),
    "Permute": ("permute_param { order: 0 order: 1 order: 3 }", [IMAGE]),
    "Pooling": ("pooling_param { kernel_size: 3 pad: 1 }", [IMAGE]),
    "RNN": (f"recurrent_param {{ num_output: 4 {FILLER} }}", [(3, 2, 4), (3, 2)]),
    "Reorg": ("reorg_param { stride: 1 }", [IMAGE]),
    "Transpose": ("transpose_param { dim: 0 dim: 1 dim: 3 dim: 2 }", [IMAGE]),
    "UnPooling": ("unpooling_param { unpool: REP out_kernel_size: 3 out_pad: 1 }", [IMAGE]),
    "Unpooling": ("unpooling_param { unpool: TILE kernel_size: 1 unpool_h: 4 unpool_w: 5 }", [IMAGE]),
    "Upsample": ("upsample_param { stride: 1 scale: 3 }", [IMAGE]),
}


def in_place_net(layer_param, shapes, in_place):
    net = NetParameter(force_backward=True)
    for index, shape in enumerate(shapes):
        net.layer.add(name=f"x{index}", type="Input", top=[f"x{index}"]).input_param.shape.add().dim.extend(shape)
    net.layer.add(name="below", type="Power", bottom=["x0"], top=["y"]).power_param.scale = 2
    layer = net.layer.add()
    layer.CopyFrom(layer_param)
    layer.name = "layer"
    del layer.bottom[:], layer.top[:], layer.include[:], layer.exclude[:]
    layer.bottom.extend(["y", *(f"x{index}" for index in range(1, len(shapes)))])
    layer.top.append("y" if in_place else "z")
    # in place it overwrites what the layer made, with other signs
    above = net.layer.add(name="above", type="Power", bottom=layer.top, top=["y" if in_place else "out"])
    above.power_param.scale, above.power_param.shift = -3, 0.5
    return caffelite.Net(net, caffelite.TRAIN, dtype=np.float64, seed=3)


def passed(net, values, axis):
    """Output and gradients of inputs and parameters after two passes with other values and sizes between."""
    for arrays in (values, twice_as_large(values, axis), values):
        for index, array in enumerate(arrays):
            net.blobs[f"x{index}"].reshape(*array.shape)
            net.blobs[f"x{index}"].data[...] = array
        net.clear_param_diffs()
        net.forward()
        (out,) = net.outputs
        net.blobs[out].diff[...] = np.random.default_rng(1).normal(size=net.blobs[out].shape)
        net.backward()
    inputs = [net.blobs[f"x{index}"].diff.copy() for index in range(len(values))]
    return [net.blobs[out].data.copy(), *inputs, *(blob.diff.copy() for of in net.params.values() for blob in of)]


@pytest.mark.parametrize("type_name", sorted(set(bottom_types()) - {"LSTMUnit", "Silence", "HDF5Output"}))  # of one top
def test_in_place_is_as_with_a_top_of_its_own_or_refused(type_name):
    if type_name in OF_THE_BOTTOMS_SHAPE:
        text, shapes = OF_THE_BOTTOMS_SHAPE[type_name]
        layer_param = layer_from(f'type: "{type_name}" {text}').layer_param
        values = [np.random.default_rng(index).normal(size=shape) for index, shape in enumerate(shapes)]
    else:
        layer, values = example(type_name)
        layer_param, values = layer.layer_param, [np.asarray(array, np.float64) for array in values]
    shapes = [array.shape for array in values]
    axis = BATCH_AXIS.get(type_name)
    try:
        within = passed(in_place_net(layer_param, shapes, in_place=True), values, axis)
    except LayerError as err:
        assert err.field == "top" and "the bottom" in err.value, err
        return
    except NetError as err:  # the total loss reads it, too
        assert "works in place" in str(err)
        return
    apart = passed(in_place_net(layer_param, shapes, in_place=False), values, axis)
    for one, other in zip(apart, within, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-9)
