import numpy as np
import pytest

import caffelite
from caffelite.core.errors import WeightsError
from caffelite.core.weights.caffemodel import read_layers
from caffelite.core.weights.stored import stored_layers
from caffelite.core.weights.wire import WireFile
from caffelite.core.weights.wire_write import joined, nested
from caffelite.proto.caffe_pb2 import (
    BlobProto,
    BlobShape,
    LayerParameter,
    NetParameter,
    V0LayerParameter,
    V1LayerParameter,
)

VALUES = np.arange(6, dtype=np.float32) - 2


def blob(shape=(2, 3), **fields):
    return BlobProto(shape=BlobShape(dim=shape), **(fields or {"data": VALUES}))


def net_of(blob_bytes, name="conv1"):
    layer = LayerParameter(name=name, type="Convolution").SerializeToString()
    return joined(nested(100, [layer, *nested(7, [blob_bytes])]))


@pytest.fixture
def layers(tmp_path):
    def read(message):
        path = tmp_path / "net.caffemodel"
        path.write_bytes(message if isinstance(message, bytes) else message.SerializeToString())
        return list(stored_layers(WireFile(path, "caffemodel")))

    return read


def test_layers_of_today_and_of_2014_and_2013(layers):
    legacy = BlobProto(num=1, channels=1, height=2, width=3, data=VALUES)
    net = NetParameter(
        name="net",
        layer=[LayerParameter(name="new", blobs=[blob(), blob()]), LayerParameter(name="relu")],
        layers=[
            V1LayerParameter(name="v1", type=V1LayerParameter.CONVOLUTION, blobs=[legacy]),
            V1LayerParameter(bottom=["x"], layer=V0LayerParameter(name="v0", type="conv", blobs=[legacy, legacy])),
        ],
    )
    found = {layer.name: layer.blobs for layer in layers(net)}
    assert {name: len(blobs) for name, blobs in found.items()} == {"new": 2, "relu": 0, "v1": 1, "v0": 2}
    assert [(b.shape, b.legacy) for b in found["new"]] == [((2, 3), False)] * 2
    assert [(b.shape, b.legacy) for b in found["v0"]] == [((1, 1, 2, 3), True)] * 2
    for blobs in found.values():
        for stored in blobs:
            np.testing.assert_array_equal(stored.data, VALUES)
            assert stored.diff is None


def test_values_are_views_of_the_file(layers):
    ((_, (stored,)),) = layers(net_of(blob().SerializeToString()))
    assert stored.data.base is not None
    assert not stored.data.flags.writeable


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("number", "dtype"), [(5, "<f4"), (8, "<f8")])
def test_both_number_types_packed_or_not(layers, number, dtype, packed):
    values = VALUES.astype(dtype)
    if packed:
        data = joined(nested(number, [values.tobytes()]))
    else:
        tag = bytes([number << 3 | (5 if dtype == "<f4" else 1)])
        data = b"".join(tag + value.tobytes() for value in values)
    ((_, (stored,)),) = layers(net_of(BlobProto(shape=BlobShape(dim=[6])).SerializeToString() + data))
    assert stored.data.dtype == dtype
    np.testing.assert_array_equal(stored.data, VALUES)


def test_values_in_several_pieces_are_joined_and_doubles_win(layers):
    pieces = blob(data=VALUES[:4]).SerializeToString() + BlobProto(data=VALUES[4:]).SerializeToString()
    ((_, (stored,)),) = layers(net_of(pieces))
    np.testing.assert_array_equal(stored.data, VALUES)
    ((_, (stored,)),) = layers(net_of(blob(data=VALUES, double_data=VALUES + 1).SerializeToString()))
    np.testing.assert_array_equal(stored.data, VALUES + 1)


def test_gradients_are_found(layers):
    ((_, (stored,)),) = layers(net_of(blob(data=VALUES, diff=VALUES * 2).SerializeToString()))
    np.testing.assert_array_equal(stored.diff, VALUES * 2)


