import pytest

from caffelite.checking.rate import unread
from caffelite.core.solver.file import SolverFile
from caffelite.core.solver.lr_policies import LR_POLICIES
from caffelite.proto.caffe_pb2 import SolverParameter

NET = """net_param { layer { name: "data" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { axis: 0 num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "loss" } }
"""


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        (
            'lr_policy: "fixed"\ngamma: 0.1',
            '6: warning: gamma is 0.1; it is without effect with lr_policy "fixed"; remove it, or write lr_policy: '
            '"exp", "inv", "multistep", "plateau", "sigmoid" or "step"',
        ),
        (
            'lr_policy: "multistep" gamma: 0.1 stepvalue: 5\nstepsize: 3',
            '6: warning: stepsize is 3; it is without effect with lr_policy "multistep"; '
            'remove it, or write lr_policy: "sigmoid" or "step"',
        ),
        (
            'lr_policy: "step" gamma: 0.1 stepsize: 3\nstepvalue: 5\nstepvalue: 8',
            '6: warning: stepvalue[0] is 5; it is without effect with lr_policy "step"; '
            'remove it, or write lr_policy: "multistep"',
        ),
        (
            'lr_policy: "exp" gamma: 0.9\npower: 0',
            '6: warning: power is 0; it is without effect with lr_policy "exp"; '
            'remove it, or write lr_policy: "inv" or "poly"',
        ),
    ],
)
def test_a_field_of_another_policy(problems, fields, warning):
    assert problems(f"{NET}base_lr: 0.1 max_iter: 10 {fields}", "solver.prototxt") == [warning]


def test_of_an_unknown_policy_only_its_name_is_told(problems):
    (error,) = problems(f'{NET}base_lr: 0.1 max_iter: 10 stepsize: 3 lr_policy: "stepp"', "solver.prototxt")
    assert "Unknown learning rate policy: stepp" in error


class Watched:
    """A solver's fields, which notes those that a policy reads."""

    def __init__(self, param):
        self.param, self.read = param, set()

    def __getattr__(self, name):
        self.read.add(name)
        return getattr(self.param, name)


@pytest.mark.parametrize("policy", list(LR_POLICIES))
def test_policies_say_what_they_read(policy):
    param = SolverParameter(base_lr=0.1, max_iter=9, gamma=0.5, power=2, stepsize=3, stepvalue=[2], lr_policy=policy)
    param.lr_piece.add(lr=1)
    watched = Watched(param)
    LR_POLICIES[policy].rate(watched, 4, 0)
    told = {text.partition(" is ")[0].partition("[")[0] for text in unread(SolverFile(param, None, None))}
    assert told == {"gamma", "power", "stepsize", "stepvalue"} - watched.read
