import copy
import pickle
import subprocess
import sys
from collections import OrderedDict

import pytest
from google.protobuf import text_format

import caffelite
from caffelite import NetSpec, to_proto
from caffelite import layers as L
from caffelite import params as P
from caffelite.net_spec import Function, NetSpecError, Top, UnknownTopError
from caffelite.proto import caffe_pb2


def texts(net):
    """Return name, type, bottoms and tops of each layer."""
    return [(layer.name, layer.type, list(layer.bottom), list(layer.top)) for layer in net.layer]


def lenet(n):
    """Fill a NetSpec, or anything with attributes, with LeNet; return it and its loss."""
    n.data, n.label = L.DummyData(
        shape=[dict(dim=[2, 1, 28, 28]), dict(dim=[2, 1, 1, 1])], transform_param=dict(scale=1.0 / 255), ntop=2
    )
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=4, weight_filler=dict(type="xavier"))
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.conv2 = L.Convolution(n.pool1, kernel_size=5, num_output=5, weight_filler=dict(type="xavier"))
    n.pool2 = L.Pooling(n.conv2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool2, num_output=6, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.ip2 = L.InnerProduct(n.relu1, num_output=10, weight_filler=dict(type="xavier"))
    n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
    return n.loss


class Anonymous:
    """Takes attributes without naming anything."""


def test_lenet_by_names(tmp_path):
    n = NetSpec()
    lenet(n)
    proto = n.to_proto()
    assert list(proto.layer[6].top) == list(proto.layer[6].bottom) == ["ip1"]
    assert (proto.layer[6].name, proto.layer[7].bottom) == ("relu1", ["ip1"])
    assert texts(proto)[0] == ("data", "DummyData", [], ["data", "label"])
    (tmp_path / "net.prototxt").write_text(str(proto))
    net = caffelite.Net(tmp_path / "net.prototxt", caffelite.TEST)
    assert len(net.layers) == 9
    assert list(net.forward()) == ["loss"]


def test_lenet_without_names(tmp_path):
    proto = lenet(Anonymous()).to_proto()
    assert [name for name, *_ in texts(proto)] == [
        "DummyData1",
        "Convolution1",
        "Pooling1",
        "Convolution2",
        "Pooling2",
        "InnerProduct1",
        "ReLU1",
        "InnerProduct2",
        "SoftmaxWithLoss1",
    ]
    assert texts(proto)[0][3] == ["DummyData1", "DummyData2"]
    assert texts(proto)[7][2] == ["InnerProduct1"]
    (tmp_path / "net.prototxt").write_text(str(proto))
    assert len(caffelite.Net(str(tmp_path / "net.prototxt"), caffelite.TEST).layers) == 9


def test_a_layer_without_tops():
    n = NetSpec()
    n.data, n.data2 = L.DummyData(shape=dict(dim=3), ntop=2)
    n.silence_data = L.Silence(n.data, ntop=0)
    n.silence_data2 = L.Silence(n.data2, ntop=0)
    proto = n.to_proto()
    assert [(layer.name, list(layer.top)) for layer in proto.layer[1:]] == [("silence_data", []), ("silence_data2", [])]
    assert caffelite.Net(proto, caffelite.TEST).forward() == {}


@pytest.mark.parametrize("bad", [(), [], None, "data", 3])
def test_what_is_no_top_is_a_type_error_in_caffe_s_words(bad):
    with pytest.raises(TypeError) as caught:
        L.Eltwise(L.Input(), bad)
    assert str(caught.value) == f"Eltwise input 1 is not a Top (type is {type(bad)})"


def test_a_tuple_of_tops_is_no_top():
    data = L.DummyData(ntop=2, shape=[dict(dim=64), dict(dim=64)])
    with pytest.raises(TypeError, match=r"^Silence input 0 is not a Top \(type is <(class|type) 'tuple'>\)$"):
        L.Silence(data, ntop=0)
    assert isinstance(L.Silence(*data, ntop=0), Function)


def test_what_a_call_returns():
    one, two, none = L.Input(), L.Input(ntop=2), L.Silence(ntop=0)
    assert isinstance(one, Top) and (one.n, one.fn.type_name) == (0, "Input")
    assert isinstance(two, tuple) and [top.n for top in two] == [0, 1] and two[0].fn is two[1].fn
    assert (none.type_name, none.inputs, none.params, none.ntop, none.in_place, none.tops) == (
        "Silence",
        (),
        {},
        0,
        False,
        (),
    )
    assert repr(two[1]) == "<Top 1 of <Input of 0 inputs>>"


def test_the_dicts_of_the_caller_stay():
    given = dict(ntop=2, in_place=False, shape=[dict(dim=[1])])
    before = copy.deepcopy(given)
    to_proto(L.Input(**given)[0])
    assert given == before


def test_names_and_order():
    """In the order of naming, each behind what it needs; one top's last name counts; Caffe's numbers for the rest."""
    n = NetSpec()
    a, b = L.Data(ntop=2)
    n.second = b
    hidden = L.ReLU(a)
    n["conv1/7x7"] = L.Convolution(hidden, num_output=1)
    n.early = n.late = L.Power(hidden)
    n.__setattr__("ip", L.InnerProduct(n["conv1/7x7"], n.late, num_output=2))
    L.Silence(n.ip, ntop=0)  # named nowhere: not in the net
    assert texts(n.to_proto()) == [
        ("Data1", "Data", [], ["Data1", "second"]),
        ("ReLU1", "ReLU", ["Data1"], ["ReLU1"]),
        ("conv1/7x7", "Convolution", ["ReLU1"], ["conv1/7x7"]),
        ("late", "Power", ["ReLU1"], ["late"]),
        ("ip", "InnerProduct", ["conv1/7x7", "late"], ["ip"]),
    ]
    assert n.to_proto() == n.to_proto()
    assert isinstance(n.tops, OrderedDict) and list(n.tops) == ["second", "conv1/7x7", "early", "late", "ip"]


def test_a_name_given_again_leaves_earlier_readers():
    n = NetSpec()
    n.x = L.Input()
    n.y = L.ReLU(n.x)
    n.x = L.Sigmoid(n.x)
    assert texts(n.to_proto()) == [
        ("Input1", "Input", [], ["Input1"]),
        ("x", "Sigmoid", ["Input1"], ["x"]),
        ("y", "ReLU", ["Input1"], ["y"]),
    ]


def test_automatic_names_avoid_the_user_s():
    n = NetSpec()
    n.ReLU1 = L.ReLU(L.ReLU(L.Input()))
    assert texts(n.to_proto()) == [
        ("Input1", "Input", [], ["Input1"]),
        ("ReLU2", "ReLU", ["Input1"], ["ReLU2"]),
        ("ReLU1", "ReLU", ["ReLU2"], ["ReLU1"]),
    ]


def test_in_place_all_bottoms_are_tops():
    a, b = L.Input(ntop=2)
    layer = to_proto(L.Python(a, b, in_place=True, module="m", layer="l")).layer[1]
    assert (layer.bottom, layer.top, layer.name) == (["Input1", "Input2"], ["Input1", "Input2"], "Python1")
    assert layer.python_param.module == "m"
    with pytest.raises(NetSpecError, match="ReLU with in_place=True has 1 tops and 0 inputs"):
        L.ReLU(in_place=True)


def test_a_parameter_called_name_is_the_layer_s():
    assert texts(to_proto(L.Input(name="x"))) == [("x", "Input", [], ["Input1"])]


def test_a_chain_of_any_length():
    n = NetSpec()
    top = L.Input(shape=dict(dim=[1]))
    for _ in range(5000):
        top = L.ReLU(top, in_place=True)
    n.end = top
    assert len(n.to_proto().layer) == len(to_proto(top).layer) == len(copy.deepcopy(n).to_proto().layer) == 5001


def test_errors_name_the_layer():
    n = NetSpec()
    n.conv1 = L.Convolution(L.Input(), kernel_sise=3)
    with pytest.raises(AttributeError) as caught:
        n.to_proto()
    assert str(caught.value) == ('layer "conv1" (Convolution): no field "kernel_sise"; did you mean "kernel_size"?')
    with pytest.raises(
        TypeError, match=r'layer "Convolution1" \(Convolution\): convolution_param.num_output is None; '
    ):
        to_proto(L.Convolution(num_output=None))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, '"x" is given None (NoneType); a name is given to one Top'),
        (L.Input(ntop=2), '"x" is given a tuple of 2: name each, as in n.data, n.label = L.Data(..., ntop=2); a name'),
        (L.Input().fn, '"x" is given the layer <Input of 0 inputs>'),
    ],
)
def test_only_tops_have_names(value, message):
    n = NetSpec()
    for give in (lambda: setattr(n, "x", value), lambda: n.__setitem__("x", value)):
        with pytest.raises(NetSpecError) as caught:
            give()
        assert str(caught.value).startswith(message)


