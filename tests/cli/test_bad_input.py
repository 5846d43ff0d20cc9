"""What people get wrong: each is one line that says where, what, and what to write instead, and exit status 1."""

import os
import re
import resource

import pytest

from caffelite.core import container

TRAIN = ("train", "--solver=solver.prototxt")
POOL = 'layer {{ name: "pool" type: "Pooling" bottom: "x" top: "pool"\n  pooling_param {{ {} }} }}\n'
IMAGES = (
    'layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }\n'
    'layer { name: "x2" type: "DummyData" top: "x2" dummy_data_param { shape { dim: 1 dim: 2 dim: 4 dim: 3 } } }\n'
)
DATA = 'layer {{ name: "lmdb" type: "Data" top: "x" data_param {{\n  source: "{}" backend: LMDB batch_size: 1 }} }}\n'


def assert_refused(result, *parts):
    """The run ended with status 1 and one line that has all the parts."""
    assert result.status == 1
    assert result.out == ""
    for part in parts:
        assert part in result.error
    return result.error


@pytest.fixture
def net(folder):
    """Change the text of net.prototxt: net(old, new), or append: net("", text). Returns the line of the change."""

    def change(old, new):
        path = folder / "net.prototxt"
        text = path.read_text()
        assert old in text
        start = text.index(old) if old else len(text)
        path.write_text(text[:start] + new + text[start + len(old) :])
        return text[:start].count("\n") + 1

    return change


@pytest.mark.parametrize("words", [("train", "--solver=nowhere.prototxt"), ("time", "--model=nowhere.prototxt")])
def test_a_missing_file(caffelite, words):
    assert_refused(caffelite(*words), "nowhere.prototxt")


def test_a_missing_net(caffelite, solver_with):
    solver_with(net='"nowhere.prototxt"')
    assert_refused(caffelite(*TRAIN), "solver.prototxt", "net", "nowhere.prototxt")


def test_a_folder_in_place_of_a_file(caffelite, folder):
    assert_refused(caffelite("train", f"--solver={folder}"), str(folder))


def test_an_unknown_layer_type(caffelite, net):
    line = net("InnerProduct", "InerProduct")
    assert_refused(caffelite(*TRAIN), f"net.prototxt:{line}:", '"InerProduct"', 'did you mean "InnerProduct"?')


def test_a_misspelt_field(caffelite, net):
    line = net("num_output", "num_outputs")
    assert_refused(caffelite(*TRAIN), f"net.prototxt:{line + 0}:", "num_outputs", 'did you mean "num_output"?')


def test_a_misspelt_field_of_the_solver(caffelite, solver_with):
    solver_with(max_iters="7")
    assert_refused(caffelite(*TRAIN), "solver.prototxt:10:", "max_iters", 'did you mean "max_iter"?')


def test_a_value_of_the_wrong_kind(caffelite, net):
    line = net("num_output: 2", 'num_output: "two"')
    assert_refused(caffelite(*TRAIN), f"net.prototxt:{line}:", "num_output", "two")


def test_a_bracket_that_is_never_closed(caffelite, net):
    net("", "layer {\n")
    assert_refused(caffelite(*TRAIN), "net.prototxt:")


def test_a_bottom_that_nobody_makes(caffelite, net):
    line = net('bottom: "data"', 'bottom: "dada"')
    assert_refused(caffelite(*TRAIN), f"net.prototxt:{line}:", "dada", "layer 'ip'", 'did you mean "data"?')


def test_a_top_made_twice(caffelite, net):
    net("", 'layer { name: "again" type: "DummyData" top: "data" dummy_data_param { shape { dim: 1 } } }\n')
    assert_refused(caffelite(*TRAIN), "net.prototxt:", "data", "again")


def test_shapes_that_do_not_match(caffelite, net):
    line = net("", IMAGES + 'layer { name: "both" type: "Concat" bottom: "x" bottom: "x2" top: "both" }\n') + 2
    assert_refused(caffelite(*TRAIN), f"net.prototxt:{line}:", '"both"', "1 1 4 4 (16)", "1 2 4 3 (24)")


