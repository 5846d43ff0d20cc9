from caffelite import AdaDeltaSolver


def test_it_keeps_two_histories_whatever_type_the_file_says(solvers):
    solver = AdaDeltaSolver(solvers.param('type: "SGD" lr_policy: "fixed"'))
    assert (solver.type, len(solver.histories)) == ("AdaDelta", 2)
