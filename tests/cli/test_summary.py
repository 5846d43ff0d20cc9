import json
from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parents[2] / "models"


def test_prints_the_table(caffelite):
    done = caffelite("summary", str(MODELS / "alexnet/train_val.prototxt"), "--phase", "TEST")
    assert (done.status, done.err) == (0, "")
    assert "724,406,816 for each of 50 items" in done.out
    assert "parameters:    60,965,224 (232.6 MiB)" in done.out
    assert 'Data: data_param.source "data/imagenet_val_lmdb" is not there' in done.out


def test_json_and_shapes(caffelite):
    done = caffelite("summary", f"--model={MODELS / 'lenet/deploy.prototxt'}", "--json", "--shape", "data=3,1,28,28")
    found = json.loads(done.out)
    assert found["totals"]["multiply_adds"] == 3 * 2_293_000
    assert found["layers"][1]["tops"] == {"conv1": [3, 20, 24, 24]}
    assert (found["layers"][1]["stride"], found["layers"][1]["receptive_field"]) == ([1, 1], [5, 5])


def test_one_layer_of_a_net_whose_data_are_not_there(program):
    path = str(MODELS / "alexnet/train_val.prototxt")
    done = program("summary", path, "--layer=conv1", "--phase=TEST", "--shape=data=2,3,227,227 label=2")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].endswith(": conv1 (Convolution)")
    assert (
        "  im2col 363 x 3025: a row for each of 3 channels x 11 x 11 taps, a column for each of 55 x 55 places" in lines
    )
    assert "2 times: 210,830,400 multiply-adds" in done.out  # 2 x 96 x 363 x 3025


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Need a model definition to summarize; give --model=FILE"),
        (("nowhere.prototxt",), "nowhere.prototxt"),
        ((str(MODELS / "lenet/deploy.prototxt"), "--layer", "conv"), 'no layer "conv"; did you mean "conv1"?'),
        ((str(MODELS / "lenet/deploy.prototxt"), "--layer", "conv1", "--json"), "leave --json or --layer away"),
        ((str(MODELS / "lenet/deploy.prototxt"), "--shape", "dat=1,2"), 'did you mean "data"?'),
        ((str(MODELS / "lenet/deploy.prototxt"), "--shape", "data=1,0"), "conv1"),
    ],
)
def test_refusals_are_one_line(caffelite, words, message):
    done = caffelite("summary", *words)
    assert (done.status, done.out) == (1, "")
    assert message in done.error
    assert "Traceback" not in done.error
    assert done.error.count("\n") <= 1
