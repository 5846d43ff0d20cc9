import importlib
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import caffelite
from caffelite.core import layer_files
from caffelite.core.layer import LAYERS, layer_type_list
from caffelite.core.layer_files import LayerFileError, load_layers, load_packages
from caffelite.core.prototxt.own_fields import USER_TYPES
from caffelite.testing import check_gradient

MODULE = """
import caffelite
from caffelite.layer import Layer, LayerError, register_layer

@register_layer("TestFactor")
class FactorLayer(Layer):
    exact_num_bottom_blobs = exact_num_top_blobs = 1

    def setup(self, bottom, top):
        param = self.user_param.get("factor_param", kind=dict)
        self.factor = param.get("factor", 2.0)
        if not self.factor:
            raise LayerError("factor_param.factor", 0, "use another number")

    def reshape(self, bottom, top):
        top[0].reshape_like(bottom[0])

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = self.factor * top[0].diff
"""
NET = """\
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "f" type: "TestFactor" bottom: "data" top: "f"
  factor_param { factor: 3 }
}
layer { name: "ip" type: "InnerProduct" bottom: "f" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "Reduction" bottom: "ip" top: "loss" loss_weight: 1 }
"""


@pytest.fixture(autouse=True)
def forgotten(monkeypatch, tmp_path):
    """Work in an empty folder; forget the types, modules and folders that a test brings in."""
    layer_type_list()
    before = {name: list(kinds) for name, kinds in LAYERS._members.items()}
    users, names = set(USER_TYPES), set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(layer_files, "_loaded", set())
    monkeypatch.chdir(tmp_path)
    yield
    LAYERS._members.clear()
    LAYERS._members.update(before)
    USER_TYPES.clear()
    USER_TYPES.update(users)
    for name in set(sys.modules) - names:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def written(text, name="my_types.py"):
    Path(name).write_text(text)
    return name


def net_of(text=NET, **options):
    return caffelite.Net(written(text, "net.prototxt"), caffelite.TRAIN, layers=written(MODULE), **options)


def test_a_net_has_types_of_a_file():
    net = net_of()
    net.blobs["data"].data[...] = [1, 2, 3]
    net.forward()
    assert net.blobs["f"].data.tolist() == [[3, 6, 9]]
    net.backward()
    assert net.layers[1].type == "TestFactor" and np.any(net.params["ip"][0].diff)


def test_weights_leave_the_fields_out():
    net = net_of()
    assert not net.to_proto().layer[1].own_fields
    net.save("w.caffemodel")
    again = net_of(weights="w.caffemodel")
    assert np.array_equal(again.params["ip"][0].data, net.params["ip"][0].data)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("factor: 3", "factor: 0", "factor_param.factor is 0; use another number"),
        ("factor: 3", "factor: x", "factor_param.factor is x; use a number: factor: 0.5"),
    ],
)
def test_errors_have_the_line_of_the_field(old, new, text):
    with pytest.raises(caffelite.LayerError) as caught:
        net_of(NET.replace(old, new))
    assert str(caught.value) == f'net.prototxt:3: layer "f" (TestFactor): {text}'


def test_a_field_that_is_not_read_is_warned_of(caplog):
    net_of(NET.replace("factor: 3", "factr: 3"))
    text = (
        'net.prototxt:3: layer "f" (TestFactor): factor_param.factr has no effect; the layer did not read it when it '
        'was set up; did you mean "factor"?'
    )
    assert text in caplog.messages


def test_a_solver_takes_files_too():
    written(NET, "net.prototxt")
    solver = written('net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 2', "solver.prototxt")
    for make in (caffelite.get_solver, caffelite.SGDSolver):
        made = make(solver, layers=[written(MODULE)])
        made.step(1)
        assert made.iter == 1


def test_a_file_runs_once_also_as_a_module(monkeypatch):
    name = written(f"{MODULE}\nwith open('runs', 'a') as file:\n    file.write('x')")
    load_layers([name, f"./{name}"])
    load_layers(Path(name).resolve())
    monkeypatch.setattr(layer_files, "_loaded", set())
    load_layers(name)
    assert Path("runs").read_text() == "x"


def test_modules_beside_the_file_can_be_imported():
    written("factor = 5", "my_helper_of_types.py")
    load_layers(written(f"import my_helper_of_types\n{MODULE}"))
    assert "TestFactor" in layer_type_list()