def test_predictions_and_labels_not_equally_many(caffelite, net):
    net("shape { dim: 4 }", "shape { dim: 5 }")
    assert_refused(caffelite(*TRAIN), "net.prototxt:7:", '"loss" (SoftmaxWithLoss)', "5 (5)", "4 2 (8)")


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ("kernel_size: 9", ["kernel_size is 9", "4"]),
        ("kernel_size: 2 stride: 0", ["pooling_param.stride is 0", "use 1 or more"]),
        ("kernel_size: 0", ["pooling_param.kernel_size is 0"]),
        ("kernel_size: 2 pad: 2", ["pooling_param.pad is 2"]),
        ("stride: 2", ["kernel_size"]),
    ],
)
def test_windows_that_cannot_be(caffelite, net, fields, parts):
    line = net("", IMAGES + POOL.format(fields)) + 2
    error = assert_refused(caffelite(*TRAIN), 'layer "pool" (Pooling)', *parts)
    assert re.search(rf"net\.prototxt:({line}|{line + 1}):", error)


def test_a_kernel_larger_than_the_image(caffelite, net):
    conv = 'layer { name: "conv" type: "Convolution" bottom: "x" top: "y"\n  convolution_param {'
    line = net("", f"{IMAGES}{conv} num_output: 1 kernel_size: 5 }} }}\n") + 2
    error = assert_refused(caffelite(*TRAIN), 'layer "conv" (Convolution)', "kernel_size", "5", "4")
    assert re.search(rf"net\.prototxt:({line}|{line + 1}):", error)


def test_a_database_that_is_not_there(caffelite, net):
    line = net("", DATA.format("nowhere_lmdb"))
    assert_refused(caffelite(*TRAIN), f"net.prototxt:{line + 1}:", '"lmdb" (Data)', "data_param.source", "nowhere_lmdb")


def test_a_database_without_records(caffelite, net, folder):
    import lmdb

    lmdb.open(str(folder / "empty_lmdb")).close()
    line = net("", DATA.format("empty_lmdb"))
    assert_refused(caffelite(*TRAIN), f"net.prototxt:{line + 1}:", '"lmdb" (Data)', "empty_lmdb")


def test_a_database_cut_short(caffelite, net, folder, golden_folder):
    source = golden_folder / "data" / "raw_lmdb" / "data.mdb"
    (folder / "cut_lmdb").mkdir()
    (folder / "cut_lmdb" / "data.mdb").write_bytes(source.read_bytes()[:5000])
    line = net("", DATA.format("cut_lmdb"))
    assert_refused(caffelite(*TRAIN), f"net.prototxt:{line + 1}:", '"lmdb" (Data)', "cut_lmdb")


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        ("rotation { degrees: 500 }", "augmentation.rotation.degrees is 500; use 0 to 180"),
        ("\n cutout { size: 60 }", "augmentation.cutout.size is 60; the images are 40 x 48 after cropping: use less"),
    ],
)
def test_an_augmentation_that_cannot_be(caffelite, net, golden_folder, augmentation, message):
    source = golden_folder / "data" / "raw_lmdb"
    fields = f"transform_param {{ augmentation {{ {augmentation} }} }}\n data_param {{"
    line = net("", DATA.format(source).replace("data_param {", fields))
    line += augmentation.count("\n")
    assert_refused(caffelite(*TRAIN), f'net.prototxt:{line}: layer "lmdb" (Data): transform_param.{message}')


def test_weights_of_another_net(caffelite, golden_cli, golden_folder):
    wrong = golden_folder / "cli" / "weights" / "weights_wrong_shape.caffemodel"
    result = caffelite("test", "--model=net.prototxt", f"--weights={wrong}", "--iterations=1")
    assert_refused(result, "layer 'ip1'", "shape is 5 3 (15)", "shape is 4 3 (12)")


@pytest.mark.parametrize(
    "content", [b"", b"not a caffemodel", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(range(256)) * 9]
)
def test_weights_that_are_no_caffemodel(caffelite, golden_cli, content):
    golden_cli.joinpath("x.caffemodel").write_bytes(content)
    assert_refused(caffelite("test", "--model=net.prototxt", "--weights=x.caffemodel"), "x.caffemodel")


