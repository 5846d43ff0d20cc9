"""caffelite: Caffe nets and solvers from their prototxt files, in Python. The names are pycaffe's.

Names are loaded when first used, so that `import caffelite` and the command line start at once: nets and solvers bring
in the kernels, and these numba.
"""

import caffelite.working_directory  # noqa: F401  (before anything can be imported from there)

# isort: split
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if sys.platform == "win32":
    raise ImportError("caffelite runs on Linux and macOS; on Windows install and run it inside WSL")

from caffelite.core.data import included
from caffelite.proto.caffe_pb2 import TEST, TRAIN

if TYPE_CHECKING:
    __version__: str
    from caffelite.as_caffe import install_as_caffe
    from caffelite.core.blob import Blob
    from caffelite.core.errors import CaffeliteError
    from caffelite.core.layer import layer_type_list
    from caffelite.core.mode import set_mode_cpu, set_mode_gpu
    from caffelite.core.random import set_random_seed
    from caffelite.pycaffe import Net
    from caffelite.pycaffe_log import init_log, log
    from caffelite.pycaffe_solver import (
        AdaDeltaSolver,
        AdaGradSolver,
        AdamSolver,
        NesterovSolver,
        RMSPropSolver,
        SGDSolver,
        Solver,
        get_solver,
    )
    from caffelite.python_layer import Layer

_HOMES = {
    "AdaDeltaSolver": "caffelite.pycaffe_solver",
    "AdaGradSolver": "caffelite.pycaffe_solver",
    "AdamSolver": "caffelite.pycaffe_solver",
    "Blob": "caffelite.core.blob",
    "CaffeliteError": "caffelite.core.errors",
    "Layer": "caffelite.python_layer",
    "Net": "caffelite.pycaffe",
    "NesterovSolver": "caffelite.pycaffe_solver",
    "RMSPropSolver": "caffelite.pycaffe_solver",
    "SGDSolver": "caffelite.pycaffe_solver",
    "Solver": "caffelite.pycaffe_solver",
    "get_solver": "caffelite.pycaffe_solver",
    "init_log": "caffelite.pycaffe_log",
    "install_as_caffe": "caffelite.as_caffe",
    "layer_type_list": "caffelite.core.layer",
    "log": "caffelite.pycaffe_log",
    "set_mode_cpu": "caffelite.core.mode",
    "set_mode_gpu": "caffelite.core.mode",
    "set_random_seed": "caffelite.core.random",
}

__all__ = [
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Blob",
    "CaffeliteError",
    "Layer",
    "Net",
    "NesterovSolver",
    "RMSPropSolver",
    "SGDSolver",
    "Solver",
    "get_solver",
    "init_log",
    "install_as_caffe",
    "layer_type_list",
    "log",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_random_seed",
]


class _Datasets:
    """What makes the databases of caffelite/datasets, loaded when a database is missing."""

    def make_if_included(self, source: str) -> bool:
        from caffelite import datasets

        return datasets.make_if_included(source)

    def command_for(self, source: str) -> str:
        from caffelite import datasets

        return datasets.command_for(source)

    def records_of(self, source: str) -> included.Records | None:
        from caffelite import datasets

        return datasets.records_of(source)


included.add_maker(_Datasets())


def __getattr__(name: str) -> Any:
    """Load a public name from its module when it is first used."""
    if name == "__version__":
        value: Any = import_module("importlib.metadata").version("caffelite")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'caffelite' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return [*__all__, "__version__"]
