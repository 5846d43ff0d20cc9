import re

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.blob import Blob
from caffelite.core.errors import LayerError, UsageError, WeightsError
from caffelite.core.files import NoSuchFileError
from caffelite.core.layer import (
    LAYERS,
    BlobSpec,
    Context,
    Layer,
    check_blob_counts,
    layer_class_for,
    layer_type_list,
    make_layer,
    register_layer,
    setup_layer,
)
from caffelite.core.prototxt.own_fields import USER_TYPES
from caffelite.proto import caffe_pb2


def param_of(text=""):
    return text_format.Parse(text, caffe_pb2.LayerParameter())


@pytest.fixture
def own_types():
    """Forget the layer types that a test registers."""
    layer_type_list()
    before, users = {name: list(kinds) for name, kinds in LAYERS._members.items()}, set(USER_TYPES)
    yield
    LAYERS._members.clear()
    LAYERS._members.update(before)
    USER_TYPES.clear()
    USER_TYPES.update(users)


class Copy(Layer):
    type = "Copy"
    specs = ()

    def setup(self, bottom, top):
        self.init_params([BlobSpec(shape, param_of().convolution_param.weight_filler) for shape in self.specs])

    def reshape(self, bottom, top):
        for blob in top:
            blob.reshape_like(bottom[0])


class Weighted(Copy):
    specs = ((2, 3), (3,))


def test_a_registered_layer_is_made_by_its_type(own_types):
    @register_layer("Own")
    class OwnLayer(Copy):
        pass

    layer = make_layer(param_of('type: "Own" name: "it" phase: TEST'))
    assert isinstance(layer, OwnLayer)
    assert (layer.type, layer.name, layer.phase) == ("Own", "it", caffe_pb2.TEST)
    assert "Own" in layer_type_list()


def test_layers_of_one_type_are_told_apart_by_their_fields(own_types):
    @register_layer("Own", when=lambda layer_param: layer_param.HasField("crop_param"))
    class CropsLayer(Copy):
        pass

    with pytest.raises(LayerError, match='type is "Own"; none of the layers of this type knows the fields given'):
        make_layer(param_of('type: "Own"'))

    @register_layer("Own")
    class PlainLayer(Copy):
        pass

    assert layer_class_for(param_of('type: "Own" crop_param {}')) is CropsLayer
    assert layer_class_for(param_of('type: "Own"')) is PlainLayer


def test_a_type_is_registered_once(own_types):
    register_layer("Own")(type("OwnLayer", (Copy,), {}))
    with pytest.raises(UsageError, match=r'"Own" is registered twice: it is OwnLayer \(.*, and OtherLayer \('):
        register_layer("Own")(type("OtherLayer", (Copy,), {}))
    with pytest.raises(UsageError, match='"ReLU" is registered twice: it is ReLULayer'):
        register_layer("ReLU")(type("OtherLayer", (Copy,), {}))


def test_a_class_takes_the_place_of_an_older_form_of_itself(own_types):
    for _ in range(2):
        newest = register_layer("Own")(type("OwnLayer", (Copy,), {}))
    assert layer_class_for(param_of('type: "Own"')) is newest
    assert len(LAYERS["Own"]) == 1


def test_a_users_class_with_a_predicate_goes_before_ours(own_types):
    known = layer_class_for(param_of('type: "Pooling"'))
    users = register_layer("Pooling", when=lambda layer_param: layer_param.name == "mine")(type("Mine", (Copy,), {}))
    assert layer_class_for(param_of('type: "Pooling" name: "mine"')) is users
    assert layer_class_for(param_of('type: "Pooling" name: "other"')) is known


def test_what_is_no_layer_is_not_registered(own_types):
    with pytest.raises(UsageError, match="register_layer takes a class derived from Layer, not <class 'int'>"):
        register_layer("Own")(int)


def test_an_unknown_type_is_answered_with_the_nearest():
    with pytest.raises(LayerError, match=r'^type is "Convolutoin"; .*did you mean "Convolution"\?'):
        make_layer(param_of('type: "Convolutoin"'))


def test_types_come_in_ascii_order():
    assert layer_type_list() == sorted(layer_type_list())
    assert "Convolution" in layer_type_list()


@pytest.mark.parametrize(
    ("limits", "counts", "message"),
    [
        ({"exact_num_bottom_blobs": 2}, (1, 1), "bottom is given 1 times; Copy Layer takes 2 bottom blob(s) as input."),
        (
            {"min_bottom_blobs": 2},
            (1, 1),
            "bottom is given 1 times; Copy Layer takes at least 2 bottom blob(s) as input.",
        ),
        (
            {"max_bottom_blobs": 2},
            (3, 1),
            "bottom is given 3 times; Copy Layer takes at most 2 bottom blob(s) as input.",
        ),
        ({"exact_num_top_blobs": 1}, (1, 2), "top is given 2 times; Copy Layer produces 1 top blob(s) as output."),
        ({"min_top_blobs": 1}, (1, 0), "top is given 0 times; Copy Layer produces at least 1 top blob(s) as output."),
        ({"max_top_blobs": 1}, (1, 2), "top is given 2 times; Copy Layer produces at most 1 top blob(s) as output."),
        (
            {"equal_num_bottom_top_blobs": True},
            (2, 1),
            "top is given 1 times; Copy Layer produces one top blob as output for each of the 2 bottom blobs input.",
        ),
    ],
)
def test_refuses_wrong_numbers_of_blobs(limits, counts, message):
    layer = type("Copy", (Copy,), limits)(param_of())
    with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
        check_blob_counts(layer, *counts)


