import os
import shutil
import stat
import subprocess
import sys

import pytest

from caffelite import examples
from caffelite.core.errors import UsageError
from caffelite.tools.caffe_root import MARK, PROGRAMS, PYTHON_SCRIPTS, SHELL_SCRIPTS, TRANSLATED, make_caffe_root

ALL = {words.split()[0] for table in (PROGRAMS, PYTHON_SCRIPTS, SHELL_SCRIPTS) for words in table.values() if words}
ALL |= {words for words, _ in TRANSLATED.values()}

# In place of Python: prints the words that it was started with.
ECHO = '#!/bin/sh\nfor word; do printf "[%s]" "$word"; done\n'


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    path = tmp_path_factory.mktemp("bin") / "an echo"
    path.write_text(ECHO)
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def root(tmp_path_factory, echo):
    """A root that no test changes."""
    folder = tmp_path_factory.mktemp("folder") / "a root"
    make_caffe_root(folder, echo, ALL, examples.folder())
    return folder


@pytest.fixture
def own_root(tmp_path, root):
    """A root of the test's own."""
    return shutil.copytree(root, tmp_path / "a root", symlinks=True)


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("build/tools/caffe", ""),
        ("build/tools/caffe.bin", ""),
        (".build_release/tools/caffe.bin", ""),
        ("build/tools/convert_imageset", "[convert_imageset]"),
        ("build/tools/compute_image_mean.bin", "[compute_image_mean]"),
        ("build/tools/extract_features", "[extract_features]"),
        ("build/tools/upgrade_net_proto_text", "[upgrade][net]"),
        ("build/tools/upgrade_net_proto_binary", "[upgrade][weights]"),
        ("build/tools/upgrade_solver_proto_text.bin", "[upgrade][solver]"),
        ("build/examples/mnist/convert_mnist_data.bin", "[convert_mnist_data]"),
        ("build/examples/cifar10/convert_cifar_data.bin", "[convert_cifar_data]"),
        ("build/examples/cpp_classification/classification.bin", "[classify]"),
        ("python/classify.py", "[predict]"),
        ("python/draw_net.py", "[draw_net]"),
        ("tools/extra/parse_log.py", "[parse_log]"),
        ("tools/extra/extract_seconds.py", "[extract_seconds]"),
        ("scripts/download_model_binary.py", "[download_model_binary]"),
    ],
)
def test_programs_pass_on_what_they_are_given(root, program, words):
    assert run(root / program, "--a=b c", "") == f"[-m][caffelite]{words}[--a=b c][]"


def test_python_scripts_run_under_any_python(root):
    assert run(sys.executable, root / "tools/extra/parse_log.py", "log") == "[-m][caffelite][parse_log][log]"


def test_the_shell_script_writes_into_the_working_directory(root):
    script = root / "tools/extra/parse_log.sh"
    assert run("sh", script, "my log") == "[-m][caffelite][parse_log][--gnuplot][my log][.]"


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_scripts_that_fetch_put_files_beside_themselves(root, name):
    passed = run(root / "data" / name / f"get_{name}.sh", "--source=a b")
    assert passed == f"[-m][caffelite][dataset][{name}][--originals][--out={root}/data/{name}][--source=a b]"


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        (
            "mnist/create_mnist",
            """[convert_mnist_data][data/mnist/train-images-idx3-ubyte][data/mnist/train-labels-idx1-ubyte][E/mnist_train_lmdb]
            [convert_mnist_data][data/mnist/t10k-images-idx3-ubyte][data/mnist/t10k-labels-idx1-ubyte][E/mnist_test_lmdb]""",
        ),
        (
            "cifar10/create_cifar10",
            """[convert_cifar_data][data/cifar10][E][lmdb]
            [compute_image_mean][E/cifar10_train_lmdb][E/mean.binaryproto]""",
        ),
        ("mnist/train_lenet", "[train][--solver=E/lenet_solver.prototxt][--gpu=0]"),
        (
            "cifar10/train_quick",
            """[train][--solver=E/cifar10_quick_solver.prototxt][--gpu=0]
            [train][--solver=E/cifar10_quick_solver_lr1.prototxt][--snapshot=E/cifar10_quick_iter_4000.solverstate][--gpu=0]""",
        ),
    ],
)
def test_recipes_run_the_programs_from_wherever_they_are_started(own_root, script, lines):
    folder = script.partition("/")[0]
    old = own_root / "examples" / folder / f"{folder}_train_lmdb"
    old.mkdir()
    for original in ("mnist/train-images-idx3-ubyte", "cifar10/data_batch_1.bin"):
        (own_root / "data" / original).touch()
    expected = "".join(lines.split()).replace("E/", f"examples/{folder}/").replace("[E]", f"[examples/{folder}]")
    assert run(own_root / "examples" / f"{script}.sh", "--gpu=0").replace("[-m][caffelite]", "") == expected
    assert old.exists() == ("train" in script)