def test_a_file_with_the_name_of_a_module_of_python_hides_nothing():
    import calendar

    load_layers(written(MODULE, "calendar.py"))
    assert sys.modules["calendar"] is calendar and "TestFactor" in layer_type_list()


def test_a_class_of_pycaffes_kind_is_a_type():
    load_layers(
        written(
            """
import caffe

@caffe.register_layer("TestTwice")
class Twice(caffe.Layer):
    def setup(self, bottom, top):
        self.factor = self.user_param.twice_param.get("factor", 2)

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = self.factor * top[0].diff
"""
        )
    )
    text = NET.replace("TestFactor", "TestTwice").replace("factor_param { factor: 3", "twice_param { factor: 4")
    # the user has named the file, so that it may run
    net = caffelite.Net(written(text, "net.prototxt"), caffelite.TRAIN, python_layers=False)
    net.blobs["data"].data[...] = 1
    net.forward()
    assert net.blobs["f"].data.tolist() == [[4, 4, 4]] and type(net.layers[1]).__name__ == "Twice"


def test_a_netspec_writes_the_fields():
    load_layers(written(MODULE))
    n = caffelite.NetSpec()
    n.data = caffelite.layers.Input(shape=dict(dim=[1, 3]))
    n.f = caffelite.layers.TestFactor(n.data, factor_param=dict(factor=7))
    net = caffelite.Net(n.to_proto(), caffelite.TEST)
    net.blobs["data"].data[...] = 1
    assert net.forward()["f"].tolist() == [[7, 7, 7]]


def test_a_field_that_a_built_in_layer_cannot_have_is_refused_where_the_type_is_the_users_too():
    load_layers(written(MODULE.replace('"TestFactor"', '"ReLU", when=lambda param: param.name == "mine"')))
    text = NET.replace('"TestFactor"', '"ReLU"')
    with pytest.raises(caffelite.LayerError, match=r"net.prototxt:3: layer .f. \(ReLU\): factor_param is an unknown"):
        caffelite.Net(written(text, "net.prototxt"), caffelite.TEST)
    caffelite.Net(written(text.replace('"f" type', '"mine" type'), "net.prototxt"), caffelite.TEST)


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("import caffelite\n\nx = (1,\n", "bad.py cannot be loaded: {}/bad.py:3: SyntaxError: '(' was never closed"),
        (
            "import no_such_module",
            "bad.py cannot be loaded: {}/bad.py:1: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("\n\n1 / 0", "bad.py cannot be loaded: {}/bad.py:3: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "bad.py cannot be loaded: {}/bad.py:1: SystemExit: 3"),
        (
            "x = 1\nprint x",
            "bad.py cannot be loaded: {}/bad.py:2: SyntaxError: Missing parentheses in call to 'print'. Did you mean "
            "print(...)?; print is a function: write print(...) (the module is written for Python 2)",
        ),
        (
            'from caffelite.layer import *\n@register_layer("ReLU")\nclass Mine(Layer):\n    pass',
            'bad.py: layer type "ReLU" is registered twice: it is ReLULayer (',
        ),
    ],
)
def test_what_a_file_raises_is_said_with_its_line(module, text, tmp_path):
    with pytest.raises(LayerFileError) as caught:
        load_layers(written(module, "bad.py"))
    assert str(caught.value).startswith(text.format(tmp_path))
    assert "bad" not in sys.modules


def test_a_file_that_failed_runs_again_when_it_is_mended():
    with pytest.raises(LayerFileError):
        load_layers(written(f"{MODULE}\n1 / 0"))
    load_layers(written(MODULE))
    assert "TestFactor" in layer_type_list()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("none.py", "File not found: none.py; layers are given as a Python file, my_layers.py"),
        (".", r".: cannot be read \(it is a folder\)"),
        ("types.txt", "this is no Python file; its name should end in .py"),
    ],
)
def test_what_is_no_file_of_python_is_refused(name, text):
    written(MODULE, "types.txt")
    with pytest.raises(LayerFileError, match=text):
        load_layers(name)


def test_a_file_without_types_is_warned_of(caplog):
    load_layers(written("x = 1"))
    assert [record.getMessage() for record in caplog.records] == [
        'my_types.py registers no layer type; write @caffelite.register_layer("MyType") before a class'
    ]


def package(name, value, folder):
    """Make an installed package whose entry point `value` is."""
    info = Path(folder, f"{name}-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[caffelite.layers]\n{name} = {value}\n")


