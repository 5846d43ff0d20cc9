import pytest

from caffelite.core.errors import NetError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import filter_net
from caffelite.core.prototxt.parse import parse_net

LENET = """name: "LeNet"
layer { name: "mnist" type: "Data" top: "data" top: "label" data_param { source: "train" } include { phase: TRAIN } }
layer { name: "mnist" type: "Data" top: "data" top: "label" data_param { source: "test" } include: { phase: TEST } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def drafted(text):
    return Draft.of(*parse_net(text, "net.prototxt"))


def kept(text):
    """Return the names that stay, and check that filtering again changes nothing."""
    filtered = filter_net(drafted(text))
    assert filter_net(filtered) == filtered
    return [layer.name for layer in filtered.layers]


@pytest.mark.parametrize(
    ("rules", "state", "expected"),
    [
        ("", "", True),
        ('include { stage: "mystage" }', "", False),
        ('include { stage: "mystage" }', 'stage: "mystage"', True),
        ('exclude { stage: "mystage" }', "", True),
        ('exclude { stage: "mystage" }', 'stage: "mystage"', False),
        ('include { stage: "mystage" stage: "myotherstage" }', 'stage: "mystage"', False),
        ('include { stage: "mystage" stage: "myotherstage" }', 'stage: "mystage" stage: "myotherstage"', True),
        ('include { stage: "myotherstage" } include { stage: "mystage" }', 'stage: "mystage"', True),
        ('include { not_stage: "myotherstage" }', 'stage: "mystage"', True),
        ('include { not_stage: "mystage" }', 'stage: "mystage"', False),
        ("include { min_level: 3 }", "", False),
        ("include { min_level: 3 }", "level: 7", True),
        ("include { min_level: 0 max_level: 0 }", "", True),
        ("include { max_level: -3 }", "", False),
        ("include { max_level: -3 }", "level: -7", True),
        ("include { min_level: 2 phase: TRAIN }", "level: 4 phase: TRAIN", True),
        ("include { min_level: 2 phase: TRAIN }", "level: 4 phase: TEST", False),
        ("include { min_level: 2 phase: TRAIN } include { phase: TEST }", "level: 2 phase: TRAIN", True),
        ("include { min_level: 2 phase: TRAIN } include { phase: TEST }", "level: 2 phase: TEST", True),
        ("exclude { min_level: 2 phase: TRAIN }", "level: 4 phase: TRAIN", False),
        ("exclude { min_level: 2 phase: TRAIN }", "level: 4 phase: TEST", True),
        ("include {}", "", True),
        ("exclude {}", "", False),
        ("include { phase: TEST }", "", True),  # TEST is the phase of a net that says nothing
        ("include { phase: TRAIN }", "", False),
        ('include { stage: "" }', 'stage: ""', True),
    ],
)
def test_rules(rules, state, expected):
    text = f"""state {{ {state} }}
layer {{ name: "data" type: "Data" top: "data" top: "label" }}
layer {{ name: "innerprod" type: "InnerProduct" bottom: "data" top: "innerprod" {rules} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "innerprod" bottom: "label" }}"""
    assert kept(text) == (["data", "innerprod", "loss"] if expected else ["data", "loss"])


def test_lenet():
    assert kept("state { phase: TRAIN }" + LENET) == ["mnist", "ip", "loss"]
    assert kept("state { phase: TEST }" + LENET) == ["mnist", "ip", "accuracy", "loss"]


def test_state_rules_and_lines_stay():
    filtered = filter_net(drafted("state { phase: TEST }" + LENET))
    assert filtered.param.state.phase == 1
    assert filtered.layers[0].data_param.source == "test"
    assert len(filtered.layers[0].include) == 1
    assert [filtered.where(i) for i in range(4)] == [f"net.prototxt:{line}: " for line in (3, 4, 5, 6)]
    assert filtered.left_out["data"] == 'layer "mnist" (net.prototxt:2)'


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("phase: TRAIN", "The NetState phase (1) differed from the phase (0) specified by a rule in layer a"),
        ("min_level: 9", "The NetState level (5) is above the min_level (9) specified by a rule in layer a"),
        ("max_level: 2", "The NetState level (5) is above the max_level (2) specified by a rule in layer a"),
        ('stage: "s"', "The NetState did not contain stage 's' specified by a rule in layer a"),
        ('not_stage: "here"', "The NetState contained a not_stage 'here' specified by a rule in layer a"),
        ('min_level: 9 stage: "s"', "The NetState level (5) is above the min_level (9) specified by a rule in layer a"),
    ],
)
def test_the_log_tells_the_first_reason(rule, reason):
    log = []
    filter_net(drafted(f'state {{ level: 5 stage: "here" }} layer {{ name: "a" include {{ {rule} }} }}'), log.append)
    assert log == [reason]


def test_include_and_exclude_in_one_layer():
    text = 'layer {\n name: "a"\n include { phase: TEST }\n exclude { phase: TRAIN }\n}'
    message = r'^net\.prototxt:4: layer "a": Specify either include rules or exclude rules; not both\. Write'
    with pytest.raises(NetError, match=message):
        filter_net(drafted(text))