@pytest.mark.parametrize("bad", [L.Input(ntop=2), L.Silence(ntop=0), None])
def test_to_proto_takes_tops(bad):
    with pytest.raises(AttributeError, match="to_proto takes tops, not "):
        to_proto(L.Input(), bad)
    assert to_proto() == caffe_pb2.NetParameter()


def test_an_unknown_name_is_a_key_error_and_hasattr_answers():
    n = NetSpec()
    n.conv1 = L.Input()
    assert not hasattr(n, "conv2") and hasattr(n, "conv1") and "conv1" in dir(n)
    for ask in (lambda: n.conv, lambda: n["conv"]):
        with pytest.raises(KeyError) as caught:
            ask()
        assert isinstance(caught.value, UnknownTopError)
        assert str(caught.value) == 'no top "conv"; did you mean "conv1"?'


def test_names_are_walked_through_and_asked_for():
    n = NetSpec()
    n.a, n["b/c"] = L.Input(), L.Input()
    assert list(n) == ["a", "b/c"] and "b/c" in n and "b" not in n and 1 not in n


def test_names_are_texts_and_there_are_no_less_than_no_tops():
    with pytest.raises(NetSpecError, match="^a top is named by a text, not by 1$"):
        NetSpec()[1] = L.Input()
    with pytest.raises(NetSpecError, match="^Data: ntop is -1; use 0 or more$"):
        L.Data(ntop=-1)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_a_deep_copy_is_another_net(copied):
    n = NetSpec()
    lenet(n)
    n.silence = L.Silence(n.pool1, ntop=0)
    other = copied(n)
    assert other.to_proto() == n.to_proto()
    other.conv1.fn.params["num_output"] = 99
    other.extra = L.ReLU(other.ip2)
    assert n.conv1.fn.params["num_output"] == 4 and not hasattr(n, "extra")
    assert other.to_proto().layer[1].convolution_param.num_output == 99


