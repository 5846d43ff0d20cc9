from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import filter_net
from caffelite.core.net.wiring.state import described, merged_state, with_caller_state, with_phase, with_state
from caffelite.core.prototxt.parse import parse_net
from caffelite.proto.caffe_pb2 import TEST, TRAIN, NetState


def test_merged_state():
    net, extra = NetState(level=2, stage=["a"]), NetState(level=3, stage=["b"])
    assert merged_state(TRAIN, net, extra) == NetState(phase="TRAIN", level=3, stage=["a", "b"])
    assert merged_state(TRAIN) == NetState(phase="TRAIN")


def test_the_phase_of_a_net_file_wins_over_the_solvers():
    assert merged_state(TRAIN, NetState(phase="TEST"), NetState()).phase == TEST


def test_a_state_in_words():
    assert described(NetState()) == described(NetState(stage=[""])) == "phase TEST, level 0, no stages"
    assert described(NetState(phase="TRAIN", level=-2, stage=["a", "b"])) == 'phase TRAIN, level -2, stages "a", "b"'


def test_with_state_leaves_the_net_alone():
    param, _ = parse_net('name: "n" state { level: 2 }', "f")
    assert with_state(param, NetState(phase="TRAIN")) == parse_net('name: "n" state { phase: TRAIN }', "f")[0]
    assert param.state.level == 2


def test_caller_state_replaces_phase_and_level_and_adds_stages():
    param, _ = parse_net('state { phase: TRAIN level: 7 stage: "a" }', "f")
    assert with_caller_state(param, TEST, stages=["b"]).state == NetState(phase="TEST", level=0, stage=["a", "b"])
    assert with_caller_state(param, TRAIN, level=3).state == NetState(phase="TRAIN", level=3, stage=["a"])


ALL_IN_ONE = """
layer { name: "train-data" type: "DummyData" include { phase: TRAIN stage: "train" } }
layer { name: "val-data" type: "DummyData" include { phase: TEST stage: "val" } }
layer { name: "deploy-data" type: "Input" include { phase: TEST stage: "deploy" } }
layer { name: "ip" type: "InnerProduct" }
layer { name: "loss" type: "SoftmaxWithLoss"
        include { phase: TRAIN stage: "train" } include { phase: TEST stage: "val" } }
"""


def test_all_in_one_net():
    param, lines = parse_net(ALL_IN_ONE, "f")

    def kept(phase, stage):
        filtered = filter_net(Draft.of(with_caller_state(param, phase, stages=[stage]), lines))
        return [layer.name for layer in filtered.layers]

    assert kept(TRAIN, "train") == ["train-data", "ip", "loss"]
    assert kept(TEST, "val") == ["val-data", "ip", "loss"]
    assert kept(TEST, "deploy") == ["deploy-data", "ip"]


def test_layers_without_a_phase_get_the_nets():
    draft = Draft.of(*parse_net('state { phase: TRAIN } layer { phase: TEST } layer { name: "a" }', "f"))
    layers = [with_phase(layer, draft.param.state) for layer in draft.layers]
    assert [layer.phase for layer in layers] == [TEST, TRAIN]
    assert layers[1].HasField("phase")
    assert not draft.layers[1].HasField("phase")
