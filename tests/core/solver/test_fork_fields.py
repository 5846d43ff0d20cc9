import pytest

from caffelite.core.errors import SolverError
from caffelite.core.prototxt.parse import parse_text
from caffelite.core.solver.file import SolverFile
from caffelite.core.solver.fork_fields import fields_without_effect, refuse_fork_fields
from caffelite.proto.caffe_pb2 import SolverParameter


def file_of(text):
    param = SolverParameter()
    return SolverFile(param, parse_text(text, param, "s"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('eval_type: "detection"', 'eval_type is "detection", a field of SSD\'s Caffe'),
        ("warmup_iter: 5", "warmup_iter is 5, a field of Intel's Caffe"),
        ("rampup_interval: 5", r"rampup_interval is 5.* write lr_warmup \{ iterations: N"),
        ("stagelr: [0.1, 0.01]", r'stagelr is \[0.1, 0.01\], .* write lr_policy: "pieces"'),
        ("larc: true", "larc is true, a field of NVIDIA's Caffe"),
        ("min_lr: 0.001", "min_lr is 0.001"),
        ('momentum_policy: "poly"', 'momentum_policy is "poly"'),
    ],
)
def test_what_changes_the_training_is_refused(text, words):
    with pytest.raises(SolverError, match=f"^s:2: {words}"):
        refuse_fork_fields(file_of(f"base_lr: 1\n{text}"))


@pytest.mark.parametrize(
    "text", ['eval_type: "classification"', "warmup_iter: 0", "larc: false", 'momentum_policy: "fixed"', "max_iter: 5"]
)
def test_what_changes_nothing_is_neither_refused_nor_mentioned(text):
    file = file_of(text)
    refuse_fork_fields(file)
    assert fields_without_effect(file) == []


def test_what_has_no_effect_is_said():
    assert fields_without_effect(file_of('ap_version: "11point"\nlarc_eta: 0.1')) == [
        's:1: ap_version (SSD\'s) has no effect: it counts with eval_type: "detection" only',
        "s:2: larc_eta (NVIDIA's) has no effect: it counts with larc: true only",
    ]