@pytest.mark.parametrize(("kind", "dtype"), [(None, "<f8"), (0, "<f8"), (1, "<f4"), (2, "<f2"), (3, "<i4")])
def test_raw_values_of_a_fork(layers, kind, dtype):
    shape = BlobProto(shape=BlobShape(dim=[6])).SerializeToString()
    kind_field = b"" if kind is None else bytes([10 << 3, kind])
    raw = joined(nested(12, [VALUES.astype(dtype).tobytes()]))
    ((_, (stored,)),) = layers(net_of(shape + kind_field + raw))
    np.testing.assert_array_equal(stored.data, VALUES)


@pytest.mark.parametrize(
    ("blob_bytes", "text"),
    [
        (blob((2, 4)).SerializeToString(), r"blob 0 of layer 'conv1' has the shape 2 4 \(8\) but 6 values"),
        (BlobProto().SerializeToString(), r"blob 0 of layer 'conv1' has the shape \(1\) but 0 values"),
        (blob((-2, -3)).SerializeToString(), r"has the shape -2 -3 \(6\) but 6 values"),
        (blob((2**40, 2**40)).SerializeToString(), "but 6 values"),
        (blob([1] * 33).SerializeToString(), "blob 0 of layer 'conv1' has more than 32 axes"),
        (blob(data=VALUES, diff=VALUES[:3]).SerializeToString(), r"has the shape 2 3 \(6\) but 3 values"),
        (b"\x2a\x03abc", "a field of 3 bytes at byte .* does not hold 4-byte numbers"),
        (b"\x28\x03", "does not hold 4-byte numbers"),
        (b"\x50\x06\x62\x01a", "raw values of an unknown type 6"),
        (b"\x50\x09\x62\x01a", "raw values of an unknown type 9"),
    ],
)
def test_values_that_do_not_fit_their_shape(layers, blob_bytes, text):
    with pytest.raises(WeightsError, match=text):
        layers(net_of(blob_bytes))