@pytest.mark.parametrize(("name", "original"), [("mnist", "train-images-idx3-ubyte"), ("cifar10", "data_batch_1.bin")])
def test_recipes_leave_databases_alone_where_there_is_nothing_to_make_them_of(own_root, name, original):
    old = own_root / "examples" / name / f"{name}_train_lmdb"
    old.mkdir()
    done = subprocess.run([f"examples/{name}/create_{name}.sh"], cwd=own_root, capture_output=True, text=True)
    assert done.returncode == 1 and old.exists()
    assert done.stderr == (
        f"examples/{name}/create_{name}.sh: there is no data/{name}/{original}; run ./data/{name}/get_{name}.sh first\n"
    )


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ("--solver a", "[--solver=a]"),
        ("--solver=a --snapshot b --gpus 0 1 --timing", "[--solver=a][--snapshot=b][--gpu=0,1]"),
    ],
)
def test_train_py_has_options_of_its_own(root, given, passed):
    assert run(root / "python/train.py", *given.split()) == f"[-m][caffelite][train]{passed}"


@pytest.mark.parametrize(
    ("script", "given", "passed"),
    [
        ("python/draw_net.py", "a b --phase ALL --rankdir LR", "[draw_net][a][b][--rankdir][LR]"),
        ("python/draw_net.py", "--phase=ALL a b", "[draw_net][a][b]"),
        ("python/draw_net.py", "a b --phase TEST", "[draw_net][a][b][--phase][TEST]"),
        ("tools/extra/summarize.py", "-w 30 net.prototxt", "[summary][net.prototxt]"),
        ("tools/extra/summarize.py", "net.prototxt -w30", "[summary][net.prototxt]"),
        ("tools/extra/summarize.py", "--block-width=30 net.prototxt --json", "[summary][net.prototxt][--json]"),
        ("python/classify.py", "--gpu a.jpg b", "[predict][--gpu=0][a.jpg][b]"),
        ("python/detect.py", "a.csv b.h5 --gpu --crop_mode=list", "[detect][a.csv][b.h5][--gpu=0][--crop_mode=list]"),
        ("python/detect.py", "a.txt b.h5", "[detect][a.txt][b.h5][--crop_mode=selective_search]"),
        ("tools/extra/summarize.py", "net.prototxt", "[summary][net.prototxt]"),
    ],
)
def test_options_that_caffelite_needs_not_are_left_out(root, script, given, passed):
    assert run(root / script, *given.split()) == f"[-m][caffelite]{passed}"


@pytest.mark.parametrize("name", ["plot_training_log.py", "plot_training_log.py.example"])
def test_the_plotting_script(root, name):
    script = root / "tools" / "extra" / name
    assert run(script, "6", "a.png", "a.log") == "[-m][caffelite][plot_training_log][6][a.png][a.log]"