def test_packages_bring_types_and_broken_ones_are_named_once(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(layer_files, "_packages_asked", False)
    monkeypatch.syspath_prepend(tmp_path)
    written(MODULE, "good_types_package.py")
    written("\nimport no_such_module", "broken_types_package.py")
    package("good_types", "good_types_package", tmp_path)
    package("broken_types", "broken_types_package", tmp_path)
    importlib.invalidate_caches()
    with caplog.at_level(logging.WARNING):
        assert "TestFactor" in layer_type_list()
        load_packages()
    assert [record.getMessage() for record in caplog.records] == [
        f"broken_types_package of the package broken_types cannot be loaded: {tmp_path}/broken_types_package.py:2: "
        "ModuleNotFoundError: No module named 'no_such_module'; its layer types are missing until the package is "
        "mended or removed"
    ]


def caffelite_says(*words):
    done = subprocess.run(
        [sys.executable, "-m", "caffelite", *words], capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def test_the_command_line_takes_several_files():
    written(NET, "net.prototxt")
    written(MODULE, "one.py")
    written(MODULE.replace("TestFactor", "TestOther"), "two.py")
    flags = ("--layers", "two.py", "--layers=one.py")
    assert caffelite_says("check", "net.prototxt", *flags) == (0, "0 errors and 0 warnings in 1 file\n")
    assert caffelite_says("deploy", "net.prototxt", *flags)[0] == 0
    status, text = caffelite_says("upgrade", "net", "net.prototxt", "new.prototxt", *flags)
    assert status == 0 and "  factor_param { factor: 3 }\n" in Path("new.prototxt").read_text(), text
    status, text = caffelite_says("check", "net.prototxt")
    assert status == 1 and 'unknown field "factor_param" in layer' in text


def test_the_command_line_says_what_is_wrong_with_a_file_without_a_traceback():
    written(NET, "net.prototxt")
    status, text = caffelite_says("check", "net.prototxt", "--layers", written("\nx = y", "bad.py"))
    assert status == 1 and "bad.py:2: NameError: name 'y' is not defined" in text and "Traceback" not in text


@pytest.mark.parametrize("method", ["__init__", "setup", "reshape", "forward", "backward"])
def test_what_a_class_raises_says_in_which_layer(method, caplog):
    module = f"""
from caffelite.layer import Layer, register_layer

@register_layer("TestFactor")
class Raises(Layer):
    def reshape(self, bottom, top):
        top[0].reshape_like(bottom[0])

    def forward(self, bottom, top):
        pass

class Raises(Raises):
    def {method}(self, *arguments, **named):
        raise KeyError("gone")

register_layer("TestFactor")(Raises)
"""
    text = NET.replace("factor_param { factor: 3 }", "") + "force_backward: true"
    name = written(module, "raises_by_itself.py")
    with pytest.raises(KeyError) as caught:
        net = caffelite.Net(written(text, "net.prototxt"), caffelite.TRAIN, layers=name)
        net.forward()
        net.backward()
    doing = "while the layer was made" if method == "__init__" else f"in {method} of raises_by_itself.Raises"
    assert getattr(caught.value, "__notes__", caplog.messages[-1:]) == [
        f'net.prototxt:2: layer "f" (TestFactor): raised {doing}'
    ]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "def setup(",
            "def __init__(self, *arguments):\n        pass\n\n    def setup(",
            "has an __init__ that does not",
        ),
        ("top[0].reshape_like(bottom[0])", "pass", "top[0] is without a shape; call top[0].reshape(...) in setup or"),
    ],
)
def test_a_class_that_is_not_whole_is_refused_with_its_layer(old, new, text):
    name = written(MODULE.replace(old, new), "not_whole.py")
    with pytest.raises(caffelite.LayerError) as caught:
        caffelite.Net(written(NET, "net.prototxt"), caffelite.TRAIN, layers=name)
    said = str(caught.value)
    assert (
        said.startswith('net.prototxt:2: layer "f" (TestFactor): ') and text in said and "not_whole.FactorLay" in said
    )


@pytest.mark.parametrize("argument", ['""', "3", '"ReLU", when="yes"'])
def test_a_type_needs_a_name_and_a_function(argument):
    name = written(MODULE.replace('register_layer("TestFactor")', f"register_layer({argument})"))
    with pytest.raises(LayerFileError, match=r"^my_types\.py: register_layer.* takes "):
        load_layers(name)
    with pytest.raises(LayerFileError, match=r"register_layer takes the name of a type, .*, not <class"):
        load_layers(written(MODULE.replace('register_layer("TestFactor")', "register_layer"), "bare.py"))


