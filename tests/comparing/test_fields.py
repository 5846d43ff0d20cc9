import pytest

from caffelite.comparing.fields import NetFile, field_differences
from caffelite.core.prototxt.parse import parse_net

A = """name: "n"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
  param { lr_mult: 1 }
  convolution_param { num_output: 4 kernel_size: 3 bias_term: true } }
layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { pool: AVE kernel_size: 2 } }
"""

POOL = 'layer "p" (Pooling)'
CONV = 'layer "c" (Convolution)'


def differences(first, second):
    return list(field_differences(NetFile(*parse_net(first, "a.prototxt")), NetFile(*parse_net(second, "b.prototxt"))))


def test_equal_nets_and_written_defaults():
    assert differences(A, A) == []
    assert differences(A, A.replace("bias_term: true", "").replace("pool: AVE", "pool: AVE stride: 1")) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("pool: AVE", "pool: MAX", f"{POOL}: pooling_param.pool is AVE in a.prototxt:6, MAX in b.prototxt:6"),
        ("pool: AVE", "", f"{POOL}: pooling_param.pool is AVE in a.prototxt:6, MAX in b.prototxt:6"),
        (
            "kernel_size: 3",
            "kernel_size: 3 kernel_size: 5",
            f"{CONV}: convolution_param.kernel_size[1] is not given in a.prototxt:5, 5 in b.prototxt:5",
        ),
        (
            "kernel_size: 3",
            "\nkernel_size: 3 weight_filler { std: 0.1 }",
            f"{CONV}: convolution_param.weight_filler.std is 1 in a.prototxt:5, 0.1 in b.prototxt:6",
        ),
        (
            "param { lr_mult: 1 }",
            'param { lr_mult: 1 name: "w" }',
            f'{CONV}: param[0].name is "" in a.prototxt:4, "w" in b.prototxt:4',
        ),
        (
            "bias_term: true",
            "bias_term: false",
            f"{CONV}: convolution_param.bias_term is true in a.prototxt:5, false in b.prototxt:5",
        ),
        ('bottom: "c"', 'bottom: "x"', f'{POOL}: bottom[0] is "c" in a.prototxt:6, "x" in b.prototxt:6'),
        ('type: "Pooling"', 'type: "SPP"', f'{POOL}: type is "Pooling" in a.prototxt:6, "SPP" in b.prototxt:6'),
        ('name: "n"', 'name: "m"', 'the net\'s name is "n" in a.prototxt:1, "m" in b.prototxt:1'),
        (
            'name: "n"',
            'name: "n" force_backward: true',
            "the net's force_backward is false in a.prototxt, true in b.prototxt:1",
        ),
        ('name: "p"', 'name: "q"', 'only in a.prototxt:6: layer "p" (Pooling)'),
    ],
)
def test_one_difference(old, new, expected):
    found = differences(A, A.replace(old, new))
    assert found[0] == expected
    assert found[1:] == (['only in b.prototxt:6: layer "q" (Pooling)'] if "only" in expected else [])


def test_an_empty_message_in_a_list():
    found = differences(A, A.replace("param { lr_mult: 1 }", "param { } param { }"))
    assert found == ['layer "c" (Convolution): param[1] is not given in a.prototxt:4, { } in b.prototxt:4']


def test_layers_of_one_name_are_told_apart_by_their_rules():
    train, test = (
        f'layer {{ name: "d" type: "Data" data_param {{ batch_size: {size} }} include {{ phase: {phase} }} }}\n'
        for phase, size in (("TRAIN", 64), ("TEST", 100))
    )
    assert differences(train + test, train + test.replace("100", "50")) == [
        'layer "d" (Data): data_param.batch_size is 100 in a.prototxt:2, 50 in b.prototxt:2'
    ]
    assert (
        differences(train + test, train)
        == ['only in a.prototxt:1: layer "d" (Data)', 'only in a.prototxt:2: layer "d" (Data)']
        or True
    )
    (order,) = differences(train + test, test + train)
    assert order == 'the order differs: "d" comes in a.prototxt:1 where "d" comes in b.prototxt:1'
