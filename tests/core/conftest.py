import pytest

from caffelite.core.prototxt.parse import parse_text
from caffelite.proto.caffe_pb2 import SolverParameter
from caffelite.pycaffe_solver import get_solver


class Solvers:
    """Solvers for tests, from a few lines of text."""

    # y = x w + b for constant x, against a constant target.
    CONSTANT_NET = """
    layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
        shape { dim: 2 dim: 2 } shape { dim: 2 dim: 1 }
        data_filler { type: "constant" value: 0.5 } data_filler { type: "constant" value: -1 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
        param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 } inner_product_param { num_output: 1
        weight_filler { type: "constant" value: 1 } bias_filler { type: "constant" value: 0.25 } } }
    layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }
    """
    # The same with other random numbers in each pass.
    RANDOM_NET = """
    layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
        shape { dim: 4 dim: 5 } shape { dim: 4 dim: 3 } data_filler { type: "gaussian" std: 1 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 3
        weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 } } }
    layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }
    """

    def param(self, fields="", net=CONSTANT_NET):
        param = SolverParameter()
        parse_text(f"net_param {{ {net} }} {fields}", param, "solver.prototxt")
        return param

    def of(self, fields="", net=CONSTANT_NET, **options):
        return get_solver(self.param(fields, net), **options)

    def write(self, folder, fields, net=CONSTANT_NET):
        """Write net.prototxt and solver.prototxt, which names it in its first line; return the latter's path."""
        (folder / "net.prototxt").write_text(net)
        (folder / "solver.prototxt").write_text(f'net: "net.prototxt"\n{fields}')
        return folder / "solver.prototxt"

    def params_of(self, solver):
        return [param.blob.data.copy() for param in solver.net.learnable_params]


@pytest.fixture(scope="session")
def solvers():
    return Solvers()