@pytest.mark.parametrize("files", [3, [3], ("a.py", None)])
def test_files_are_paths(files):
    written("from caffelite.layer import register_layer", "a.py")
    with pytest.raises(LayerFileError, match=r"layers takes the path of a Python file, or several, not (3|None)$"):
        load_layers(files)


def test_a_function_is_no_layer():
    with pytest.raises(LayerFileError, match="takes a class derived from Layer, not <function"):
        load_layers(written('from caffelite.layer import register_layer\n@register_layer("F")\ndef f(): pass\n'))


def test_a_when_that_raises_is_an_error_of_the_layer():
    name = written(MODULE.replace('"TestFactor"', '"TanH", when=lambda param: param.gone'))
    text = NET.replace("TestFactor", "TanH").replace("factor_param { factor: 3 }", "")
    said = (
        r'^net\.prototxt:2: layer "f" \(TanH\): .*my_types\.FactorLayer is registered fails: .*my_types\.py:5: Attrib'
    )
    with pytest.raises(caffelite.LayerError, match=said):
        caffelite.Net(written(text, "net.prototxt"), caffelite.TRAIN, layers=name)


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_a_gradient_check_says_which_layer_raised(method, caplog):
    name = written(
        f"""
from caffelite.layer import Layer, register_layer

class Passes(Layer):
    def reshape(self, bottom, top):
        top[0].reshape_like(bottom[0])

    def forward(self, bottom, top):
        pass

@register_layer("Raises")
class RaisesLayer(Passes):
    def {method}(self, *arguments):
        raise KeyError("gone")
""",
        "raises_checked.py",
    )
    with pytest.raises(KeyError) as caught:
        load_layers(name)
        check_gradient('name: "f" type: "Raises"', [np.ones((2, 3))])
    assert getattr(caught.value, "__notes__", caplog.messages[-1:]) == [
        f'layer "f" (Raises): raised in {method} of raises_checked.RaisesLayer'
    ]


@pytest.fixture
def trained():
    """Make a solver whose layer f has these methods: trained("    def get_state(self): ...") -> solver."""

    def make(methods, name="keeps.py"):
        written(NET, "net.prototxt")
        solver = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 2 snapshot_prefix: "s"'
        return caffelite.get_solver(written(solver, "solver.prototxt"), layers=written(f"{MODULE}\n{methods}\n", name))

    return make


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("5", r"keeps\.FactorLayer\.get_state\(\) is 5; return a dict of names and values"),
        ("{3: 4}", r"keeps\.FactorLayer\.get_state\(\) is \{3: 4\}; return a dict of names"),
        ("{'n': {'a': 1}}", r"get_state\(\)\['n'\] is dict; a snapshot holds numbers, strings and arrays"),
        ("{'n': [[1], [1, 2]]}", r"get_state\(\)\['n'\] is list; a snapshot holds numbers"),
    ],
)
def test_a_state_that_no_snapshot_can_hold_names_the_layer(trained, state, text):
    with pytest.raises(caffelite.LayerError, match=rf'^net\.prototxt:2: layer "f" \(TestFactor\): .*{text}'):
        trained(f"    def get_state(self):\n        return {state}").snapshot()


KEEPS = "    def get_state(self):\n        return {'n': 3}\n"


def test_a_state_is_not_lost_without_a_word(trained, caplog):
    trained(KEEPS).snapshot()
    caplog.clear()
    trained("").restore("s_iter_0.solverstate")
    text = "s_iter_0.solverstate: what layer f kept is not used, FactorLayer has no set_state, so it starts afresh"
    assert [record.levelname for record in caplog.records if record.getMessage() == text] == ["WARNING"]


@pytest.mark.parametrize("method", ["get_state", "set_state"])
def test_what_the_methods_of_a_state_raise_says_in_which_layer(trained, method, caplog):
    solver = trained(f"{KEEPS}\n    def {method}(self, *states):\n        raise OSError('x')")
    with pytest.raises(OSError) as caught:
        solver.snapshot()
        solver.restore("s_iter_0.solverstate")
    said = f'net.prototxt:2: layer "f" (TestFactor): raised in {method} of keeps.FactorLayer'
    assert getattr(caught.value, "__notes__", caplog.messages[-1:]) == [said]
