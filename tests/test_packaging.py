"""Who has the source archive or the wheel alone, and neither the checkout nor its tools."""

import os
import shutil
import subprocess
import tarfile
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


def run(*words, **options):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, timeout=550, env=environment, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def new_python(folder):
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def not_in_git(folder, names):
    at_the_top = {"build", "dist", "data", "snapshots"} if Path(folder) == ROOT else set()
    hidden = {name for name in names if name.startswith(".") and name != ".github"}
    return hidden | at_the_top | {name for name in names if name == "__pycache__" or name.endswith(".egg-info")}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The source archive, made of a copy of the sources as they are in git."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "sources", ignore=not_in_git)
    for made in ("caffe.desc", "caffe_pb2.pyi"):
        (folder / "sources" / "caffelite" / "proto" / made).unlink(missing_ok=True)
    python = new_python(folder / "venv")
    run(python, "-m", "pip", "install", "-q", "setuptools>=77")
    run(python, "-c", "import setuptools.build_meta as b; b.build_sdist('../dist')", cwd=folder / "sources")
    (archive,) = (folder / "dist").glob("caffelite-*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist):
    folder = sdist.parent.parent
    run(folder / "venv" / "bin" / "python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder / "dist", sdist)
    (archive,) = (folder / "dist").glob("caffelite-*.whl")
    return archive


@pytest.fixture(scope="module")
def user(wheel, tmp_path_factory):
    """A folder with nothing but the installed wheel, in .venv."""
    folder = tmp_path_factory.mktemp("user")
    run(new_python(folder / ".venv"), "-m", "pip", "install", "-q", wheel)
    return folder


def test_the_source_archive_carries_what_builds_the_package_and_its_tests(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "README.md", "proto/caffe.proto", "tools/generate_proto.py", "tests/conftest.py"}
    assert wanted | {"models/lenet/deploy.prototxt", "solvers/lenet_digits.prototxt"} <= names
    assert not {"caffelite/proto/caffe.desc", "caffelite/examples/models"} & names


def test_the_wheel_carries_the_examples_and_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = message_from_bytes(
            archive.read(next(name for name in names if name.endswith(".dist-info/METADATA")))
        )
    examples = {name.removeprefix("caffelite/examples/") for name in names if name.startswith("caffelite/examples/")}
    sources = {str(path.relative_to(ROOT)) for folder in ("models", "solvers") for path in (ROOT / folder).rglob("*.*")}
    examples -= {name for name in examples if "/" not in name}  # the modules of the package itself
    lessons = {name for name in sources if name.startswith("models/lessons/") and "__pycache__" not in name}
    assert "models/lessons/backward_by_hand/lesson.py" in lessons
    assert examples == lessons | {name for name in sources if name.endswith((".prototxt", ".caffemodel", "readme.md"))}
    made_or_read = {"alias/caffe.py", "proto/caffe.desc", "explaining/web/page.html", "reports/templates/page.html"}
    assert {f"caffelite/{name}" for name in made_or_read} <= names
    assert metadata["Author"] == "The caffelite developers"
    assert {"Operating System :: POSIX :: Linux", "Operating System :: MacOS"} <= set(metadata.get_all("Classifier"))


def test_an_example_is_copied_and_trained_from_another_folder(user, tmp_path):
    program = user / ".venv" / "bin" / "caffelite"
    assert "lenet_digits" in run(program, "example", cwd=user)
    shown = run(program, "example", "lenet_digits", "mine", cwd=user)
    assert shown.endswith(f"\nTo train it: {program} train --solver mine/solvers/lenet_digits.prototxt\n")
    log = run(program, "train", user / "mine/solvers/lenet_digits.prototxt", "--iterations=3", cwd=tmp_path)
    assert "Optimization Done." in log
    assert (tmp_path / "snapshots" / "lenet_digits_iter_3.caffemodel").exists()


def test_an_example_is_trained_where_it_lies(user, tmp_path):
    (solver,) = (user / ".venv").rglob("examples/solvers/lenet_digits.prototxt")
    log = run(user / ".venv/bin/python", "-m", "caffelite", "train", solver, "--iterations=3", cwd=tmp_path)
    assert "Optimization Done." in log
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "snapshots"]
