"""A changed file must never run old machine code, whatever the folder it lies in and the form of import."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from caffelite.core.kernels import softmax
from caffelite.core.kernels.jit import sources

PACKAGE = sources.KERNEL_FOLDER.parent.parent
DECORATOR = "from caffelite.core.kernels.jit.compile import kernel\n"
ADD = DECORATOR + "@kernel\ndef add(x):\n    return x + {value}\n"
USE = DECORATOR + "{imports}\n@kernel\ndef use(x):\n    return {call}\n"

# files (the one with {value} is changed), and the module whose `use` is called
CASES = {
    "a sub-folder, absolute": (
        {"sub_of_test/user.py": ("from caffelite.core.kernels.helper_of_test import add", "add(x)")},
        "helper_of_test.py",
        "caffelite.core.kernels.sub_of_test.user",
    ),
    "a sub-folder, relative": (
        {"sub_of_test/user.py": ("from ..helper_of_test import add", "add(x)")},
        "helper_of_test.py",
        "caffelite.core.kernels.sub_of_test.user",
    ),
    "a module, relative": (
        {"user.py": ("from . import helper_of_test as h", "h.add(x)")},
        "helper_of_test.py",
        "caffelite.core.kernels.user",
    ),
    "a helper of a helper": (
        {
            "user.py": ("from caffelite.core.kernels.sub_of_test.between import use as between", "between(x)"),
            "sub_of_test/between.py": ("from .deep_of_test.helper import add", "add(x)"),
        },
        "sub_of_test/deep_of_test/helper.py",
        "caffelite.core.kernels.user",
    ),
    "outside the package": (
        {"user_outside.py": ("import helper_outside", "helper_outside.add(x)")},
        "helper_outside.py",
        "user_outside",
    ),
    "outside, in a package": (
        {"mine_of_test/user.py": ("from .parts.helper import add", "add(x)")},
        "mine_of_test/parts/helper.py",
        "mine_of_test.user",
    ),
    "by import_module": (
        {"user_outside.py": ("import importlib\nadd = importlib.import_module('helper_outside').add", "add(x)")},
        "helper_outside.py",
        "user_outside",
    ),
    "by the name of a package": (
        {
            "package_of_test/__init__.py": ("", "x"),
            "other_of_test.py": ("import package_of_test.helper", "x"),
            "user_outside.py": ("import package_of_test, other_of_test", "package_of_test.helper.add(x)"),
        },
        "package_of_test/helper.py",
        "user_outside",
    ),
    "of a package without __init__": (
        {"user_outside.py": ("import spaces_of_test.helper", "spaces_of_test.helper.add(x)")},
        "spaces_of_test/helper.py",
        "user_outside",
    ),
    "handed on in a table": (
        {"user_outside.py": ("import registry_of_test\nADD = registry_of_test.TABLE[0]", "ADD(x)")},
        "helper_outside.py",
        "user_outside",
    ),
}

# Each case in a process of its own, forked when numba is loaded, which takes a second.
RUN = """
import os, sys
import caffelite.core.kernels
from caffelite.core.kernels.jit import compile
for folder, module in {cases!r}:
    child = os.fork()
    if child == 0:
        caffelite.core.kernels.__path__.append(folder)
        sys.path.insert(0, folder)
        from importlib import import_module
        use = import_module(module).use
        print(use(1), sum(use.outer.stats.cache_hits.values()), flush=True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, module
"""


def write_case(case, folder):
    for name, (imports, call) in CASES[case][0].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(USE.format(imports=imports, call=call))
    if case == "handed on in a table":
        (folder / "registry_of_test.py").write_text(
            "from importlib import import_module\nTABLE = [import_module('helper_' + 'outside').add]\n"
        )


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """For each case what it prints when the helper adds 1, 1 again, and 5: the result, and hits of the cache."""
    folders = {case: tmp_path_factory.mktemp("case") for case in CASES}
    for case, folder in folders.items():
        write_case(case, folder)
    printed = {case: [] for case in CASES}
    for value in (1, 1, 5):
        for case, folder in folders.items():
            helper = folder / CASES[case][1]
            helper.parent.mkdir(parents=True, exist_ok=True)
            helper.write_text(ADD.format(value=value))
        code = RUN.format(cases=[(str(folder), CASES[case][2]) for case, folder in folders.items()])
        done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for case, line in zip(CASES, done.stdout.splitlines(), strict=True):
            printed[case].append(line.split())
    return printed


@pytest.mark.slow  # each is compiled in three processes
@pytest.mark.parametrize("case", CASES)
def test_a_changed_helper_is_compiled_anew(outputs, case):
    first, again, changed = outputs[case]
    assert first[0] == "2"
    assert again == ["2", "1"]  # from the cache
    assert changed == ["6", "0"]


def test_every_kernel_reaches_what_compiles_it_and_what_its_helpers_import():
    names = {path.as_posix().partition("core/kernels/")[2] for path in sources.reachable_files(_share())}
    assert {"softmax.py", "ir/math.py", "jit/compile.py", "jit/numba_compat.py", "jit/cache.py"} <= names
    assert "pooling.py" not in names


def _share():
    return next(value for value in vars(softmax).values() if hasattr(value, "share")).share._function


def test_a_kernel_without_readable_imports_is_keyed_by_all_kernel_files(tmp_path):
    path = tmp_path / "no_module.py"
    path.write_text("def f(x):\n    return x\n")
    scope = {"__name__": "no_module"}  # as of a text that was executed: no __file__ tells where it stands
    exec(compile(path.read_text(), str(path), "exec"), scope)
    assert set(sources.KERNEL_FOLDER.rglob("*.py")) <= sources.reachable_files(scope["f"])


def test_what_is_typed_at_a_prompt_is_compiled_and_not_kept():
    code = DECORATOR + "@kernel\ndef use(x):\n    return x + 1\nprint(use(1), use.outer.stats.cache_path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.split()[0] == "2", done.stderr


def test_files_of_installed_packages_are_left_out():
    files = sources.reachable_files(_share())
    assert not [path for path in files if "numpy" in Path(path).parts or "numba" in Path(path).parts]


CLOSURES = """
from caffelite.core.kernels.jit.sources import reachable_files

def make(n):
    @kernel
    def add(x):
        return x + n
    return add

def late():
    def add(x):
        return x + n
    found = reachable_files(add)
    n = 1
    return found

print(make(2)(1), make(5)(1), len(late()) > 3)
"""


def test_inner_functions_are_compiled_and_cells_may_be_empty(tmp_path):
    (tmp_path / "closure_of_test.py").write_text(DECORATOR + CLOSURES)
    done = subprocess.run([sys.executable, str(tmp_path / "closure_of_test.py")], capture_output=True, text=True)
    assert done.stdout.split() == ["3", "6", "True"], done.stderr


CHANGES = """
import importlib, os, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
import constant_of_test, user_outside
if sys.argv[1] == "early":
    print(user_outside.use(1))
if sys.argv[1] != "none":
    path = Path({folder!r}) / "constant_of_test.py"
    status = path.stat()
    path.write_text("STEP = 50\\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 10**9))
if sys.argv[1] == "early":
    importlib.reload(constant_of_test)
    importlib.reload(user_outside)
print(user_outside.use(1))
"""


@pytest.mark.parametrize(("when", "outputs"), [("early", ["2", "51"]), ("late", ["2"])])
def test_a_file_changed_while_the_process_runs(tmp_path, when, outputs):
    """Early: after the kernel was compiled, and loaded again. Late: after it was imported, before it is compiled."""
    (tmp_path / "constant_of_test.py").write_text("STEP = 1\n")
    imports = "from constant_of_test import STEP"
    (tmp_path / "user_outside.py").write_text(USE.format(imports=imports, call="x + STEP"))

    def run(when):
        code = CHANGES.format(folder=str(tmp_path))
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run([sys.executable, "-B", "-c", code, when], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert run(when) == outputs
    assert run("none") == ["51"]


def test_a_folder_beside_pythons_library_is_no_part_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_FOREIGN", (tmp_path / "lib",))
    module = type(sys)("mine_of_test")
    for folder, ours in (("lib", False), ("lib-mine", True)):
        module.__file__ = str(tmp_path / folder / "mine_of_test.py")
        assert sources._is_ours(module, "else") == ours


COPY = """
import numpy as np
from caffelite.core.kernels import scatter_add
import caffelite
scatter_add._add_rows.serial(np.ones((1, 2)), np.zeros(1, int), np.zeros((1, 2)))
print(caffelite.__file__, sum(scatter_add._add_rows.share.outer.stats.cache_hits.values()))
"""


def test_copies_of_the_package_share_machine_code(tmp_path):
    """As of an installed package and a checkout."""
    hits = {}
    for name in ("installed", "checkout", "changed"):
        shutil.copytree(PACKAGE, tmp_path / name / "caffelite", ignore=shutil.ignore_patterns("__pycache__"))
        if name == "changed":
            with open(tmp_path / name / "caffelite/core/kernels/scatter_add.py", "a") as file:
                file.write("# another text\n")
        hits[name] = hits_of_copy(tmp_path, name)
    assert hits == {"installed": 0, "checkout": 1, "changed": 0}
    assert hits_of_copy(tmp_path, "installed") == 1  # the other text took nothing away


def hits_of_copy(folder, name):
    variables = os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(folder / name)}
    done = subprocess.run([sys.executable, "-B", "-c", COPY], cwd=folder, env=variables, capture_output=True, text=True)
    file, hits = done.stdout.split()
    assert Path(file).parents[1] == folder / name, done.stderr
    return int(hits)


def test_kernels_of_one_text_with_other_globals_are_not_mixed_up(tmp_path):
    code = "import sys; sys.path.insert(0, sys.argv[1]); import user_outside; print(user_outside.use(1))"
    for value in (1, 5):
        folder = tmp_path / str(value)
        folder.mkdir()
        imports = "from pathlib import Path\nSTEP = int(Path(__file__).with_name('step').read_text())"
        (folder / "user_outside.py").write_text(USE.format(imports=imports, call="x + STEP"))
        (folder / "step").write_text(str(value))
    for value in (1, 5, 1):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        words = [sys.executable, "-B", "-c", code, tmp_path / str(value)]
        done = subprocess.run(words, capture_output=True, text=True, env=environment, check=True)
        assert done.stdout == f"{1 + value}\n"