def test_every_truncation_and_many_damages_end_in_a_clear_error(tmp_path, layers):
    net = NetParameter(
        name="net",
        layer=[LayerParameter(name="a", type="InnerProduct", blobs=[blob(), blob((6,))])],
        layers=[V1LayerParameter(name="b", blobs=[BlobProto(num=1, channels=1, height=1, width=6, data=VALUES)])],
    )
    whole = net.SerializeToString()
    path = tmp_path / "damaged"
    damages = [whole[:end] for end in range(len(whole))]
    rng = np.random.Generator(np.random.Philox(key=1701))
    for _ in range(2000):
        changed = bytearray(whole)
        for place in rng.integers(len(whole), size=rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        damages.append(bytes(changed))
    for data in damages:
        path.write_bytes(data)
        try:
            for layer in read_layers(path):
                assert all(stored.data.size <= len(data) for stored in layer.blobs)
        except WeightsError as err:
            assert str(path) in str(err)


@pytest.mark.parametrize(
    "extra",
    [
        b"\x0a\x00",  # num, but as a text
        b"\x38\x05",  # shape, but as a number
        b"\x42\x00",  # no doubles at all
    ],
)
def test_fields_that_mean_nothing_are_stepped_over(layers, extra):
    ((_, (stored,)),) = layers(net_of(extra + blob((6,)).SerializeToString()))
    assert (stored.shape, stored.legacy) == ((6,), False)
    np.testing.assert_array_equal(stored.data, VALUES)


def test_of_two_layers_of_2013_in_one_the_last_counts(layers):
    first, second = (V1LayerParameter(layer=V0LayerParameter(name=name)).SerializeToString() for name in "ab")
    assert [layer.name for layer in layers(joined(nested(2, [first, second])))] == ["b"]


def test_of_a_shape_only_the_axes_are_read(layers):
    ((_, (stored,)),) = layers(net_of(b"\x3a\x04\x08\x06\x10\x09" + BlobProto(data=VALUES).SerializeToString()))
    assert stored.shape == (6,)


# Fields of a LayerParameter that forks number as Caffe numbers others, or with other kinds of values.
CLASHES = [
    pytest.param(joined(nested(137, [b"\x08\x02\x10\xff\xff\xff\xff\x0f"])), id="upsample for embed"),
    pytest.param(b"\xca\x09\x05hello", id="engine, a text, for a message"),  # 153
    pytest.param(b"\x88\x09\x02", id="forward_type, a number, for parameter_param"),  # 145
    pytest.param(joined(nested(147, [b"\xff\xfe\xfd"])), id="what is no message"),
    pytest.param(b"\xa5\x09\x00\x00\x80\x3f", id="32 bits"),  # 148
    pytest.param(b"\xc9\x0c" + bytes(8), id="64 bits"),  # 201
    pytest.param(joined(nested(8266711, [b"\x08\x07"])), id="a large number"),
    pytest.param(joined(nested(10001, [b"\x0a\x01x"])), id="a number of ours"),
]


@pytest.mark.parametrize("foreign", CLASHES)
def test_fields_of_forks_are_stepped_over_unread(layers, foreign):
    param = LayerParameter(name="conv1", type="AnyForksLayer").SerializeToString()
    blob_bytes = joined(nested(7, [blob().SerializeToString()]))
    ((name, (stored,)),) = layers(joined(nested(100, [foreign, param, foreign, blob_bytes, foreign])))
    assert name == "conv1"
    np.testing.assert_array_equal(stored.data, VALUES)


def test_fields_of_forks_in_the_form_of_2014(layers):
    param = V1LayerParameter(name="bn", blobs=[blob()]).SerializeToString()
    ((name, (stored,)),) = layers(joined(nested(2, [*nested(45, [b"\xff\xff"]), param, b"\x28\xe7\x07"])))  # type 999
    assert name == "bn"
    np.testing.assert_array_equal(stored.data, VALUES)


def test_raw_values_come_after_those_of_caffes_own_fields(layers):
    raw = b"\x50\x01" + joined(nested(12, [(VALUES + 9).tobytes()]))
    ((_, (single,)),) = layers(net_of(raw + blob().SerializeToString()))
    np.testing.assert_array_equal(single.data, VALUES)
    both = blob(data=VALUES + 5, double_data=VALUES).SerializeToString()
    ((_, (double,)),) = layers(net_of(both + raw))
    np.testing.assert_array_equal(double.data, VALUES)


@pytest.mark.parametrize(("kind", "dtype"), [(4, "<u4"), (5, "u1")])
def test_raw_whole_numbers_and_bits(layers, kind, dtype):
    values = np.array([0, 1, 1, 0, 1, 1], dtype)
    shape = BlobProto(shape=BlobShape(dim=[6])).SerializeToString()
    ((_, (stored,)),) = layers(net_of(shape + bytes([10 << 3, kind]) + joined(nested(12, [values.tobytes()]))))
    np.testing.assert_array_equal(stored.data, values)


def test_a_net_takes_half_precision_weights_of_a_fork_by_name(tmp_path):
    text = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
      inner_product_param { num_output: 2 bias_term: false } }
    """
    (tmp_path / "net.prototxt").write_text(text)
    half = b"\x50\x02" + joined(nested(12, [VALUES.astype("<f2").tobytes()]))
    blob_bytes = BlobProto(shape=BlobShape(dim=[2, 3])).SerializeToString() + half
    param = LayerParameter(name="ip", type="InnerProduct").SerializeToString()
    layer = [param, *nested(149, [b"MKL"]), *nested(7, [blob_bytes])]
    (tmp_path / "net.caffemodel").write_bytes(joined(nested(100, layer)))
    net = caffelite.Net(str(tmp_path / "net.prototxt"), caffelite.TEST, weights=str(tmp_path / "net.caffemodel"))
    np.testing.assert_array_equal(net.params["ip"][0].data, VALUES.reshape(2, 3))
