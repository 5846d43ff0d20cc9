"""What Caffe's own tests of layers in Python assert (section 7 of pycaffe's specification), and section 4."""

import sys
from itertools import count

import numpy as np
import pytest

import caffelite
from caffelite import _caffe
from caffelite.core import ranks
from caffelite.core.errors import CaffeliteError

NUMBERS = count()

LAYERS = '''
import caffe


class Times10(caffe.Layer):
    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = 10 * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 10 * top[0].diff


class TimesParam(Times10):
    def setup(self, bottom, top):
        self.value = float(self.param_str)

    def forward(self, bottom, top):
        top[0].data[...] = self.value * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = self.value * top[0].diff


class Raises(caffe.Layer):
    def setup(self, bottom, top):
        raise RuntimeError("mine")


class Parameter(Times10):
    def setup(self, bottom, top):
        self.blobs.add_blob(1)
        self.blobs[0].data[0] = 0

    def forward(self, bottom, top):
        pass

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[0] = 1


class Phase(caffe.Layer):
    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape()

    def forward(self, bottom, top):
        top[0].data[()] = self.phase


class Looks(Times10):
    """Notes what it is given."""

    def setup(self, bottom, top):
        self.seen = {"setup": (type(bottom), type(top), list(bottom[0].shape), list(top[0].shape), top[0].count)}
        self.top_names = ["may be set"]

    def backward(self, top, propagate_down, bottom):
        self.seen["backward"] = (type(top), type(propagate_down), list(propagate_down), type(bottom))

    def set_roidb(self, roidb):
        self.roidb = roidb


class Data(caffe.Layer):
    """Shapes its tops in setup, as the data layers of Caffe's examples."""

    def setup(self, bottom, top):
        self.params = eval(self.param_str)
        assert self.params == eval(self.param_str_)
        top[0].reshape(self.params["batch_size"], 3, 2, 2)
        top[1].reshape(self.params["batch_size"])

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        for i in range(self.params["batch_size"]):
            top[0].data[i, ...] = i
            top[1].data[i] = -i

    def backward(self, top, propagate_down, bottom):
        pass


class Loss(caffe.Layer):
    """Half the squared distance, as pyloss of Caffe's examples."""

    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise Exception("Need two inputs to compute distance.")

    def reshape(self, bottom, top):
        if bottom[0].count != bottom[1].count:
            raise Exception("Inputs must have the same dimension.")
        import numpy as np

        self.diff = np.zeros_like(bottom[0].data, dtype=np.float32)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.diff[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = (self.diff**2).sum() / bottom[0].num / 2.0

    def backward(self, top, propagate_down, bottom):
        for i in range(2):
            if not propagate_down[i]:
                continue
            sign = 1 if i == 0 else -1
            bottom[i].diff[...] = sign * self.diff / bottom[i].num


class NoSetup(caffe.Layer):
    def reshape(self, bottom, top):
        top[0].reshape(1)


class NoReshape(caffe.Layer):
    def setup(self, bottom, top):
        pass


class OwnInit(Times10):
    def __init__(self, param):
        assert not hasattr(self, "param_str") and not hasattr(self, "phase")
        caffe.Layer.__init__(self, param)


class Replaces(Times10):
    def forward(self, bottom, top):
        top[0] = bottom[0].data


NotALayer = dict
'''
INPUT = "force_backward: true input: 'data' input_shape { dim: 10 dim: 9 dim: 8 }"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module with the layers above, under a name of its own."""
    name = f"checklist_layers_{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(LAYERS)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def python_net(module, net_of):
    """Make a net of Python layers: (name, bottoms, tops, class, further fields) each."""

    def make(*layers, head=INPUT, phase=caffelite.TRAIN):
        text = head
        for name, bottoms, tops, layer, *more in layers:
            ends = "".join(f" bottom: '{b}'" for b in bottoms.split()) + "".join(f" top: '{t}'" for t in tops.split())
            param = f' param_str: "{more[0]}"' if more else ""
            text += (
                f"layer {{ type: 'Python' name: '{name}'{ends} {' '.join(more[1:])}"
                f" python_param {{ module: '{module}' layer: '{layer}'{param} }} }}\n"
            )
        return net_of(text, phase)

    return make


@pytest.fixture
def three(python_net):
    return python_net(
        ("one", "data", "one", "Times10"), ("two", "one", "two", "Times10"), ("three", "two", "three", "Times10")
    )


# TestPythonLayer


def test_forward(three):
    three.blobs["data"].data[...] = 8
    three.forward()
    assert (three.blobs["three"].data == 8000).all()


def test_backward(three):
    three.blobs["three"].diff[...] = 7
    three.backward()
    assert (three.blobs["data"].diff == 7000).all()


def test_reshape(three):
    three.blobs["data"].reshape(4, 4, 4, 4)
    three.forward()
    assert all(list(blob.shape) == [4, 4, 4, 4] for blob in three.blobs.values())


def test_exception(python_net):
    with pytest.raises(RuntimeError, match="mine") as caught:
        python_net(("layer", "data", "top", "Raises"))
    assert type(caught.value) is RuntimeError


def test_parameter(python_net, tmp_path):
    net = python_net(("layer", "data", "top", "Parameter"))
    net.forward()
    net.backward()
    layer = net.layers[list(net._layer_names).index("layer")]
    assert (layer.blobs[0].data[0], layer.blobs[0].diff[0]) == (0, 1)
    layer.blobs[0].data[0] += layer.blobs[0].diff[0]
    assert layer.blobs[0].data[0] == 1
    net.save(str(tmp_path / "p.caffemodel"))
    layer.blobs[0].data[0] = -1
    assert layer.blobs[0].data[0] == -1
    net.copy_from(str(tmp_path / "p.caffemodel"))
    assert layer.blobs[0].data[0] == 1
    other = python_net(("layer", "data", "top", "Parameter"))
    other.share_with(net)
    assert other.layers[list(other._layer_names).index("layer")].blobs[0].data[0] == 1


@pytest.mark.parametrize("phase", [caffelite.TRAIN, caffelite.TEST])
def test_phase(python_net, phase):
    assert python_net(("layer", "", "phase", "Phase"), head="", phase=phase).forward()["phase"] == phase


# TestLayerWithParam


def test_param_str(python_net):
    net = python_net(("mul10", "data", "mul10", "TimesParam", "10"), ("mul2", "mul10", "mul2", "TimesParam", "2"))
    net.blobs["data"].data[...] = 8
    net.forward()
    assert (net.blobs["mul2"].data == 160).all()
    net.blobs["mul2"].diff[...] = 7
    net.backward()
    assert (net.blobs["data"].diff == 140).all()


# Section 4


def test_what_a_layer_is_given(python_net):
    head = (
        "input: 'data' input_shape { dim: 10 dim: 9 dim: 8 } "
        "layer { name: 'own' type: 'Parameter' top: 'x' parameter_param { shape { dim: 3 } } }"
    )
    net = python_net(("looks", "x data", "top", "Looks", "", "loss_weight: 1"), head=head)
    layer = net.layer_dict["looks"]
    assert layer is net.layers[list(net._layer_names).index("looks")] and layer.type == "Python"
    assert layer.seen["setup"] == (_caffe.RawBlobVec, _caffe.RawBlobVec, [3], [], 0)
    net.forward()
    net.backward()
    assert layer.seen["backward"] == (_caffe.RawBlobVec, _caffe.BoolVec, [True, False], _caffe.RawBlobVec)
    layer.set_roidb([1])
    assert net.layers[-1].roidb == [1] and layer.top_names == ["may be set"]
    for name in ("type", "blobs"):
        with pytest.raises(AttributeError):
            setattr(layer, name, None)


def test_a_data_layer(python_net):
    net = python_net(("data", "", "data label", "Data", str({"batch_size": 2})), head="")
    out = net.forward()
    assert out["data"].shape == (2, 3, 2, 2) and (out["data"][1] == 1).all() and out["label"].tolist() == [0, -1]


def test_a_loss_counts_with_a_loss_weight(python_net):
    head = "force_backward: true input: 'a' input_shape { dim: 2 dim: 3 } input: 'b' input_shape { dim: 2 dim: 3 }"
    net = python_net(("loss", "a b", "loss", "Loss", "", "loss_weight: 1"), head=head)
    net.blobs["a"].data[...] = 3
    assert net.forward()["loss"].tolist() == [6 * 9 / 2 / 2] and net._forward(0, 1) == 13.5
    net.backward()
    assert (net.blobs["a"].diff == 1.5).all() and (net.blobs["b"].diff == -1.5).all()


def test_exceptions_of_a_loss_keep_their_type(python_net):
    with pytest.raises(Exception, match="Need two inputs to compute distance"):
        python_net(("loss", "data", "loss", "Loss"))


def test_setup_may_be_missing_and_reshape_may_not(python_net):
    assert python_net(("a", "data", "a", "NoSetup")).blobs["a"].shape == (1,)
    with pytest.raises(CaffeliteError, match="reshape is missing in class"):
        python_net(("a", "data", "a", "NoReshape"))


def test_missing_passes_are_attribute_errors(python_net):
    net = python_net(("a", "data", "a", "NoSetup"))
    with pytest.raises(AttributeError, match="forward"):
        net.forward()
    with pytest.raises(AttributeError, match="backward"):
        net.backward()


def test_modules_and_classes_that_are_not_there(python_net, net_of):
    with pytest.raises(ImportError):
        net_of("layer { type: 'Python' name: 'a' top: 'a' python_param { module: 'nosuchmodule' layer: 'A' } }")
    with pytest.raises(AttributeError):
        python_net(("a", "data", "a", "Times20"))
    with pytest.raises(CaffeliteError, match=r"it must be a class derived from caffe\.Layer"):
        python_net(("a", "data", "a", "NotALayer"))
    with pytest.raises(TypeError):
        caffelite.Layer()


def test_an_own_init(python_net):
    assert python_net(("a", "data", "a", "OwnInit")).layer_dict["a"].param_str == ""


def test_a_top_is_filled_and_not_replaced(python_net):
    net = python_net(("a", "data", "a", "Replaces"))
    with pytest.raises(TypeError, match=r"a blob is filled, not replaced: write top\[0\]\.data\[\.\.\.\] = values"):
        net.forward()


def test_several_solvers_need_a_process_each(python_net):
    caffelite.set_solver_count(2)
    try:
        with pytest.raises(CaffeliteError, match=r"Python layers need a process for each: call caffelite\.set_multi"):
            python_net(("a", "data", "a", "Times10"))
        python_net(("a", "data", "a", "Times10"), phase=caffelite.TEST)
        caffelite.set_multiprocess(True)
        python_net(("a", "data", "a", "Times10"))
    finally:
        ranks.set_solver_count(1)
        ranks.set_multiprocess(False)


def test_built_in_layers_are_layers_but_no_class_for_users(python_net, net_of):
    net = python_net(("a", "data", "a", "Times10"))
    assert all(isinstance(layer, caffelite.Layer) for layer in net.layers)
    assert not isinstance(net, caffelite.Layer) and not isinstance(net.layers[0], type(net.layers[1]))
    with pytest.raises(CaffeliteError, match=r"it must be a class derived from caffe\.Layer"):
        net_of(
            "layer { type: 'Python' name: 'a' top: 'a' "
            "python_param { module: 'caffelite.core.layers.input' layer: 'InputLayer' } }"
        )


def test_numpy_is_what_a_layer_computes_with(three):
    assert three.forward(data=np.ones((10, 9, 8), np.float64))["three"].dtype == np.float32
