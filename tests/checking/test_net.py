import sys

import pytest

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }\n'
POOL = 'layer {{ name: "{0}" type: "Pooling" bottom: "{1}" top: "{0}" pooling_param {{ kernel_size: {2} }} }}\n'


MODULE = """import caffelite
class Mine(caffelite.Layer):
    def setup(self, bottom, top):
        raise KeyError("gone")
"""


def test_goes_on_behind_an_error(problems):
    text = INPUT + POOL.format("a", "data", 9) + POOL.format("b", "a", 0) + POOL.format("c", "data", 0)
    text += POOL.format("d", "dtaa", 2) + POOL.format("e", "data", 2)
    found = problems(text)
    assert [line.partition(";")[0] for line in found] == [
        '2: error: layer "a" (Pooling): pooling_param.kernel_size is 9 x 9',
        '3: error: layer "b" (Pooling): pooling_param.kernel_size is 0',
        '4: error: layer "c" (Pooling): pooling_param.kernel_size is 0',
        "5: error: Unknown bottom blob 'dtaa' (layer 'd', bottom index 0)",
    ]


def test_a_layer_that_is_left_out_reads_its_bottoms(problems):
    text = INPUT + POOL.format("a", "data", 2).replace("Pooling", "Poolng")
    _, unlike, like = problems(text + POOL.format("b", "features", 2) + POOL.format("c", "dat", 2))
    assert unlike == "3: error: Unknown bottom blob 'features' (layer 'b', bottom index 0)"  # "data" has its reader
    assert like.endswith('did you mean "data"?')


def test_the_layer_that_rules_leave_out_is_named(problems):
    text = INPUT.replace("input_param", "include { phase: TRAIN } input_param") + POOL.format("a", "data", 2)
    assert problems(text, phase="TEST") == [
        "2: error: Unknown bottom blob 'data' (layer 'a', bottom index 0); layer \"data\" (net.prototxt:1) makes it, "
        "but its rules leave it out of this net, whose state is phase TEST, level 0, no stages"
    ]


def test_warnings_beside_errors(problems):
    text = INPUT + POOL.format("bad", "data", 9) + POOL.format("unread", "data", 2)
    for bottom, top in (("data", "a"), ("bad", "b"), ("bad", "lost")):
        conv = "convolution_param { num_output: 2 kernel_size: 1 } inner_product_param { }"
        text += f'layer {{ name: "{top}" type: "Convolution" bottom: "{bottom}" top: "{top}" {conv} }}\n'
    text += 'layer { name: "relu" type: "ReLU" bottom: "lost" top: "lost" }\n'
    loss = 'layer { name: "loss" type: "EuclideanLoss" bottom: "a" bottom: "b" top: "loss" }\n'
    words = ("is 9 x 9", "no effect", "begin as 0", 'reads the top "unread"', 'reads the top "lost"')
    found = [(line[:2], word) for line in problems(text + loss) for word in words if word in line]
    expected = [("2:", "is 9 x 9"), ("3:", 'reads the top "unread"')]
    for line in ("4:", "5:", "6:"):  # "bad" is not known to the last two
        expected += [(line, "no effect"), (line, "begin as 0")]
    assert sorted(found) == sorted([*expected, ("7:", 'reads the top "lost"')])
    assert len(problems(text + loss)) == len(found)


def test_layers_on_one_line_are_told_apart(problems):
    text = (INPUT + POOL.format("a", "data", 9) + POOL.format("b", "data", 0) + POOL.format("c", "data", 2)).replace(
        "\n", ""
    )
    assert len(problems(text)) == 2


def test_reads_behind_a_layer_in_place_that_failed(problems):
    text = INPUT + 'layer { name: "r" type: "Dropout" bottom: "data" top: "data" dropout_param { dropout_ratio: 2 } }\n'
    found = problems(text + POOL.format("a", "data", 9))
    assert [line.partition(":")[0] for line in found] == ["2", "3"]


def test_types_and_fields_of_layers_that_are_left_out(problems):
    text = (
        INPUT
        + POOL.format("a", "data", 9)
        + 'layer { name: "b" type: "ReLu" bottom: "a" top: "b" include { phase: TRAIN } include { phase: TEST } }\n'
    )
    text += 'layer { name: "c" type: "ReLU" bottom: "b" top: "c" prelu_param { } }\n'
    assert [line.partition("(")[0].strip() for line in problems(text)] == [
        '2: error: layer "a"',
        '3: error: layer "b": unknown layer type "ReLu"; did you mean "ReLU"?',
        '4: warning: layer "c"',
    ]


def test_a_data_layer_whose_data_is_not_there_is_looked_at(problems):
    (error, warning) = problems(
        'layer { name: "d" type: "Data" top: "data" top: "label"\n transform_param { crop_size: 3 force_gray: true }\n'
        'data_param { source: "x_lmdb" batch_size: 2\n mirror: true } }'
    )
    assert error.startswith('3: error: layer "d" (Data): data_param.backend is LEVELDB (Caffe\'s default); the source')
    assert warning.startswith('4: warning: layer "d" (Data): data_param.mirror has no effect')


def test_what_was_assumed_is_a_note(problems):
    text = 'layer { name: "d" type: "Data" top: "data" transform_param { crop_size: 3 } data_param { batch_size: 2 '
    text += 'source: "x" backend: LMDB } }'
    assert problems(text) == [
        '1: note: layer "d" (Data): data_param.source "x" is not there; 3 channels are assumed, as of colour images'
    ]
    assert problems(text, shapes={"data": (2, 1, 3, 3)}) == []


def test_what_a_python_layer_raises(problems, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])
    (tmp_path / "raises_at_setup.py").write_text(MODULE)
    fields = 'python_param { module: "raises_at_setup" layer: "Mine" }'
    layer = f'layer {{ name: "p" type: "Python" bottom: "data" top: "p" {fields} }}\n'
    text = INPUT + layer + POOL.format("a", "data", 0)
    raised, other = problems(text)
    assert raised == "2: error: layer \"p\" (Python): raised in setup of raises_at_setup.Mine: KeyError: 'gone'"
    assert other.startswith('3: error: layer "a"')
    refused, _ = problems(text, python_layers=False)
    assert refused.startswith(
        '2: error: layer "p" (Python): type is "Python"; this net was loaded without Python layers'
    )


def test_a_bug_is_no_problem_of_the_file(problems, monkeypatch):
    monkeypatch.setattr("caffelite.checking.net.Net", lambda draft, context: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        problems(INPUT)
