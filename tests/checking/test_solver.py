from pathlib import Path

import caffelite

NET = """layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param { shape { dim: 2 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }
"""
SOLVER = 'net: "a.prototxt"\nbase_lr: 0.1 lr_policy: "fixed" max_iter: 10\n'


def check(problems, solver, net=NET):
    Path("a.prototxt").write_text(net)
    return problems(solver, "solver.prototxt")


def test_nothing_wrong(problems):
    assert check(problems, SOLVER) == []


def test_all_fields_at_once(problems):
    found = check(
        problems, 'net: "a.prototxt"\ndisplay: -1\naverage_loss: 0\ntype: "Adam"\nmomentum2: 1.5\nlr_policy: "stp"\n'
    )
    assert [line.partition(";")[0] for line in found] == [
        " error: max_iter is missing",
        " error: base_lr is missing",
        "2: error: display is -1",
        "3: error: average_loss is 0",
        "5: error: momentum2 is 1.5",
        "6: error: Unknown learning rate policy: stp",
    ]


def test_an_unknown_rule(problems):
    found = check(problems, f'{SOLVER}type: "Admm"\ndisplay: -1\n')
    assert [line.partition(";")[0] for line in found] == [
        "3: error: Unknown solver type: Admm",
        "4: error: display is -1",
    ]


def test_its_nets(problems):
    net = NET.replace("num_output: 2", "num_output: 3")
    (error,) = check(problems, f"{SOLVER}test_iter: 1 test_interval: 5", net)  # the same in both nets: said once
    assert error.startswith('a.prototxt:4: error: layer "loss" (EuclideanLoss): bottom[1] is 2 2 (4)')
    (error,) = check(problems, SOLVER, net.replace("InnerProduct", "InnerPorduct"))
    assert error.startswith('a.prototxt:2:26: error: unknown layer type "InnerPorduct"')


def test_what_keeps_it_from_learning(problems):
    (warning,) = check(problems, SOLVER, NET.replace('weight_filler { type: "xavier" }', ""))
    assert warning.startswith('a.prototxt:3: warning: layer "ip" (InnerProduct): its weights begin as 0')


def test_nets_that_are_not_there(problems):
    found = check(
        problems, SOLVER.replace("net:", "train_net:") + 'test_net: "b.prototxt"\ntest_iter: 1 test_interval: 1'
    )
    assert [line.partition(";")[0] for line in found] == ['3: error: test_net[0] is "b.prototxt"']
    found = check(problems, SOLVER.replace("a.prototxt", "b.prototxt") + "test_iter: 1 test_interval: 1")
    assert [line.partition(";")[0] for line in found] == ['1: error: net is "b.prototxt"']


def test_coverage_of_the_test_set(problems):
    net = """layer { name: "d" type: "Data" top: "x" top: "t"
      data_param { source: "data/digits_test_lmdb" batch_size: 60 backend: LMDB } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
      inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "t" top: "loss" }"""
    (warning,) = check(problems, f"{SOLVER}test_iter: 5\ntest_interval: 5", net)
    assert warning.startswith(
        '3: warning: test_iter is 5; with batch_size 60 in layer "d" (a.prototxt:1) a test sees 300'
    )


def test_outputs_that_decisions_are_made_by(problems):
    tested = f"{SOLVER}test_iter: 1 test_interval: 5\n"
    assert check(problems, f'{tested}early_stopping {{ output: "loss" patience: 2 }}') == []
    found = check(
        problems, f'{tested}early_stopping {{\n output: "los"\n patience: 2 }}\nbest_snapshot {{ output: "x" }}\n'
    )
    assert found == [
        '5: error: early_stopping.output is "los", which is no output of test net 0; did you mean "loss"?',
        '7: error: best_snapshot.output is "x", which is no output of test net 0; use loss',
    ]
    found = check(
        problems,
        f'{tested}early_stopping {{\n output: "los"\n patience: 0 }}\nbest_snapshot {{ min_change: -1 }}\n'
        "lr_warmup { start: 2 }\n",
    )
    assert [line.partition(";")[0] for line in found] == [
        "6: error: early_stopping.patience is 0",
        "7: error: best_snapshot.output is missing",
        "8: error: lr_warmup.iterations is missing",
    ]


def test_weights_that_training_begins_from(problems):
    net = NET.replace('weight_filler { type: "xavier" }', "")
    (missing, zero) = check(problems, f'{SOLVER}weights: "w.caffemodel"', net)
    assert missing.startswith('3: error: weights is "w.caffemodel"; there is no such file')
    assert "its weights begin as 0" in zero
    trained = caffelite.Net("a.prototxt", caffelite.TRAIN)
    trained.params["ip"][0].data[...] = 1
    trained.save("w.caffemodel")
    assert check(problems, f'{SOLVER}weights: "w.caffemodel"', net) == []
    (error,) = check(problems, f'{SOLVER}weights: "w.caffemodel"', NET.replace('"ip"', '"fc"'))
    assert "w.caffemodel: no layer in it has the name of a layer with parameters" in error