def test_a_copy_has_names_of_its_own():
    n = NetSpec()
    n.x = L.Input()
    other = copy.copy(n)
    other.y = other.x
    assert list(n.tops) == ["x"] and other.x is n.x


def test_constants():
    assert (P.Pooling.MAX, P.Data.LMDB, P.Filler.FAN_OUT, P.Solver.ADAM, P.Loss.NONE) == (0, 1, 1, 5, 3)
    assert (P.Reduction.MEAN, P.LRN.WITHIN_CHANNEL, P.Eltwise.MAX, P.SPP.AVE, P.HingeLoss.L2) == (4, 1, 2, 1, 2)
    assert (P.Convolution.CUDNN, P.Pooling.FLOOR) == (2, 1)
    family = P.Nope
    with pytest.raises(AttributeError, match='no parameters "Nope"'):
        family.X  # noqa: B018
    with pytest.raises(AttributeError, match='Pooling has no constant "MAXX"; did you mean "MAX"'):
        P.Pooling.MAXX  # noqa: B018
    assert not hasattr(P.Pooling, "X")


def test_what_a_prompt_completes():
    assert {"Convolution", "Python"} <= set(dir(L)) and {"Pooling", "Filler"} & set(dir(P)) == {"Pooling"}
    assert L.Convolution.__name__ == "Convolution" and "Convolution" in L.Convolution.__doc__
    assert not hasattr(L, "__wrapped__") and not hasattr(P, "__wrapped__") and not hasattr(P.Pooling, "__wrapped__")


def test_the_text_is_one_that_protobuf_reads_back():
    n = NetSpec()
    lenet(n)
    assert text_format.Parse(str(n.to_proto()), caffe_pb2.NetParameter()) == n.to_proto()


def test_a_net_is_written_without_loading_numba():
    code = (
        "import sys; from caffelite import layers as L, params as P, NetSpec, to_proto;"
        "n = NetSpec(); n.x = L.Convolution(L.Input(), num_output=1); n.to_proto();"
        "print([m for m in ('numba', 'cv2') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
