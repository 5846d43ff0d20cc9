"""Solvers as pycaffe has them: their nets are pycaffe's. Source: python/caffe/_caffe.cpp."""

from __future__ import annotations

from typing import Any

from caffelite.core.layer_files import load_layers
from caffelite.core.prototxt.unknown_fields import allowing_unknown_fields
from caffelite.core.solver import solver as core
from caffelite.core.solver.file import solver_file
from caffelite.core.solver.rules import ada_delta, ada_grad, adam, nesterov, rms_prop, sgd
from caffelite.pycaffe import Net


class Solver(core.Solver):
    """The base of the solvers: core's, with nets that users can look into by name."""

    net_class = Net
    _net: Net

    @property
    def net(self) -> Net:
        """The training net."""
        return self._net


class SGDSolver(Solver, sgd.SGDSolver):
    """Stochastic gradient descent with momentum (core/solver/rules/sgd.py), with pycaffe's nets."""


class NesterovSolver(SGDSolver, nesterov.NesterovSolver):
    """Nesterov's accelerated gradient (core/solver/rules/nesterov.py), with pycaffe's nets."""


class AdaGradSolver(SGDSolver, ada_grad.AdaGradSolver):
    """AdaGrad (core/solver/rules/ada_grad.py), with pycaffe's nets."""


class RMSPropSolver(SGDSolver, rms_prop.RMSPropSolver):
    """RMSProp (core/solver/rules/rms_prop.py), with pycaffe's nets."""


class AdaDeltaSolver(SGDSolver, ada_delta.AdaDeltaSolver):
    """AdaDelta (core/solver/rules/ada_delta.py), with pycaffe's nets."""


class AdamSolver(SGDSolver, adam.AdamSolver):
    """Adam (core/solver/rules/adam.py), with pycaffe's nets."""


_PUBLIC: dict[type[core.Solver], type[core.Solver]] = {
    sgd.SGDSolver: SGDSolver,
    nesterov.NesterovSolver: NesterovSolver,
    ada_grad.AdaGradSolver: AdaGradSolver,
    rms_prop.RMSPropSolver: RMSPropSolver,
    ada_delta.AdaDeltaSolver: AdaDeltaSolver,
    adam.AdamSolver: AdamSolver,
}


def get_solver(source: core.SolverSource, **options: Any) -> Solver:
    """Return the solver that a file (path) or SolverParameter describes, of the class that its `type` names.

    Options as of Solver. Raises UnknownNameError, naming the known types, for a type that nobody registered.
    """
    load_layers(options.get("layers"))  # the solver's file may hold a net
    with allowing_unknown_fields(options.get("allow_unknown_fields", False)):
        file = solver_file(source)
    registered = core.solver_class(file)
    return _PUBLIC.get(registered, registered)(file, **options)  # type: ignore[return-value]
