"""What building a net refuses, in full, and what it costs to build one that brings its weights."""

import logging

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core import container
from caffelite.core import layer as layers
from caffelite.core.errors import LayerError, NetError
from caffelite.core.layer import Layer, register_layer
from caffelite.proto.caffe_pb2 import NetParameter
from caffelite.pycaffe import Net

STORED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer {
  name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 bias_term: false }
  blobs { shape { dim: 2 dim: 3 } %s }
}
"""


@pytest.fixture
def stored(tmp_path):
    """Return a function that writes a net whose inner product brings these values and returns the file's path."""

    def write(values):
        path = tmp_path / "net.prototxt"
        path.write_text(STORED % " ".join(f"data: {value}" for value in values))
        return path

    return write


def test_weights_in_the_message_become_parameters(stored):
    net = Net(stored(range(6)), caffelite.TEST)
    np.testing.assert_array_equal(net.params["ip"][0].data, [[0, 1, 2], [3, 4, 5]])


def test_a_stored_blob_that_does_not_fill_its_shape_is_refused_with_its_layer(stored):
    path = stored(range(5))
    with pytest.raises(caffelite.CaffeliteError) as caught:
        Net(path, caffelite.TEST)
    assert str(caught.value) == (f'{path}:3: layer "ip" (InnerProduct): a stored blob of shape 2 3 (6) holds 5 values')


def test_fields_that_no_layer_of_the_type_knows_are_refused_with_their_layer(tmp_path, monkeypatch):
    monkeypatch.setitem(layers.LAYERS._members, "Picky", [])

    @register_layer("Picky", when=lambda layer: layer.HasField("crop_param"))
    class Picky(Layer):
        """Never made here."""

    path = tmp_path / "net.prototxt"
    path.write_text('\nlayer { name: "p"\n  type: "Picky" top: "p" }')
    with pytest.raises(LayerError) as caught:
        Net(path, caffelite.TEST)
    assert str(caught.value) == (
        f'{path}:3: layer "p" (Picky): type is "Picky"; none of the layers of this type knows the fields given'
    )


def test_stored_weights_are_neither_printed_nor_changed(stored, caplog):
    message = text_format.Parse(stored(range(6)).read_text(), NetParameter())
    before = message.SerializeToString(deterministic=True)
    with caplog.at_level(logging.INFO, logger="caffelite"):
        Net(message, caffelite.TEST)
    assert message.SerializeToString(deterministic=True) == before
    (said,) = [record.getMessage() for record in caplog.records if "Initializing net" in record.getMessage()]
    assert "(6 values)" in said and 'name: "ip"' in said and "data: 5" not in said


def test_no_message_is_printed_that_nobody_reads(stored, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("printed")

    monkeypatch.setattr(text_format, "MessageToString", refuse)
    monkeypatch.setattr("caffelite.core.net.wiring.draft.Draft.message", refuse)
    Net(text_format.Parse(stored(range(6)).read_text(), NetParameter()), caffelite.TEST)


TWO_TOPS = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1000 dim: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 1 bias_term: false } }
layer { name: "tanh" type: "TanH" bottom: "ip" top: "tanh" loss_weight: 1 }
"""


@pytest.mark.parametrize(("backward", "fits"), [(True, 5), (False, 3)])
def test_gradients_of_tops_count_in_what_a_net_needs(backward, fits, monkeypatch):
    message = text_format.Parse(TWO_TOPS, NetParameter())
    if not backward:
        message.layer[1].param.add(lr_mult=0)
    few = 8  # bytes: the weight and its gradient
    monkeypatch.setattr(container, "available", lambda: fits * 4000 + few)
    Net(message, caffelite.TRAIN)
    monkeypatch.setattr(container, "available", lambda: fits * 4000 - 4)
    with pytest.raises(NetError) as caught:
        Net(message, caffelite.TRAIN)
    what = "the net" if backward else 'layer "tanh" (TanH): the net up to this layer'
    needed = container.human(fits * 4000 + few)
    assert str(caught.value) == (
        f"{what} needs {needed} of memory and {container.human(fits * 4000 - 4)} are available; "
        "use a smaller batch_size, num_output or input"
    )
