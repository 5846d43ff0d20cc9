"""The tree of files: every test stands where its source does, and imports between the rooms point one way."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "caffelite"

# Tests of more than one source file, and what they test.
OF_MORE_THAN_ONE_FILE = {
    "cli/test_allow_unknown_fields.py": "a flag of every command that reads nets",
    "core/net/test_detection_net.py": "a single-shot detector, from the image to the boxes",
    "cli/test_check_gradient_of_forks.py": "the command on each layer type of forks",
    "cli/test_detect_boxes.py": "detect on an image, with the nets and drawings of boxes/",
    "cli/test_bad_hdf5.py": "the refusals of core/data/hdf5_*.py, as users see them",
    "cli/test_bad_records.py": "data layers, solver, train and test together",
    "cli/test_bad_input.py": "every command's refusals",
    "cli/test_caffe_places.py": "the log lines of the program, and caffe_places.py",
    "cli/test_cli.py": "the program as a user starts it",
    "core/prototxt/test_text_forms.py": "words, values and messages together, as real files have them",
    "test_packaging.py": "the source archive, the wheel and what they carry",
    "cli/test_image_files.py": "ImageData and WindowData in nets that are trained and looked at",
    "cli/test_paths.py": "everything that takes a path",
    "cli/test_kill.py": "a run that is killed",
    "cli/test_early_stopping.py": "train over several runs, with decisions about tests",
    "cli/test_together.py": "several programs at once",
    "cli/test_train_resume.py": "train over several runs",
    "core/kernels/convolution/pointwise/test_pointwise.py": "all files of the folder, which share their cases",
    "core/kernels/convolution/test_convolution.py": "all files of the folder, which share their cases",
    "core/kernels/convolution/test_random_geometries.py": "the choice of kernels for any geometry",
    "core/kernels/test_equal_bits.py": "all kernels, compiled and loaded",
    "core/layers/test_data_bad_records.py": "core/layers/data.py and the threads below it, with damaged records",
    "core/layers/test_hdf5_data_bad_records.py": "core/layers/hdf5_data.py and what reads below it, with damaged rows",
    "core/layers/test_data_source.py": "core/layers/data.py and the databases below it, of both kinds",
    "core/layers/test_every_layer.py": "the register of layer types",
    "core/net/test_random_in_place.py": "wiring, layers and top_memory.py together",
    "core/net/test_random_in_place_passes.py": "the same, with more kinds of passes and tops",
    "core/solver/rules/test_every_solver.py": "the register of update rules",
    "core/test_loss_weights.py": "layer, net and solver together",
    "examples/test_examples.py": "caffelite/examples/__init__.py and models/lenet_small",
    "explaining/test_browser.py": "the whole page, as one clicks through it",
    "explaining/test_rules.py": "the rules in explaining/web/",
    "fuzz/test_data.py": "all readers of data, with damaged files",
    "fuzz/test_text.py": "prototxt files, from text to a net that runs",
    "fuzz/test_weights.py": "all readers of weights and states",
    "models/test_autoencoder.py": "models/autoencoder, solvers/autoencoder.prototxt",
    "models/test_hdf5_models.py": "models/hdf5_classification, models/logistic_regression and their solvers",
    "models/test_known_nets.py": "models/",
    "models/test_lessons.py": "models/lessons",
    "models/test_lstm_sequence.py": "models/lstm_sequence, solvers/lstm_sequence.prototxt",
    "models/test_models.py": "models/",
    "models/test_mtcnn.py": "models/mtcnn",
    "models/test_zoo.py": "the nets of models/ that Caffe was not asked for",
    "models/test_siamese.py": "models/siamese, solvers/siamese.prototxt",
    "proto/test_caffe_proto.py": "proto/caffe.proto",
    "pycaffe_checklist/test_aborts.py": "what ends Caffe's process",
    "pycaffe_checklist/test_brocolli.py": "caffelite as a converter of PyTorch nets uses it",
    "pycaffe_checklist/test_list.py": "the other tests: what Caffe's own assert, these do",
    "pycaffe_checklist/test_module.py": "the names of pycaffe's modules",
    "pycaffe_checklist/test_net.py": "pycaffe.py and the net below it, as Caffe's own tests use them",
    "pycaffe_checklist/test_net_memory.py": "the same: weights, memory and MemoryData",
    "pycaffe_checklist/test_net_passes.py": "the same: passes forward and backward, and batches",
    "pycaffe_checklist/test_other_programs.py": "nets, solvers and messages as programs of others use them",
    "pycaffe_checklist/test_python_layer.py": "python_layer.py and core/layers/python.py, likewise",
    "pycaffe_checklist/test_scripts.py": "a net as published scripts use it",
    "pycaffe_checklist/test_solver.py": "pycaffe_solver.py and the solver below it, likewise",
    "cv2dnn/test_as_opencv.py": "cv2dnn/, beside OpenCV 4.14",
    "onnx_import/test_round_trip.py": "onnx_export/ and onnx_import/ together",
    "onnx_export/test_judges.py": "onnx_export/, by other programs",
    "onnx_import/test_torchvision.py": "onnx_import/, with nets of torchvision",
    "reports/test_browser.py": "of_test.py and of_training.py in a browser",
    "test_init.py": "caffelite/__init__.py",
    "test_oldest.py": "pyproject.toml",
    "test_steady_state.py": "memory that a pass takes, in every room",
    "test_tree.py": "this one",
    "docs/test_notebooks.py": "docs/notebooks/",
    "docs/test_pages.py": "docs/",
    "tools/test_api_page.py": "tools/api_page.py",
    "tools/test_benchmark_layers.py": "tools/benchmarks/layers.py",
    "tools/test_benchmark_nets.py": "tools/benchmarks/nets.py",
    "tools/test_benchmark_weights.py": "tools/benchmarks/weights.py",
    "tools/test_layer_table.py": "tools/layer_table.py",
    "tools/test_prototxt_writer.py": "tools/prototxt_writer.py",
}

# Which other rooms a room's files may import, under TYPE_CHECKING and inside functions, too. "core" is what lies
# loose in core/; "caffelite" is what lies loose in caffelite/, the surface that users import. "ground" are the files of
# core/ that reach nothing but each other, blobs not among them: kernels may use these.
BELOW_ALL = {"ground", "core", "prototxt", "proto"}
NOT_GROUND = {"caffelite.core.blob", "caffelite.core.arena", "caffelite.core.events"}
MAY_IMPORT = {
    "ground": set(),
    "proto": set(),
    "kernels": {"ground"},
    "core": {"ground", "prototxt", "proto"},
    "prototxt": {"ground", "core", "proto"},
    "weights": BELOW_ALL,
    "data": BELOW_ALL | {"weights", "kernels"},
    "layers": BELOW_ALL | {"kernels", "data", "weights"},
    "net": BELOW_ALL | {"layers", "data", "weights", "kernels"},
    "solver": BELOW_ALL | {"net", "layers", "data", "weights", "kernels"},
    "alias": {"caffelite"},
    "datasets": BELOW_ALL | {"data", "weights"},
    "drawing": BELOW_ALL | {"net", "layers", "data", "weights"},
    "writing": BELOW_ALL | {"net", "layers", "data", "weights"},
    "onnx_export": BELOW_ALL | {"net", "layers", "data", "weights", "kernels"},
    "onnx_import": BELOW_ALL | {"net", "layers", "data", "weights"},
    "databases": BELOW_ALL | {"solver", "net", "layers", "data", "weights"},
    "checking": BELOW_ALL | {"solver", "net", "layers", "data", "weights"},
    "inspection": BELOW_ALL | {"solver", "net", "layers", "data", "weights", "kernels"},
    "explaining": BELOW_ALL | {"net", "layers", "data", "weights", "kernels", "pictures"},
    "pictures": BELOW_ALL | {"net", "layers", "data", "weights", "kernels"},
    "reports": BELOW_ALL
    | {"solver", "net", "layers", "data", "weights", "kernels", "caffelite"}
    | {"drawing", "inspection", "pictures"},
    "caffelite": BELOW_ALL
    | {"solver", "net", "layers", "data", "weights", "kernels", "datasets"}
    | {"drawing", "inspection", "pictures"},
    "boxes": BELOW_ALL | {"caffelite", "net", "layers", "data", "weights", "kernels"},
    "cv2dnn": BELOW_ALL | {"caffelite", "net", "layers", "data", "weights", "writing"},
    "comparing": BELOW_ALL | {"caffelite", "net", "layers", "data", "weights"},
    "examples": BELOW_ALL | {"caffelite", "datasets", "pictures"},
    "testing": BELOW_ALL | {"caffelite", "solver", "net", "layers", "data", "weights"},
    "tools": BELOW_ALL | {"boxes", "caffelite", "net", "layers", "data", "weights"},
    "cli": BELOW_ALL
    | {"caffelite", "solver", "net", "layers", "data", "weights", "kernels", "datasets"}
    | {"boxes", "checking", "comparing", "databases", "drawing", "examples", "explaining", "inspection", "onnx_export"}
    | {"onnx_import", "pictures", "reports", "testing", "tools", "writing"},
}

# Imports that point the other way: from a file, to a file. Those below are meant; nothing is to be added.
AGAINST_THE_WAY = {
    # finds the layer types by importing all their files, when the first type is asked for
    ("caffelite.core.layer", "caffelite.core.layers"),
    # a user's Python layer is made of the class that users import, and may itself say `import caffe`
    ("caffelite.core.layers.python", "caffelite.as_caffe"),
    ("caffelite.core.layers.python", "caffelite.python_layer"),
    ("caffelite.core.layers.shared.rpn_proposal_layer", "caffelite.python_layer"),
    # as does a layer type of the user's own
    ("caffelite.core.layer", "caffelite.core.layers.shared.own_class"),
    ("caffelite.core.layers.shared.own_class", "caffelite.python_layer"),
    ("caffelite.core.layer_files", "caffelite.as_caffe"),
    # a name of the surface, loaded when it is asked for
    ("caffelite", "caffelite.cv2dnn.install"),
    ("caffelite.__main__", "caffelite.cli"),
}


def name_of(path):
    """Return a.b of a/b.py and of a/b/__init__.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules():
    """Return module name -> path, of all of the package."""
    return {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def room_of(module):
    """Return the room of a module: the folder that it lies in, in caffelite/ or in caffelite/core/."""
    return "ground" if module in ground() else folder_of(module)


@cache
def ground():
    """Return the modules that lie loose in core/ and reach, by whatever import, none that does not."""
    found = {name for name in modules_by_name if folder_of(name) == "core"} - NOT_GROUND
    while rest := {name for name in found if imports_of(name) - found}:
        found -= rest
    return found


def folder_of(module):
    parts = name_of(modules_by_name[module].parent / "x.py").split(".")[:-1]  # the folder's own name
    inside = parts[2:] if parts[:2] == ["caffelite", "core"] else parts[1:]
    return inside[0] if inside else parts[-1]


@cache
def imports_of(module, at_import_only=False):
    """Return the modules of ours that a module imports; `at_import_only`: not those in functions or for types."""
    found = set()

    def visit(node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{module}: imports here are absolute"
                for alias in child.names:
                    inner = f"{child.module}.{alias.name}"
                    found.add(inner if inner in modules_by_name else child.module)
            elif not (at_import_only and runs_later(child)):
                visit(child)

    visit(ast.parse(modules_by_name[module].read_text()))
    return found & set(modules_by_name)


def runs_later(node):
    """Whether what stands in a node does not run while its module is imported."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


modules_by_name = modules()


def test_every_test_stands_where_its_source_does():
    lost = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        inside = path.relative_to(ROOT / "tests")
        source = PACKAGE / inside.with_name(inside.name.removeprefix("test_"))
        if source.exists() == (inside.as_posix() in OF_MORE_THAN_ONE_FILE):
            lost.append(inside.as_posix())
    assert not lost, "move these to where their source is, or say in OF_MORE_THAN_ONE_FILE what they test"
    assert all((ROOT / "tests" / name).exists() for name in OF_MORE_THAN_ONE_FILE)


def test_every_room_has_a_line():
    assert {room_of(name) for name in modules_by_name} == set(MAY_IMPORT)


def test_the_table_itself_has_no_way_round():
    """Only `core` and `prototxt` need each other: a layer has a place in a file, and a parser raises errors."""
    for room, below in MAY_IMPORT.items():
        for other in below - BELOW_ALL:
            assert room not in MAY_IMPORT[other], f"{room} and {other} may import each other"


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_imports_point_one_way(room):
    wrong = {
        (name, other)
        for name in modules_by_name
        if room_of(name) == room
        for other in imports_of(name)
        if room_of(other) not in MAY_IMPORT[room] | {room}
    }
    assert wrong - AGAINST_THE_WAY == set()


def test_what_is_listed_as_wrong_still_is():
    all_imports = {(name, other) for name in modules_by_name for other in imports_of(name)}
    assert AGAINST_THE_WAY - all_imports == set(), "take what is mended off the list"


def test_no_circle_of_imports_in_core():
    """Of what runs while a module is imported: a circle there depends on which of its modules comes first."""
    below = {
        name: {other for other in imports_of(name, at_import_only=True) if other.startswith("caffelite.core.")}
        for name in modules_by_name
        if name.startswith("caffelite.core.")
    }
    readers = defaultdict(set)
    for name, others in below.items():
        for other in others:
            readers[other].add(name)
    done = [name for name, others in below.items() if not others]
    for name in done:  # it grows: a module is done when all that it imports is
        for reader in readers[name]:
            below[reader].discard(name)
            if not below[reader]:
                done.append(reader)
    assert set(below) - set(done) == set(), "these import each other, or what does"
