"""Every sign of Python 2 in a module of a Python layer is told with the net's line, the module's line and a change."""

import sys
from pathlib import Path

import pytest

import caffelite
from caffelite.core.python2 import DIVISION, FOR_PYTHON_2, LISTS, TABS, advice

MODULE = """import caffe


class Old(caffe.Layer):
    def setup(self, bottom, top):
        {}

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        pass
"""
NET = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "old" type: "Python" bottom: "data" top: "old"
  python_param { module: "MODULE" layer: "Old" }
}
"""
LINE = 6  # of the module, which differs
CASES = [
    ('print "x"', "print is a function: write print(...)"),
    ('import sys; print >> sys.stderr, "x"', "write print(..., file=sys.stderr)"),
    ("for i in xrange(3): pass", "write range"),
    ("unicode('x')", "write str"),
    ("isinstance('x', basestring)", "write str"),
    ("raw_input()", "write input"),
    ("long(3)", "write int"),
    ("unichr(3)", "write chr"),
    ("reduce(max, [1])", "write functools.reduce"),
    ("{}.has_key(3)", "write key in d"),
    ("{}.iteritems()", "write items()"),
    ("{}.itervalues()", "write values()"),
    ("{}.iterkeys()", "write keys()"),
    ("iter([1]).next()", "write next(x)"),
    ("(i for i in [1]).next()", "write next(x)"),
    ("{1: 2}.keys()[0]", LISTS),
    ("map(str, [1])[0]", LISTS),
    ("len(zip([1], [2]))", LISTS),
    ("{1: 2}.keys() + [3]", LISTS),
    ("[3] + map(str, [1])", LISTS),
    ("{1: 2}.keys().sort()", LISTS),
    ("[1].sort(lambda a, b: a - b)", "sort takes key="),
    ("sorted([1], cmp=max)", "sort takes key="),
    ("range(4 / 2)", DIVISION),
    ("[1, 2, 3][4 / 2]", DIVISION),
    ("[0] * (4 / 2)", DIVISION),
    ("'abc'[:4 / 2]", DIVISION),
    ("import numpy; numpy.zeros(4 / 2)", DIVISION),
    ("import numpy; numpy.zeros(4)[4 / 2]", DIVISION),
    ("top[0].reshape(4 / 2, 3)", DIVISION),
    ("import cPickle", "import pickle"),
    ("import urllib2", "import urllib.request"),
    ("from StringIO import StringIO", "import io"),
    ("from itertools import izip", "write zip"),
    ("import itertools; itertools.izip([1], [2])", "write zip"),
    ("import string; string.letters", "write string.ascii_letters"),
    ("import sys; sys.maxint", "write sys.maxsize"),
    ("raise ValueError, 'x'", "write raise ValueError('x')"),
    ("exec 'x = 1'", "write exec(...)"),
    ("x = `3`", "write repr(3), not backticks"),
    ("x = 0777", "octal numbers are written 0o777"),
    ("x = 10L", "write 10: all whole numbers are long"),
    ("if 1 <> 2: pass", "write != for <>"),
    ("x = ur'abc'", "write r'"),
    ("f = lambda (a, b): a", "unpack tuples"),
    ("'x'.decode('utf-8')", "leave out .decode(...)"),
    ("open('x', 'w').write(b'x')", "in Python 3 text and bytes differ"),
]


@pytest.fixture
def refusal(tmp_path, monkeypatch):
    """Return a function: name, text of a module -> what making a net with its layer raises."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)

    def of(name, text):
        path = Path(f"{name.replace('.', '/')}.py")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        Path("net.prototxt").write_text(NET.replace("MODULE", name))
        with pytest.raises(caffelite.LayerError) as caught:
            caffelite.Net("net.prototxt", caffelite.TEST)
        return str(caught.value)

    yield of
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def start(name):
    return f'net.prototxt:3: layer "old" (Python): python_param.module is "{name}"; '


@pytest.mark.filterwarnings("ignore")  # open files, invalid escapes: the old code's own affair
@pytest.mark.parametrize(("code", "change"), CASES)
def test_each_sign_is_told_with_its_lines_and_what_to_change(code, change, refusal, tmp_path, request):
    name = f"old_module_{CASES.index((code, change))}"
    told = refusal(name, MODULE.replace("{}", code, 1))
    assert told.startswith(f"{start(name)}{tmp_path}/{name}.py:{LINE}: "), told
    assert change in told and told.endswith(f" ({FOR_PYTHON_2})"), told


def test_an_old_except_clause(refusal, tmp_path):
    code = "try: pass\n        except ValueError, err: pass"
    told = refusal("old_except", MODULE.replace("{}", code, 1))
    assert f"{tmp_path}/old_except.py:7: SyntaxError: " in told and "write except ValueError as err:" in told
    code = "try: pass\n        except (KeyError, ValueError), err: pass"
    assert "write except (KeyError, ValueError) as err:" in refusal("old_two", MODULE.replace("{}", code, 1))


@pytest.mark.parametrize(
    ("number", "code"),
    [(1, "if True:\n\t\tx = 1\n                y = 2"), (2, "if True:\n            x = 1\n\t    y = 2")],
)
def test_tabs_among_spaces(number, code, refusal):
    assert TABS in refusal(f"old_tabs_{number}", MODULE.replace("{}", code, 1))


def test_a_module_beside_in_a_package_has_to_be_named_as_such(refusal, tmp_path):
    Path("old_package").mkdir()
    Path("old_package/__init__.py").touch()
    Path("old_package/helper.py").touch()
    told = refusal("old_package.layers", f"import helper\n{MODULE.replace('{}', 'pass', 1)}")
    assert f"{tmp_path}/old_package/layers.py:1: ModuleNotFoundError: " in told
    assert "helper lies beside the module, in the same package: write from . import helper" in told


def test_a_file_that_is_not_utf_8(refusal):
    assert "save the file as UTF-8" in refusal("old_latin", MODULE.replace("{}", "x = '\xe9'", 1).encode("latin-1"))


def test_names_of_numpy_that_are_gone(refusal):
    told = refusal("old_numpy", MODULE.replace("{}", "import numpy; numpy.zeros(3, numpy.float)", 1))
    assert "write float: numpy.float is gone" in told


@pytest.mark.parametrize(
    "error",
    [
        NameError("name 'x' is not defined", name="x"),
        AttributeError("'Old' object has no attribute 'nothing'"),
        AttributeError("'list' object has no attribute 'letters'"),
        ModuleNotFoundError("No module named 'torch'", name="torch"),
        ImportError("cannot import name 'x' from 'itertools'"),
        TypeError("unsupported operand type(s) for +: 'int' and 'str'"),
        IndexError("list index out of range"),
        ValueError("x"),
        SyntaxError("'(' was never closed", ("no_file.py", 1, 1, "x = (1,")),
        IndentationError("unexpected indent", ("no_file.py", 1, 1, "  x = 1")),
    ],
    ids=str,
)
def test_other_mistakes_get_no_advice(error):
    assert advice(error) == ""
