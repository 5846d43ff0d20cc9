import subprocess
import sys
from itertools import count

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.errors import CaffeliteError, LayerError
from caffelite.core.layer import Context, make_layer
from caffelite.proto import caffe_pb2
from caffelite.pycaffe import Net
from caffelite.pycaffe_solver import get_solver
from caffelite.testing import check_gradient, layer_from

NUMBERS = count()

LAYERS = '''
import caffe
import numpy as np
from caffe.proto import caffe_pb2


class Scale(caffe.Layer):
    """Multiplies by param_str, or by 10."""

    def setup(self, bottom, top):
        self.value = float(self.param_str or 10)
        self.name = "any name"

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.value * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = self.value * top[0].diff


class Parameter(caffe.Layer):
    """One number of its own, whose gradient is 1."""

    def setup(self, bottom, top):
        self.blobs.add_blob(1)
        self.blobs[0].data[0] = 0

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data[0]

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[0] += 1


class Bias(caffe.Layer):
    """Adds a number of its own; the gradients are right."""

    def setup(self, bottom, top):
        self.blobs.add_blob()

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data + self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff
        self.blobs[0].diff[...] += top[0].diff.sum()


class Phase(caffe.Layer):
    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape()

    def forward(self, bottom, top):
        top[0].data[()] = self.phase


class OwnInit(caffe.Layer):
    def __init__(self, param):
        super().__init__(param)
        assert not hasattr(self, "param_str")
        self.made_for = param.name

    def setup(self, bottom, top):
        top[0].reshape(len(self.param_str_))

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        top[0].data[...] = self.phase


class EuclideanLoss(caffe.Layer):
    def reshape(self, bottom, top):
        self.difference = np.zeros_like(bottom[0].data)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.difference[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.difference**2) / bottom[0].num / 2.0

    def backward(self, top, propagate_down, bottom):
        for i in range(2):
            if propagate_down[i]:
                sign = 1 if i == 0 else -1
                bottom[i].diff[...] = sign * top[0].diff[0] * self.difference / bottom[i].num


class Counter(caffe.Layer):
    """Counts its passes, also over a break."""

    def setup(self, bottom, top):
        self.passes = 0

    def reshape(self, bottom, top):
        top[0].reshape(2, 2)

    def forward(self, bottom, top):
        self.passes += 1
        top[0].data[...] = self.passes

    def get_state(self):
        return {"passes": self.passes}

    def set_state(self, state):
        self.passes = state["passes"]


class BadState(Counter):
    def get_state(self):
        return {"self": self}


class Raises(caffe.Layer):
    def setup(self, bottom, top):
        self.when("setup")

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)
        self.when("reshape")

    def forward(self, bottom, top):
        self.when("forward")

    def backward(self, top, propagate_down, bottom):
        self.when("backward")

    def when(self, method):
        if self.param_str == method:
            raise ZeroDivisionError("on purpose")


class NoReshape(caffe.Layer):
    pass


class Shapeless(caffe.Layer):
    def reshape(self, bottom, top):
        pass


class BadInit(caffe.Layer):
    def __init__(self, param):
        raise OSError("no data")


class NoLayer:
    def __init__(self, param):
        pass
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module with LAYERS, beside the prototxt files that `net` writes."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"users_layers_{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(LAYERS)
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def net(tmp_path, module):
    """Make a net of a prototxt in which $ stands for the module."""

    def make(text, phase=caffelite.TRAIN, **options):
        path = tmp_path / "net.prototxt"
        path.write_text(text.replace("$", module))
        return Net(path, phase, **options)

    return make


def layer_text(layer, name="one", bottom="data", top="one", param_str=""):
    bottoms = f"bottom: '{bottom}'" if bottom else ""
    return (
        f"layer {{ type: 'Python' name: '{name}' {bottoms} top: '{top}'\n"
        f"  python_param {{ module: '$' layer: '{layer}' param_str: '{param_str}' }} }}\n"
    )


DATA = "force_backward: true\ninput: 'data' input_shape { dim: 10 dim: 9 dim: 8 }\n"
CHAIN = DATA + "".join(
    layer_text("Scale", name, bottom, name) for name, bottom in (("one", "data"), ("two", "one"), ("three", "two"))
)


def test_three_in_a_row(net):
    found = net(CHAIN)
    found.blobs["data"].data[...] = 8
    assert (found.forward()["three"] == 8000).all()


def test_backward_without_forward(net):
    found = net(CHAIN)
    found.blobs["three"].diff[...] = 7
    found.backward()
    assert (found.blobs["data"].diff == 7000).all()


def test_another_shape(net):
    found = net(CHAIN)
    found.blobs["data"].reshape(4, 4, 4, 4)
    found.forward()
    assert {blob.shape for blob in found.blobs.values()} == {(4, 4, 4, 4)}


def test_param_str(net):
    found = net(DATA + layer_text("Scale", param_str="10") + layer_text("Scale", "two", "one", "two", "2"))
    found.blobs["data"].data[...] = 1
    assert (found.forward()["two"] == 20).all()
    found.blobs["two"].diff[...] = 1
    found.backward()
    assert (found.blobs["data"].diff == 20).all()


@pytest.mark.parametrize("phase", [caffelite.TRAIN, caffelite.TEST])
def test_phase_and_a_layer_without_bottoms_or_backward(net, phase):
    assert net(layer_text("Phase", bottom="", top="phase"), phase).forward()["phase"] == phase


def test_own_init_gets_the_layer_parameter(net):
    found = net(layer_text("OwnInit", bottom="", param_str="abc"))
    assert found.layers[0].made_for == "one"
    assert found.blobs["one"].shape == (3,)


def test_the_nets_layers_are_the_users_own(net):
    found = net(CHAIN)
    mine = found.layers[1]
    assert type(mine).__name__ == "Scale" and isinstance(mine, caffelite.Layer)
    assert mine is found.layer_dict["one"] and mine is found.layers[1]
    assert mine.type == "Python" and mine.name == "any name"
    assert found.layer_names == ["input", "one", "two", "three"]
    mine.value = 3
    found.blobs["data"].data[...] = 1
    assert (found.forward()["three"] == 300).all()
    with pytest.raises(AttributeError):
        mine.blobs = []


def test_bottoms_and_tops_are_pinned(net):
    found = net(CHAIN)
    assert all(blob.pinned for _, blob in found.tops(2) + found.bottoms(1))


def test_own_parameter_is_saved_loaded_and_shared(net, tmp_path):
    text = DATA + layer_text("Parameter")
    found = net(text)
    found.forward()
    found.backward()
    assert found.layers[1].blobs[0].diff[0] == 1
    found.params["one"][0].data[...] = 5
    found.save(tmp_path / "weights.caffemodel")
    found.params["one"][0].data[...] = 1
    found.copy_from(tmp_path / "weights.caffemodel")
    assert (found.forward()["one"] == 5).all() and found.layers[1].blobs[0].data[0] == 5
    other = net(text)
    other.share_with(found)
    found.params["one"][0].data[...] = 6
    assert (other.forward()["one"] == 6).all()


def test_parameters_shared_by_name_are_one(net):
    text = DATA
    for name, bottom in (("one", "data"), ("two", "one")):
        text += layer_text("Bias", name, bottom, name).replace("python_param", "param { name: 'b' } python_param")
    found = net(text)
    assert len(found.learnable_params) == 1
    found.layers[1].blobs[0].data[...] = 3
    found.blobs["data"].data[...] = 1
    assert (found.forward()["two"] == 7).all()
    found.blobs["two"].diff[...] = 1
    found.clear_param_diffs()
    found.backward()
    assert found.layers[2].blobs[0].diff == found.layers[1].blobs[0].diff == 2 * 720


def test_stored_parameters_come_before_setup(module, tmp_path):
    param = layer_from(f'type: "Python" python_param {{ module: "{module}" layer: "Scale" }}').layer_param
    param.blobs.add(shape=caffe_pb2.BlobShape(dim=[2]), data=[1, 2])
    layer = make_layer(param, Context(folder=tmp_path))
    layer.setup([], [])
    assert layer.exposed.blobs[0].data.tolist() == [1, 2]


def test_gradient(module, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    values = np.random.default_rng(1).normal(size=(2, 2, 3))
    check_gradient(f'type: "Python" python_param {{ module: "{module}" layer: "Bias" }}', [values[0]], threshold=1e-8)
    loss = f'type: "Python" python_param {{ module: "{module}" layer: "EuclideanLoss" }}'
    check_gradient(loss, list(values), step=1e-4, threshold=1e-6)


TRAINED = """
net_param {
  layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 2 }
    data_filler { type: "constant" value: 1 } } }
  layer { name: "count" type: "Python" top: "t" python_param { module: "$" layer: "Counter" } }
  layer { name: "bias" type: "Python" bottom: "x" top: "y" python_param { module: "$" layer: "Bias" } }
  layer { name: "loss" type: "Python" bottom: "y" bottom: "t" top: "loss" loss_weight: 1
    python_param { module: "$" layer: "EuclideanLoss" } }
}
base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 max_iter: 10 snapshot_prefix: "PREFIX" snapshot_after_train: false
"""


def test_training_and_an_exact_resume(module, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    param = caffe_pb2.SolverParameter()
    text_format.Parse(TRAINED.replace("$", module).replace("PREFIX", str(tmp_path / "run")), param)
    whole, first, second = (get_solver(param) for _ in range(3))
    whole.step(6)
    first.step(3)
    first.snapshot()
    second.restore(tmp_path / "run_iter_3.solverstate")
    assert second.net.layers[1].passes == 3
    second.step(3)
    assert whole.net.params["bias"][0].data == second.net.params["bias"][0].data != 0


def test_a_state_for_a_class_that_takes_none_is_said_to_be_lost(net, caplog, module):
    net(layer_text("Phase", bottom="")).set_state({"one": {"passes": 3}})
    assert f'net.prototxt:1: layer "one" (Python): {module}.Phase has no set_state, so it starts afresh' in caplog.text


def test_a_state_that_no_snapshot_can_hold_is_refused(net):
    with pytest.raises(LayerError, match=r"BadState\.get_state\(\)\['self'\] is BadState; a snapshot holds numbers"):
        net(layer_text("BadState", bottom="")).get_state()


@pytest.mark.parametrize("method", ["setup", "reshape", "forward", "backward"])
def test_what_the_users_code_raises_comes_through_with_the_place(net, method, caplog, module):
    with pytest.raises(ZeroDivisionError, match="on purpose") as raised:
        found = net(DATA + layer_text("Raises", param_str=method))
        found.forward()
        found.backward()
    assert raised.traceback[-1].name == "when"
    said = "".join(getattr(raised.value, "__notes__", [])) + caplog.text
    assert f'net.prototxt:3: layer "one" (Python): raised in {method} of {module}.Raises' in said


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (
            "Sclae",
            AttributeError,
            r'net\.prototxt:4: layer "one" \(Python\): python_param\.layer is "Sclae"; .* "Scale"',
        ),
        ("NoReshape", CaffeliteError, r"reshape is missing in class NoReshape; shape the tops"),
        (
            "Shapeless",
            CaffeliteError,
            r"top\[0\] is without a shape; call top\[0\]\.reshape\(\.\.\.\) in setup or reshape",
        ),
        ("BadInit", OSError, "no data"),
        ("NoLayer", CaffeliteError, r'python_param\.layer is "NoLayer"; it must be a class derived from caffe\.Layer'),
        ("", CaffeliteError, r"python_param\.layer is not given; name the class in module"),
    ],
)
def test_classes_that_are_no_layers(net, layer, error, message):
    with pytest.raises(error, match=message):
        net(DATA + layer_text(layer))


@pytest.mark.parametrize("layer", ["NoInit", "function", "NUMBER"])
def test_what_is_no_layer_is_answered_with_the_layers_that_are_there(net, module, tmp_path, layer):
    text = "import caffe\nclass NoInit:\n  pass\ndef function(param):\n  return 1\nNUMBER = 1\n"
    (tmp_path / f"{module}.py").write_text(text + "class A(caffe.Layer):\n  pass\nclass B(A):\n  pass\n")
    with pytest.raises(LayerError) as caught:
        net(DATA + layer_text(layer))
    assert str(caught.value).endswith(
        f'python_param.layer is "{layer}"; it must be a class derived from caffe.Layer, as A and B in module {module}'
    )


def test_of_a_class_in_a_module_without_layers_it_is_said_how_it_is_derived(net, module, tmp_path):
    (tmp_path / f"{module}.py").write_text("class Mine:\n  pass\n")
    with pytest.raises(LayerError, match=r"derived from caffe\.Layer: class Mine\(caffe\.Layer\)$"):
        net(DATA + layer_text("Mine"))


def test_a_missing_forward_is_an_attribute_error(net):
    found = net(DATA + layer_text("Phase"))
    with pytest.raises(AttributeError, match="backward"):
        found.backward()


def test_a_missing_module(net, tmp_path):
    with pytest.raises(ImportError, match=r'python_param\.module is "no_such_module"; no such module .* beside the'):
        net((DATA + layer_text("Scale")).replace("$", "no_such_module"))
    (tmp_path / "no_such_modul.py").touch()
    with pytest.raises(ImportError, match=r'beside the prototxt \(.*\); did you mean "no_such_modul"\?$'):
        net((DATA + layer_text("Scale")).replace("$", "no_such_module"))
    with pytest.raises(LayerError, match=r"python_param\.module is not given"):
        net((DATA + layer_text("Scale")).replace("$", ""))


def test_a_module_that_imports_a_missing_one(net, tmp_path, module):
    (tmp_path / f"{module}.py").write_text("import not_installed_at_all\n")
    with pytest.raises(ModuleNotFoundError, match="^No module named 'not_installed_at_all'"):
        net(DATA + layer_text("Scale"))


def test_a_module_in_the_working_directory(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    param = text_format.Parse(layer_text("Phase", bottom="").replace("$", module), caffe_pb2.NetParameter())
    assert Net(param, caffelite.TEST).forward()["one"] == 1


def test_says_that_another_module_of_the_name_is_loaded(net, tmp_path, module, caplog):
    net(DATA + layer_text("Scale"))
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / f"{module}.py").write_text(LAYERS)
    (folder / "net.prototxt").write_text((DATA + layer_text("Scale")).replace("$", module))
    Net(folder / "net.prototxt", caffelite.TEST)
    assert f"module {module} is {tmp_path / module}.py, not {folder / module}.py" in caplog.text


def test_switched_off(net, module):
    with pytest.raises(
        LayerError, match=r'type is "Python"; this net was loaded without Python layers, since they run'
    ):
        net(CHAIN, python_layers=False)
    assert module not in sys.modules


def test_switched_off_for_a_solver(module):
    param = caffe_pb2.SolverParameter()
    text_format.Parse(TRAINED.replace("$", module), param)
    with pytest.raises(LayerError, match="loaded without Python layers"):
        get_solver(param, python_layers=False)


def test_a_layer_parameter_is_needed():
    with pytest.raises(TypeError):
        caffelite.Layer()


def test_switched_off_on_the_command_line(tmp_path, module):
    (tmp_path / "net.prototxt").write_text((DATA + layer_text("Scale")).replace("$", module))
    command = [sys.executable, "-m", "caffelite", "time", "--model", "net.prototxt", "--no-python-layers"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'net.prototxt:3: layer "one" (Python): type is "Python"; this net was loaded without' in done.stderr