def test_what_is_written_is_told_and_all_there_is(tmp_path, echo):
    made = make_caffe_root(tmp_path / "new" / "root", echo, ALL, examples.folder())
    found = {
        os.path.relpath(os.path.join(folder, name), tmp_path / "new" / "root")
        for folder, _, names in os.walk(tmp_path / "new" / "root")
        for name in names
    }
    assert found | {".build_release"} == set(made.written)
    assert len(made.written) == len(set(made.written))
    assert made.kept == []
    assert os.listdir(tmp_path) == ["new"]
    texts = {name for name in found if name.endswith((".prototxt", ".md"))}
    assert not any(stat.S_IMODE((tmp_path / "new" / "root" / name).stat().st_mode) & 0o111 for name in texts)
    for name in found - texts - {"python/caffe/__init__.py"}:
        assert stat.S_IMODE((tmp_path / "new" / "root" / name).stat().st_mode) & 0o111, name


def test_again_is_the_same_and_an_older_one_is_made_anew(own_root, echo):
    program = own_root / "build" / "tools" / "caffe"
    text = program.read_text()
    program.write_text(f"old, {MARK}")
    made = make_caffe_root(own_root, echo, ALL, examples.folder())
    assert program.read_text() == text
    assert made.kept == []


def test_files_of_others_stay(tmp_path, echo):
    for name in ("python/caffe/__init__.py", "python/classify.py", "models/mine/net.prototxt"):
        path = tmp_path / "caffe" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("theirs")
    made = make_caffe_root(tmp_path / "caffe", echo, ALL, examples.folder())
    assert made.kept == ["python/classify.py", "python/caffe"]
    assert (tmp_path / "caffe" / "python" / "classify.py").read_text() == "theirs"
    assert (tmp_path / "caffe" / "python" / "caffe" / "__init__.py").read_text() == "theirs"
    assert "build/tools/caffe" in made.written


def test_programs_without_a_command_are_left_out(tmp_path, echo):
    made = make_caffe_root(tmp_path / "root", echo, {"parse_log", "train"}, examples.folder())
    assert "tools/extra/parse_log.py" in made.written
    assert "build/tools/caffe" in made.written
    assert "python/classify.py" not in made.written


def test_a_python_that_is_gone(tmp_path, echo):
    gone = shutil.copy(echo, tmp_path / "an echo")
    make_caffe_root(tmp_path / "root", str(gone), ALL, examples.folder())
    os.remove(gone)
    for script, status in (("build/tools/caffe", 127), ("python/train.py", 1), ("examples/mnist/train_lenet.sh", 127)):
        done = subprocess.run([tmp_path / "root" / script], capture_output=True, text=True)
        assert done.returncode == status
        assert "an echo is no longer there; run `caffelite make-caffe-root` again" in done.stderr


@pytest.mark.parametrize(("name", "message"), [("a file", "is no folder"), ("x" * 300, "cannot be looked at")])
def test_what_is_no_folder(tmp_path, echo, name, message):
    (tmp_path / "a file").touch()
    with pytest.raises(UsageError, match=message):
        make_caffe_root(tmp_path / name, echo, ALL, examples.folder())


@pytest.mark.parametrize("name", ["models", "build", "tools/extra", "data", "data/ilsvrc12", "examples/mnist"])
@pytest.mark.parametrize("leads_nowhere", [False, True])
def test_what_stands_in_place_of_a_folder(tmp_path, echo, name, leads_nowhere):
    path = tmp_path / "root" / name
    path.parent.mkdir(parents=True)
    if leads_nowhere:
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=f"{name} is no folder, and Caffe has one of that name; nothing was changed"):
        make_caffe_root(tmp_path / "root", echo, ALL, examples.folder())
    assert sorted(tmp_path.rglob("*")) == before


def test_links_of_others_that_lead_nowhere_stay(tmp_path, echo):
    links = [tmp_path / "root" / name for name in ("build/tools/caffe", "python/caffe")]
    for link in links:
        link.parent.mkdir(parents=True)
        link.symlink_to(tmp_path / "nowhere")
    assert make_caffe_root(tmp_path / "root", echo, ALL, examples.folder()).kept == [
        "build/tools/caffe",
        "python/caffe",
    ]
    assert all(link.is_symlink() for link in links)
    assert not (tmp_path / "nowhere").exists()