def test_weights_cut_short(caffelite, golden_cli):
    whole = golden_cli.joinpath("constant_iter_5.caffemodel").read_bytes()
    golden_cli.joinpath("x.caffemodel").write_bytes(whole[: len(whole) // 2])
    assert_refused(caffelite("test", "--model=net.prototxt", "--weights=x.caffemodel"), "x.caffemodel")


def test_weights_that_are_not_there(caffelite, golden_cli):
    missing = "--weights: File not found: nowhere.caffemodel"
    assert_refused(caffelite("test", "--model=net.prototxt", "--weights=nowhere.caffemodel"), missing)
    assert_refused(caffelite(*TRAIN, "--weights=constant_iter_5.caffemodel, nowhere.caffemodel"), missing)


@pytest.mark.parametrize("content", [None, b"", b"not a solverstate"])
def test_a_snapshot_that_is_none(caffelite, folder, content):
    if content is not None:
        (folder / "x.solverstate").write_bytes(content)
    assert_refused(caffelite(*TRAIN, "--snapshot=x.solverstate"), "x.solverstate")


def test_a_snapshot_of_another_net(caffelite, golden_cli, net):
    net("num_output: 4", "num_output: 5")
    assert_refused(caffelite(*TRAIN, "--snapshot=constant_iter_5.solverstate"), "4 3 (12)", "5 3 (15)")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, 'net.prototxt:6: layer "accuracy" (Accuracy)'),
        ({"test_iter": None, "test_interval": None}, 'net.prototxt:7: layer "loss" (SoftmaxWithLoss)'),
    ],
)
def test_a_label_out_of_range(caffelite, net, solver_with, fields, place):
    solver_with(**fields)
    net('data_filler { type: "constant" value: 0.5 }', "data_filler { value: 7 }")
    assert_refused(caffelite(*TRAIN), place, "is 7", "2 classes")


@pytest.mark.parametrize("num_output", [1000000000000, 0, -1])
def test_a_num_output_that_cannot_be(caffelite, net, num_output):
    line = net("num_output: 2", f"num_output: {num_output}")
    assert_refused(caffelite(*TRAIN), f"net.prototxt:{line}:", "num_output", str(num_output))


@pytest.fixture
def small_memory(monkeypatch):
    """What follows runs as if this machine had 1 GiB."""
    monkeypatch.setattr(container, "available", lambda: 2**30)


def test_parameters_larger_than_memory(caffelite, net, small_memory):
    net("num_output: 2", "num_output: 2000000000")
    assert_refused(caffelite(*TRAIN), "net.prototxt:4:", 'layer "ip" (InnerProduct)', "GiB", "1024.0 MiB are available")


def test_a_net_larger_than_memory(caffelite, net, small_memory):
    net("", 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1000000000 } } }\n')
    what = 'layer "x" (Input): the net up to this layer needs 3.7 GiB'
    assert_refused(caffelite(*TRAIN), what, "1.0 GiB are available", "batch_size")


def test_no_test_iter(caffelite, solver_with):
    solver_with(test_iter=None, test_net='"net.prototxt"')
    assert_refused(caffelite(*TRAIN), "solver.prototxt", "test_iter must be specified for each test network")
    solver_with(test_iter=None)
    assert_refused(
        caffelite(*TRAIN), "solver.prototxt:2: test_interval is 1000; there is no test_iter", "give the number"
    )


def test_an_unknown_lr_policy(caffelite, solver_with):
    solver_with(lr_policy='"stepp"')
    assert_refused(caffelite(*TRAIN), "solver.prototxt:9:", "stepp", 'did you mean "step"?')


def test_an_unknown_solver_type(caffelite, solver_with):
    solver_with(type='"SDG"')
    assert_refused(caffelite(*TRAIN), "solver.prototxt:10:", "SDG", 'did you mean "SGD"?')


@pytest.mark.parametrize("snapshot", ["0", "2"])
def test_a_snapshot_folder_that_cannot_be(caffelite, solver_with, folder, snapshot):
    solver_with(snapshot_prefix='"net.prototxt/tiny"', snapshot=snapshot)
    error = assert_refused(caffelite(*TRAIN), "solver.prototxt:9:", "snapshot prefix 'net.prototxt/tiny")
    assert "Make sure that the directory exists and is writable" in error
    assert sorted(path.name for path in folder.iterdir()) == ["net.prototxt", "solver.prototxt"]


def test_no_traceback_from_the_program(program, net):
    line = net("InnerProduct", "InerProduct")
    assert_refused(program(*TRAIN), f"net.prototxt:{line}:", 'did you mean "InnerProduct"?')


def test_a_limit_of_memory(program, net):
    net("num_output: 2", "num_output: 40000000")
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))  # noqa: E731
    threads = {**os.environ, "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    error = assert_refused(program(*TRAIN, preexec_fn=limit, env=threads), "net.prototxt:", 'layer "ip" (InnerProduct)')
    assert "the net up to this layer needs 1.8 GiB of memory and" in error
