import numpy as np
import pytest

from caffelite.core.errors import SolverError
from caffelite.proto.caffe_pb2 import TEST, TRAIN
from caffelite.pycaffe import Net
from caffelite.pycaffe_solver import get_solver

FIXED = 'lr_policy: "fixed" '

STAGED_NET = """
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
    shape { dim: 2 dim: 2 } shape { dim: 2 dim: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 1 } }
layer { name: "extra" type: "InnerProduct" bottom: "y" top: "z" inner_product_param { num_output: 1 }
    exclude { phase: TRAIN } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss"
    include { phase: TRAIN } include { phase: TEST stage: "with-loss" } }
"""


def test_each_test_net_has_its_own_state(solvers):
    solver = solvers.of(
        FIXED + 'test_interval: 10 test_iter: 10 test_iter: 10 test_state { stage: "with-loss" } test_state { }',
        STAGED_NET,
    )
    assert [net.phase for net in solver.nets] == [TRAIN, TEST, TEST]
    have = [["loss" in net.layer_dict, "extra" in net.layer_dict] for net in solver.nets]
    assert have == [[True, False], [True, True], [False, True]]


def test_train_state_and_the_nets_own_state_are_merged(solvers):
    net = 'state { level: 2 stage: "own" }' + solvers.CONSTANT_NET.replace(
        'name: "loss"', 'name: "loss" include { min_level: 3 stage: "own" stage: "more" }'
    )
    assert "loss" not in solvers.of(FIXED, net).net.layer_dict
    solver = solvers.of(FIXED + 'train_state { level: 3 stage: "more" }', net)
    assert "loss" in solver.net.layer_dict


def test_nets_of_all_fields_in_caffes_order(solvers, tmp_path, caplog):
    caplog.set_level("INFO", "caffelite")
    for name in ("net", "extra"):
        (tmp_path / f"{name}.prototxt").write_text(f'name: "{name}"' + solvers.CONSTANT_NET)
    (tmp_path / "solver.prototxt").write_text(
        f'net: "net.prototxt" {FIXED} test_net: "extra.prototxt" test_interval: 1 test_iter: [1, 1, 1]'
        f'test_net_param {{ name: "inline" {solvers.CONSTANT_NET} }}'
    )
    solver = get_solver(tmp_path / "solver.prototxt")
    assert [net.name for net in solver.nets] == ["net", "inline", "extra", "net"]
    assert [text for text in caplog.messages if text.startswith("Creating t")] == [
        "Creating training net from net file: net.prototxt",
        "Creating test net (#0) specified by test_net_param",
        "Creating test net (#1) specified by test_net file: extra.prototxt",
        "Creating test net (#2) specified by net file: net.prototxt",
    ]


def test_a_train_net_of_its_own(solvers, tmp_path, caplog):
    caplog.set_level("INFO", "caffelite")
    path = solvers.write(tmp_path, FIXED)
    path.write_text(f'train_net: "net.prototxt" {FIXED}')
    get_solver(path)
    assert "Creating training net from train_net file: net.prototxt" in caplog.messages
    path.write_text(f"train_net_param {{ {solvers.CONSTANT_NET} }} {FIXED}")
    get_solver(path)
    assert "Creating training net specified in train_net_param." in caplog.messages


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            "",
            "SolverParameter must specify a train net using one of these fields: net, net_param, train_net, train_net",
        ),
        (
            'net: "a"\ntrain_net: "b"',
            r"solver\.prototxt:2: SolverParameter must not contain more than one .* net and tr",
        ),
        ('\nnet: "nowhere"', r'solver\.prototxt:2: net is "nowhere"; there is no such file \(tried .*nowhere and .*\)'),
    ],
)
def test_not_exactly_one_train_net(tmp_path, fields, text):
    (tmp_path / "solver.prototxt").write_text(f"{fields} {FIXED}")
    with pytest.raises(SolverError, match=text):
        get_solver(tmp_path / "solver.prototxt")


def test_weights_are_loaded_into_all_nets(solvers, tmp_path, caplog):
    caplog.set_level("INFO", "caffelite")
    path = solvers.write(tmp_path, f'{FIXED} test_iter: 1 test_interval: 1 weights: "a, b"')
    net = Net(tmp_path / "net.prototxt", TRAIN)
    for name, value, save in (("a", 3, net.save), ("b", 4, net.save_hdf5)):
        net.params["ip"][0].data[...] = value
        save(tmp_path / name)
    solver = get_solver(path)
    for net in solver.nets:
        np.testing.assert_array_equal(net.params["ip"][0].data, [[4, 4]])
    assert f"Finetuning from {tmp_path / 'a'}" in caplog.messages


def test_the_same_seed_gives_the_same_start(solvers):
    first, second, third = (
        solvers.of(f"{FIXED} random_seed: {seed}", solvers.RANDOM_NET, solver_rank=rank)
        for seed, rank in ((1, 0), (1, 0), (0, 1))
    )
    for other in (second, third):
        np.testing.assert_array_equal(first.net.arena.data, other.net.arena.data)
    other = solvers.of(f"{FIXED} random_seed: 2", solvers.RANDOM_NET)
    assert (first.net.arena.data != other.net.arena.data).any()
