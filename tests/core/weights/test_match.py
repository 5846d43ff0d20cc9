import logging

import numpy as np
import pytest

from caffelite.core.blob import Blob
from caffelite.core.errors import WeightsError
from caffelite.core.prototxt.lines import Lines, Place
from caffelite.core.weights.match import NetLayer, Rules, SourceLayer, check_filled, distinct, matched
from caffelite.proto.caffe_pb2 import LayerParameter

PLAIN = Rules(False, "{name}: {found} of {wanted} in {source}", "{name} {number}: {found} / {wanted} {source}")
LACKING = PLAIN._replace(may_lack=True)


def layer(name, *blobs, owned=None):
    return NetLayer(name, blobs, [True] * len(blobs) if owned is None else owned, LayerParameter(name=name))


def source(name, *blobs):
    return SourceLayer(name, dict(enumerate(blobs)))


def blobs(count, *shape):
    return [Blob(shape or (2,)) for _ in range(count)]


def places(pairs, own, stored):
    """Return which of `own` gets which of `stored`."""
    return [([id(blob) for blob in own].index(id(a)), [id(blob) for blob in stored].index(id(b))) for a, b in pairs]


def test_of_equal_names_in_the_net_alone_the_first_is_meant():
    own, (stored,) = blobs(2), blobs(1)
    layers = [layer("a", own[0]), layer("a", own[1])]
    ((target, found),) = matched(layers, [source("a", stored)], "w", PLAIN)
    assert target is own[0]
    assert found is stored


@pytest.mark.parametrize("count", [2, 3])
def test_equal_names_in_both_are_matched_in_order(count):
    own, stored = blobs(count), blobs(2)
    layers = [layer("a", blob) for blob in own]
    pairs = matched(layers, [source("a", stored[0]), source("b"), source("a", stored[1])], "w", PLAIN)
    assert places(pairs, own, stored) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("count", [1, 2])
def test_more_equal_names_in_the_source_all_go_to_the_first_which_keeps_the_last(count):
    own, stored = blobs(count), blobs(3)
    pairs = matched([layer("a", blob) for blob in own], [source("a", blob) for blob in stored], "w", PLAIN)
    assert [target for target, _ in pairs] == [own[0]] * 3
    assert [found for _, found in pairs] == stored


def test_layers_without_parameters_do_not_stand_in_the_way_of_those_of_their_name():
    own, stored = blobs(2), blobs(2)
    layers = [layer("a"), layer("a", own[0]), layer("a", own[1])]
    pairs = matched(layers, [source("a", stored[0]), source("a"), source("a", stored[1]), source("a")], "w", PLAIN)
    assert places(pairs, own, stored) == [(0, 0), (1, 1)]
    assert matched([layer("a"), layer("a")], [source("a")] * 3, "w", PLAIN) == []


def test_of_equal_names_all_but_the_last_get_a_number():
    assert distinct(["a", "b", "a", "c", "a"]) == ["a (1)", "b", "a (2)", "c", "a"]


def test_what_only_the_source_has_is_logged_and_folders_are_not(caplog):
    caplog.set_level(logging.INFO, "caffelite")
    others = [source("b", *blobs(1)), SourceLayer("folder", {}, is_folder=True), source("c")]
    assert matched([layer("a", *blobs(1))], others, "w", PLAIN) == []
    assert caplog.messages == ["Ignoring source layer b", "Ignoring source layer c"]


@pytest.mark.parametrize("rules", [PLAIN, LACKING])
def test_more_blobs_than_the_net_has_are_refused(rules):
    with pytest.raises(WeightsError, match="^a: 2 of 1 in w$"):
        matched([layer("a", *blobs(1))], [source("a", *blobs(2))], "w", rules)


def test_fewer_blobs_are_refused_unless_those_that_lack_are_not_owned():
    own = blobs(2)
    with pytest.raises(WeightsError, match="^a: 1 of 2 in w$"):
        matched([layer("a", *own, owned=[True, False])], [source("a", *blobs(1))], "w", PLAIN)
    ((target, _),) = matched([layer("a", *own, owned=[True, False])], [source("a", *blobs(1))], "w", LACKING)
    assert target is own[0]
    with pytest.raises(WeightsError, match="^w: param 1 of layer 'a' is missing; rename the layer to learn it"):
        matched([layer("a", *own, owned=[False, True])], [source("a", *blobs(1))], "w", LACKING)


def test_a_number_beyond_the_nets_is_refused_also_where_the_count_agrees():
    with pytest.raises(WeightsError, match="^a: 1 of 1 in w$"):
        matched([layer("a", *blobs(1), owned=[False])], [SourceLayer("a", {1: Blob((2,))})], "w", LACKING)


def test_another_shape_is_refused_with_both_unless_the_format_says_that_it_fits():
    own, stored = blobs(1, 2, 3), blobs(1, 6)
    with pytest.raises(WeightsError, match=r"^a 0: 6 \(6\) / 2 3 \(6\) w The counts agree, only the axes differ"):
        matched([layer("a", *own)], [source("a", *stored)], "w", PLAIN)
    assert matched([layer("a", *own)], [source("a", *stored)], "w", PLAIN, lambda blob, other: True)


def test_where_only_axes_differ_is_said_only_where_the_counts_agree():
    with pytest.raises(WeightsError, match=r"^a 0: 5 \(5\) / 2 3 \(6\) w$"):
        matched([layer("a", *blobs(1, 2, 3))], [source("a", *blobs(1, 5))], "w", PLAIN)


def test_layers_that_got_nothing_are_named_with_their_place(caplog):
    got, zero, full = blobs(1), blobs(1), blobs(2)
    full[1].data[...] = 3
    shared, unowned = Blob((2,)), Blob((2,))
    shared.share_data(got[0])
    place = Place(Lines("net.prototxt", {"layer[1]": 7}), "layer[1]")
    layers = [
        layer("got", *got),
        layer("zero", *zero)._replace(place=place),
        layer("full", *full),
        layer("sharing", shared),
        layer("unowned", unowned, owned=[False]),
        layer("relu"),
    ]
    check_filled(layers, got, "w")
    assert caplog.messages == [
        "net.prototxt:7: layer zero got no weights from w: it stays zero",
        "layer full got no weights from w: it keeps those it has",
    ]


def test_where_no_layer_got_any_the_source_is_refused():
    layers = [layer("relu"), *(layer(f"l{number}", *blobs(1)) for number in range(6))]
    with pytest.raises(WeightsError, match=r"^w: no layer in it .* \(l0, l1, l2, l3, l4, \.\.\.\); give"):
        check_filled(layers, [], "w")
    with pytest.raises(WeightsError, match=r"\(l0, l1, l2, l3, l4\); give"):
        check_filled(layers[:6], [], "w")
    check_filled(layers[:1], [], "w")


def test_a_signalling_nan_in_a_layer_that_got_nothing_is_no_fault(caplog):
    """NumPy warns of one in any()."""
    odd, filled = Blob((1,)), Blob((1,))
    odd.data.view(np.uint32)[...] = 0x7F800001
    check_filled([layer("odd", odd), layer("filled", filled)], [filled], "w")
    assert caplog.messages == ["layer odd got no weights from w: it keeps those it has"]