def test_blob_counts_within_limits_pass():
    layer = type("Copy", (Copy,), {"min_bottom_blobs": 1, "max_bottom_blobs": 2, "exact_num_top_blobs": 1})(param_of())
    check_blob_counts(layer, 1, 1)
    check_blob_counts(layer, 2, 1)


def test_setup_makes_parameters_and_shapes_tops(dtype):
    layer = Weighted(param_of(), Context(dtype=np.dtype(dtype)))
    top = layer.new_blob()
    setup_layer(layer, [Blob((4, 5), dtype)], [top])
    assert top.shape == (4, 5)
    assert [(blob.shape, blob.dtype) for blob in layer.blobs] == [((2, 3), dtype), ((3,), dtype)]
    assert layer.param_propagate_down == [True, True]


def test_parameters_depend_on_seed_name_and_place_alone():
    def values(name, seed):
        filler = caffe_pb2.FillerParameter(type="gaussian")
        layer = Layer(param_of(f'name: "{name}"'), Context(seed=seed))
        layer.init_params([BlobSpec((50,), filler), BlobSpec((50,), filler)])
        return [blob.data for blob in layer.blobs]

    first, second = values("a", 1)
    np.testing.assert_array_equal(first, values("a", 1)[0])
    for other in (second, values("b", 1)[0], values("a", 2)[0]):
        assert (first != other).all()


STORED = "blobs { shape { dim: 2 dim: 3 } data: [1, 2, 3, 4, 5, 6] } blobs { shape { dim: 3 } double_data: [7, 8, 9] }"


def test_parameters_that_came_with_the_prototxt_are_kept():
    layer = Weighted(param_of(STORED))
    setup_layer(layer, [Blob((1,))], [Blob()])
    np.testing.assert_array_equal(layer.blobs[0].data, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(layer.blobs[1].data, [7, 8, 9])


@pytest.mark.parametrize(
    ("specs", "want"), [(((3, 2), (3,)), "2 of shape 3 2 (6), 3 (3)"), (((2, 3),), "1 of shape 2 3 (6)")]
)
def test_refuses_stored_parameters_of_other_shapes(specs, want):
    layer = Weighted(param_of(STORED))
    layer.specs = specs
    with pytest.raises(LayerError, match=re.escape(f"blobs is of shape 2 3 (6), 3 (3); this layer has {want}")):
        setup_layer(layer, [Blob((1,))], [Blob()])


def test_refuses_stored_parameters_of_too_few_values():
    with pytest.raises(WeightsError, match=r"a stored blob of shape 4 \(4\) holds 2 values"):
        Weighted(param_of("blobs { shape { dim: 4 } data: [1, 2] }"))


def test_an_error_says_where_once_the_net_filled_that_in():
    error = LayerError("pooling_param.stride", 0, "use 1 or more")
    assert str(error) == "pooling_param.stride is 0; use 1 or more"
    error.where = 'net.prototxt:7: layer "pool1" (Pooling): '
    assert str(error) == 'net.prototxt:7: layer "pool1" (Pooling): pooling_param.stride is 0; use 1 or more'


def test_axes_that_a_blob_lacks_are_refused_by_the_name_of_the_field():
    layer = Copy(param_of())
    assert layer.canonical_axis(Blob((2, 3)), -1, "concat_param.axis") == 1
    message = "concat_param.axis is 2; a blob of shape 2 3 (6) has axes -2 to 1"
    with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
        layer.canonical_axis(Blob((2, 3)), 2, "concat_param.axis")
    with pytest.raises(LayerError, match=r"^concat_param\.axis is 0; the bottom is a scalar and has no axes$"):
        layer.canonical_axis(Blob(()), 0, "concat_param.axis")
    with pytest.raises(LayerError, match=r"^concat_param\.axis is 0; the bottom has no shape yet$"):
        layer.canonical_axis(Blob(), 0, "concat_param.axis")


def test_random_keys_change_with_the_pass_and_repeat_for_the_same():
    context = Context(seed=1)
    layer, twin = Copy(param_of('name: "a"'), context), Copy(param_of('name: "a"'), Context(seed=1))
    first = layer.random_key()
    assert first == twin.random_key() != layer.random_key("mask")
    context.passes = 1
    assert layer.random_key() != first


def test_a_layer_keeps_no_state_unless_it_says_so():
    layer = Copy(param_of())
    assert layer.get_state() == {}
    layer.set_state({})
    with pytest.raises(AssertionError, match="Copy keeps no state"):
        layer.set_state({"position": 1})


def test_files_are_found_as_written_or_beside_the_prototxt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "list.txt").touch()
    context = Context(folder=tmp_path / "nets")
    assert context.find("list.txt") == tmp_path / "nets" / "list.txt"
    (tmp_path / "list.txt").touch()
    assert str(context.find("list.txt")) == "list.txt"
    with pytest.raises(NoSuchFileError):
        context.find("none.txt")


def test_text_and_html():
    layer = make_layer(
        text_format.Parse('name: "a<b>" type: "Scale" scale_param { bias_term: true }', caffe_pb2.LayerParameter())
    )
    assert repr(layer) == '<ScaleLayer "a<b>">'
    bottom = [Blob((2, 3))]
    setup_layer(layer, bottom, [Blob()])
    assert repr(layer) == '<ScaleLayer "a<b>": blobs 3 (3), 3 (3)>'
    html = layer._repr_html_()
    assert "<b>a&lt;b&gt;</b> (Scale)" in html
    assert "bias_term: true" in html
    assert "a<b>" not in html
    assert html.count("<tr>") == 3
