"""Solvers under their public names: their nets are pycaffe's, and the engine below knows nothing of them."""

import copy
import pickle
import subprocess
import sys

import pytest

import caffelite
from caffelite.core.errors import CopyError
from caffelite.core.net.net import Net as Engine
from caffelite.core.solver.solver import get_solver as core_get_solver

NET = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 } } }'
SOLVER = 'net: "net.prototxt" test_iter: 1 test_interval: 5 lr_policy: "fixed" base_lr: 1 type: "%s"'
TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")


@pytest.fixture
def solver_file(tmp_path):
    def write(type_name):
        (tmp_path / "net.prototxt").write_text(NET)
        path = tmp_path / "solver.prototxt"
        path.write_text(SOLVER % type_name + (" momentum: 0.5" if type_name not in ("AdaGrad", "RMSProp") else ""))
        return path

    return write


@pytest.mark.parametrize("type_name", TYPES)
def test_solvers_have_pycaffes_nets_and_are_of_the_public_classes(type_name, solver_file):
    public = getattr(caffelite, f"{type_name}Solver")
    for solver in (caffelite.get_solver(solver_file(type_name)), public(solver_file(type_name))):
        assert type(solver) is public and solver.type == type_name
        assert isinstance(solver, caffelite.SGDSolver) and isinstance(solver, caffelite.Solver)
        assert all(type(net) is caffelite.Net for net in solver.nets)
        assert list(solver.net.forward(data=[3])) == ["data"] and solver.test_nets[0].blobs["data"].shape == (1,)


def test_the_command_lines_solvers_run_engine_nets(solver_file):
    assert type(core_get_solver(solver_file("SGD")).net) is Engine


def test_the_engine_does_not_load_pycaffe(tmp_path):
    code = "import sys, caffelite.core.solver.rules, caffelite.core.layers; print('caffelite.pycaffe' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_solvers_refuse_to_be_copied(solver_file, copied):
    with pytest.raises(CopyError, match=r"^a Solver cannot be copied or pickled: write its state"):
        copied(caffelite.get_solver(solver_file("SGD")))


def test_solvers_refuse_other_number_types():
    with pytest.raises(caffelite.CaffeliteError, match=r"^dtype is None; use np\.float32"):
        caffelite.SGDSolver("nowhere", dtype=None)
