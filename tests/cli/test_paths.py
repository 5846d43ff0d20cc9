"""Paths that cannot be looked at, at everything that takes a path: one line that names the path, exit status 1."""

import ctypes
import shutil

import pytest

import caffelite as caffe
from caffelite.core.errors import CaffeliteError

UNREACHABLE = {"long": "x" * 300, "loop": "loop/below", "below a file": "net.prototxt/below", "NUL": "a\0b"}
SOLVER = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 1 snapshot_after_train: false '
DATA = (
    'net_param { layer { name: "data" type: "Data" top: "data" '
    'data_param { source: "SOURCE" batch_size: 1 backend: LMDB } transform_param { mean_file: "MEAN" } } }'
)
COMMANDS = (
    "train --solver=PATH",
    "train --solver=solver.prototxt --weights=PATH",
    "train --solver=solver.prototxt --snapshot=PATH",
    "train --solver=solver.prototxt --snapshot=PATH.h5",
    "train --solver=solver.prototxt --log_dir=PATH",
    "test --model=PATH --weights=net.prototxt",
    "test --model=net.prototxt --weights=PATH",
    "time --model=PATH",
    "upgrade net PATH out",
    "upgrade solver PATH out",
    "upgrade weights PATH out",
    "upgrade net net.prototxt PATH",
    "dataset mnist --source=PATH",
    "time --flagfile=PATH",
    "convert_imageset ./ net.prototxt PATH",
    "convert_mnist_data PATH net.prototxt db",
    "convert_mnist_siamese_data PATH net.prototxt db",
    "convert_cifar_data PATH . lmdb",
    "db info PATH",
    "db check PATH",
    "db show PATH --augmented --model=net.prototxt",
    "db show x --augmented --solver=PATH",
    "plot_training_log PATH",
    "plot_training_log net.prototxt --out=PATH/x.png",
    "compute_image_mean PATH",
    "extract_features PATH net.prototxt ip db 1 lmdb",
    "extract_features net.prototxt PATH ip db 1 lmdb",
    "parse_log PATH .",
    "parse_log --gnuplot PATH .",
    "extract_seconds PATH out",
    "make-caffe-root PATH",
)
FIELDS = {
    "net": SOLVER + 'net: "PATH"',
    "snapshot_prefix": SOLVER + 'snapshot: 1 net: "net.prototxt" snapshot_prefix: "PATH"',
    "source": SOLVER + DATA.replace("SOURCE", "PATH").replace('mean_file: "MEAN"', ""),
    "mean_file": SOLVER + DATA.replace("MEAN", "PATH"),
}
CALLS = {
    "Net": lambda path: caffe.Net(path, caffe.TEST),
    "Net with weights": lambda path: caffe.Net("net.prototxt", path, caffe.TEST),
    "copy_from": lambda path: tiny().copy_from(path),
    "save": lambda path: tiny().save(path),
    "save_hdf5": lambda path: tiny().save_hdf5(path),
    "load_hdf5": lambda path: tiny().load_hdf5(path),
    "get_solver": lambda path: caffe.get_solver(path),
    "restore": lambda path: caffe.get_solver("solver.prototxt").restore(path),
    "restore HDF5": lambda path: caffe.get_solver("solver.prototxt").restore(path + ".h5"),
}


def tiny():
    return caffe.Net("net.prototxt", caffe.TEST)


@pytest.fixture
def loop(folder):
    (folder / "loop").symlink_to("loop")


@pytest.mark.parametrize("path", [path for path in UNREACHABLE.values() if "\0" not in path])
@pytest.mark.parametrize("line", COMMANDS)
def test_commands(loop, caffelite, line, path):
    words = [word.replace("PATH", path) for word in line.split()]
    result = caffelite(*words)
    assert result.status in (1, 2)
    assert path[:40] in result.error


@pytest.mark.parametrize("path", UNREACHABLE.values(), ids=UNREACHABLE)
@pytest.mark.parametrize("field", FIELDS)
def test_fields(loop, caffelite, folder, golden_folder, field, path):
    shutil.copytree(golden_folder / "data" / "raw_lmdb", folder / "SOURCE")
    (folder / "solver.prototxt").write_text(FIELDS[field].replace("PATH", path.replace("\0", "\\000")))
    assert path[:40].replace("\0", "\\x00") in caffelite("train", "--solver=solver.prototxt").error


@pytest.mark.parametrize("path", UNREACHABLE.values(), ids=UNREACHABLE)
@pytest.mark.parametrize("call", CALLS)
def test_calls(loop, call, path):
    with pytest.raises(CaffeliteError) as caught:
        CALLS[call](path)
    assert path[:40].replace("\0", "\\x00") in str(caught.value)


def without_rights_of_root():
    """Let the process that is started meet closed folders as any user does."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.slow
def test_a_closed_folder(folder, program):
    (folder / "closed").mkdir(mode=0)
    for line in COMMANDS[1:]:
        words = line.replace("PATH", "closed/in").split()
        result = program(*words, preexec_fn=without_rights_of_root)
        assert result.status in (1, 2), line
        assert "closed/in" in result.error and "Permission denied" in result.error, line
