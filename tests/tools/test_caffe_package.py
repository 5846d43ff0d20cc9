import os
import subprocess
import sys
from pathlib import Path

import pytest

import caffelite
from caffelite.core.errors import CaffeliteError
from caffelite.tools import caffe_package
from caffelite.tools.caffe_package import add_alias, is_ours, remove_alias, write

HOME = str(Path(caffelite.__file__).parent.parent)


def run(code, *paths, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), HOME])}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, **options)


@pytest.mark.parametrize("first", ["import caffe", "import caffe.pycaffe", "from caffe import Net", "import caffelite"])
def test_caffe_is_caffelite_with_its_submodules(tmp_path, first):
    """Whichever import comes first, all names are the same objects."""
    write(tmp_path / "caffe")
    code = f"""{first}
import sys
import caffe, caffelite, caffe.pycaffe, caffe.proto.caffe_pb2
from caffe.proto import caffe_pb2
from caffelite.proto import caffe_pb2 as ours
import caffelite.pycaffe
assert caffe is caffelite is sys.modules["caffe"]
assert caffe.pycaffe is caffelite.pycaffe
assert caffe_pb2 is ours
assert caffe.Net is caffelite.Net is caffelite.pycaffe.Net
"""
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_it_is_found_before_it_is_imported(tmp_path):
    write(tmp_path / "caffe")
    code = "from importlib.util import find_spec; print(find_spec('caffe').origin, find_spec('caffe.pycaffe').name)"
    assert run(code, tmp_path).stdout.split() == [str(tmp_path / "caffe" / "__init__.py"), "caffe.pycaffe"]


def test_a_python_without_caffelite(tmp_path):
    write(tmp_path / "caffe")
    command = [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import caffe"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    message = f"{tmp_path}/caffe/__init__.py is caffelite, which {sys.executable} has not: pip install caffelite"
    assert done.stderr.splitlines()[-1] == f"ImportError: {message}"


def test_a_caffelite_that_is_damaged_says_itself_what_it_lacks(tmp_path):
    write(tmp_path / "caffe")
    (tmp_path / "caffelite").mkdir()
    (tmp_path / "caffelite" / "__init__.py").write_text("from caffelite.core import layer\n")
    command = [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import caffe"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'caffelite.core'"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that stands for site-packages; nothing else has a caffe."""
    monkeypatch.setattr(caffe_package, "site_packages", lambda: tmp_path)
    monkeypatch.setattr(caffe_package, "find_spec", lambda name: None)
    return tmp_path


def test_adding_again_changes_nothing_and_removing_leaves_nothing(site):
    assert add_alias() == site / "caffe"
    text = (site / "caffe" / "__init__.py").read_text()
    assert add_alias() == site / "caffe"
    assert (site / "caffe" / "__init__.py").read_text() == text
    (site / "caffe" / "__pycache__").mkdir()
    assert remove_alias() == site / "caffe"
    assert os.listdir(site) == []
    assert remove_alias() is None


def test_an_older_one_of_ours_is_made_anew(site):
    (site / "caffe").mkdir()
    (site / "caffe" / "__init__.py").write_text(f"{caffe_package.MARK}\nold\n")
    add_alias()
    assert (site / "caffe" / "__init__.py").read_text() == caffe_package.SOURCE


@pytest.mark.parametrize("content", ["# real", None])
def test_another_caffe_in_its_place(site, content):
    (site / "caffe").mkdir()
    if content:
        (site / "caffe" / "__init__.py").write_text(content)
    with pytest.raises(CaffeliteError, match="there is another caffe at .*caffe, and nothing was changed"):
        add_alias()
    with pytest.raises(CaffeliteError, match="caffe is not caffelite's, and nothing was changed"):
        remove_alias()
    assert is_ours(site / "caffe") is False


def test_strangers_files_in_ours_stay(site):
    add_alias()
    (site / "caffe" / "mine.py").touch()
    with pytest.raises(CaffeliteError, match=r"also has mine\.py"):
        remove_alias()
    assert (site / "caffe" / "mine.py").exists()


def test_of_a_link_to_ours_only_the_link_is_removed(site, tmp_path_factory):
    package = tmp_path_factory.mktemp("elsewhere") / "caffe"
    write(package)
    (site / "caffe").symlink_to(package)
    assert add_alias() == site / "caffe"
    assert remove_alias() == site / "caffe"
    assert os.listdir(site) == []
    assert is_ours(package)


def test_a_package_that_cannot_be_removed(site, monkeypatch):
    add_alias()

    def refuse(folder):
        raise PermissionError(13, "Permission denied", "__init__.py")

    monkeypatch.setattr(caffe_package.shutil, "rmtree", refuse)
    with pytest.raises(CaffeliteError, match=f"cannot remove {site}/caffe: Permission denied"):
        remove_alias()


@pytest.mark.parametrize("venv", ["outside", "inside"])
def test_a_users_own_packages(tmp_path, venv):
    """As `pip install --user` puts them, while those of the Python that runs belong to somebody else."""
    code = "import site; print(site.getusersitepackages())"
    environment = {**os.environ, "PYTHONUSERBASE": str(tmp_path)}
    own = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment).stdout.strip()
    os.makedirs(own)
    os.symlink(os.path.join(HOME, "caffelite"), os.path.join(own, "caffelite"))
    environment["PYTHONPATH"] = own
    outside = "sys.prefix = sys.base_prefix; " if venv == "outside" else ""
    code = f"import sys; {outside}from caffelite.tools.caffe_package import site_packages; print(site_packages())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (done.stdout == f"{own}\n") == (venv == "outside" or sys.prefix == sys.base_prefix), done.stderr
