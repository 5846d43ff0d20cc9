INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 8 dim: 8 } } }\n'
POOL = 'layer {{ name: "{0}" type: "Pooling" bottom: "{1}" top: "{0}" pooling_param {{ {2} }} }}\n'


def words(problems):
    """The problems without columns and without what to write instead."""
    cut = []
    for problem in problems:
        line, _, text = problem.partition(":")
        cut.append(f"{line}:{text[text.index(' error: ') :].partition(';')[0]}")
    return cut


def test_what_stands_beside_mistakes_of_the_text(problems):
    text = INPUT + POOL.format("a", "data", "kernel_sise: 3 stride: [2, 2]") + POOL.format("b", "data", "pool: MAXX")
    text += POOL.format("c", "data", "kernel_size: 0") + 'force_backwards: true\nlayer { name: "d" type: "ReLu" }\n'
    text += POOL.format("e", "a", "kernel_size: 0") + POOL.format("f", "data", "kernel_size: 2")
    assert words(problems(text)) == [
        '2: error: unknown field "kernel_sise" in pooling_param',
        "2: error: stride takes one value, not a list",
        "3: error: pool is MAXX",
        '4: error: layer "c" (Pooling): pooling_param.kernel_size is 0',
        '5: error: unknown field "force_backwards" in NetParameter',
        '6: error: unknown layer type "ReLu"',
        '7: error: layer "e" (Pooling): pooling_param.kernel_size is 0',
    ]


def test_nothing_is_made_up_where_the_mistakes_are_all(problems):
    text = INPUT + POOL.format("a", "data", "kernel_size: 2 kernel_sise: 3") + POOL.format("b", "a", "kernel_size: 2")
    assert words(problems(text)) == ['2: error: unknown field "kernel_sise" in pooling_param']


def test_warnings_stand_beside_mistakes_of_the_text(problems):
    text = INPUT + POOL.format("a", "data", "kernel_sise: 3") + POOL.format("b", "data", "kernel_size: 2")
    text = text.replace('top: "b"', 'top: "b" relu_param { }')
    found = problems(text)
    assert len(found) == 2 and '3: warning: layer "b" (Pooling): relu_param has no effect' in found[1]


def test_bad_syntax_within_braces(problems):
    text = INPUT + POOL.format("a", "data", "kernel_size = 2") + POOL.format("b", "data", "kernel_size: 0")
    assert words(problems(text)) == [
        '2: error: "=" stands where ":" should, as in kernel_size: 3',
        '3: error: layer "b" (Pooling): pooling_param.kernel_size is 0',
    ]


def test_a_brace_that_is_missing_hides_the_rest(problems):
    text = (
        INPUT + POOL.format("a", "data", "kernel_size: 2").replace("} }", "}") + POOL.format("b", "data", "stride: 0")
    )
    assert len(problems(text)) == 1


def test_a_wrong_word_in_a_rule(problems):
    text = INPUT + 'layer { name: "a" type: "ReLU" bottom: "data" top: "a" include { phase: TRIAN } relu_parm { } }\n'
    assert words(problems(text + POOL.format("b", "a", "kernel_size: 0"))) == [
        "2: error: phase is TRIAN",
        '2: error: unknown field "relu_parm" in layer',
        '3: error: layer "b" (Pooling): pooling_param.kernel_size is 0',
    ]


def test_the_net_of_a_solver(problems, tmp_path):
    text = INPUT + POOL.format("a", "data", "sride: 2") + POOL.format("b", "a", "kernel_size: 0")
    (tmp_path / "n.prototxt").write_text(text)
    found = problems('net: "n.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1\n', "solver.prototxt")
    assert words(line.removeprefix("n.prototxt:") for line in found) == [
        '2: error: unknown field "sride" in pooling_param',
        '3: error: layer "b" (Pooling): pooling_param.kernel_size is 0',
    ]


def test_what_stands_beside_mistakes_of_a_solver(problems, tmp_path):
    (tmp_path / "n.prototxt").write_text(INPUT + POOL.format("a", "data", "kernel_size: 0"))
    text = (
        'net: "n.prototxt"\nbase_lrr: 1\ntest_itr: 5\ntest_interval: 5\nstepsize: 1.5\nlr_policy: "step"\nmomentum: 2\n'
    )
    found = problems(text, "solver.prototxt")
    assert words([line for line in found if not line.startswith("n.prototxt")]) == [
        '2: error: unknown field "base_lrr" in SolverParameter',  # not: base_lr, test_iter, stepsize are missing
        '3: error: unknown field "test_itr" in SolverParameter',
        "5: error: stepsize is 1.5",
        "7: error: momentum is 2",
    ]
    assert 'n.prototxt:2: error: layer "a" (Pooling): pooling_param.kernel_size is 0' in found[4]


def test_nothing_is_made_up_of_a_solver_without_a_net(problems):
    assert words(problems('nett: "n.prototxt"\nbase_lr: 1 max_iter: 1 lr_policy: "fixed"\n', "solver.prototxt")) == [
        '1: error: unknown field "nett" in SolverParameter'
    ]


def test_decimal_commas_and_bare_lists(problems):
    text = 'layer { name: "d" type: "Input" top: "data" input_param { shape { dim: 2,3,8,8 } } }\n'
    text += 'layer { name: "c" type: "Convolution" bottom: "data" top: "c" param { lr_mult: 0,5 } }\n'
    assert words(problems(text + POOL.format("b", "data", "kernel_size: 0"))) == [
        "1: error: dim is 2,3,8,8",
        "2: error: lr_mult is 0,5",
        '3: error: layer "b" (Pooling): pooling_param.kernel_size is 0',
    ]


SOLVER = """net: "n.prototxt"
lr_polcy: "fixed"
base_lr: 0,01
momentum: 1.5
max_iter: 1
"""


def test_a_solver_with_mistakes_of_its_text_and_of_its_net(problems, tmp_path):
    text = INPUT + POOL.format("a", "data", "sride: 2") + POOL.format("b", "a", "kernel_size: 0")
    (tmp_path / "n.prototxt").write_text(text)
    found = problems(SOLVER, "solver.prototxt")
    own, nets = words(found[:3]), words(line.removeprefix("n.prototxt:") for line in found[3:])
    assert own == [
        '2: error: unknown field "lr_polcy" in SolverParameter',
        "3: error: base_lr is 0,01",
        "4: error: momentum is 1.5",
    ]
    assert nets == [
        '2: error: unknown field "sride" in pooling_param',
        '3: error: layer "b" (Pooling): pooling_param.kernel_size is 0',
    ]


def test_a_solver_whose_text_cannot_be_read(problems):
    assert words(problems('net: "n.prototxt\nbase_lr: 0.1 lr_policy: "fixed" max_iter: 1\n', "solver.prototxt")) == [
        "1: error: this string is not closed on its line"
    ]
