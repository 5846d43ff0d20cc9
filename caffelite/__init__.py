"""caffelite: Caffe nets and solvers from their prototxt files, in Python. The names are pycaffe's.

Names are loaded when first used, so that `import caffelite` and the command line start at once: nets and solvers bring
in the kernels, and these numba.
"""

import caffelite.working_directory  # noqa: F401  (before anything can be imported from there)

# isort: split
import caffelite.early_interrupt  # before what takes time to import

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
    from caffelite import _caffe as _caffe
    from caffelite import classifier as classifier
    from caffelite import coord_map as coord_map
    from caffelite import detector as detector
    from caffelite import draw as draw
    from caffelite import inspection as inspection
    from caffelite import io as io
    from caffelite import net_spec as net_spec
    from caffelite import proto as proto
    from caffelite import pycaffe as pycaffe
    from caffelite.as_caffe import install_as_caffe
    from caffelite.classifier import Classifier
    from caffelite.core.blob import Blob
    from caffelite.core.errors import CaffeliteError, LayerError
    from caffelite.core.layer import layer_type_list, register_layer
    from caffelite.core.mode import set_device, set_mode_cpu, set_mode_gpu
    from caffelite.core.random import set_random_seed
    from caffelite.core.ranks import set_multiprocess, set_solver_count, set_solver_rank, solver_count, solver_rank
    from caffelite.cv2dnn.install import install_in_cv2
    from caffelite.detector import Detector
    from caffelite.lr_range import lr_find
    from caffelite.net_spec import NetSpec, layers, params, to_proto
    from caffelite.pycaffe import Net
    from caffelite.pycaffe_log import init_log, log
    from caffelite.pycaffe_nccl import NCCL, has_nccl
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
    from caffelite.pycaffe_timer import Timer
    from caffelite.python_layer import Layer

_HOMES = {
    "AdaDeltaSolver": "caffelite.pycaffe_solver",
    "AdaGradSolver": "caffelite.pycaffe_solver",
    "AdamSolver": "caffelite.pycaffe_solver",
    "Blob": "caffelite.core.blob",
    "CaffeliteError": "caffelite.core.errors",
    "Classifier": "caffelite.classifier",
    "Detector": "caffelite.detector",
    "Layer": "caffelite.python_layer",
    "LayerError": "caffelite.core.errors",
    "NCCL": "caffelite.pycaffe_nccl",
    "NesterovSolver": "caffelite.pycaffe_solver",
    "Net": "caffelite.pycaffe",
    "NetSpec": "caffelite.net_spec",
    "RMSPropSolver": "caffelite.pycaffe_solver",
    "SGDSolver": "caffelite.pycaffe_solver",
    "Solver": "caffelite.pycaffe_solver",
    "Timer": "caffelite.pycaffe_timer",
    "get_solver": "caffelite.pycaffe_solver",
    "has_nccl": "caffelite.pycaffe_nccl",
    "init_log": "caffelite.pycaffe_log",
    "install_in_cv2": "caffelite.cv2dnn.install",
    "install_as_caffe": "caffelite.as_caffe",
    "layer_type_list": "caffelite.core.layer",
    "layers": "caffelite.net_spec",
    "log": "caffelite.pycaffe_log",
    "lr_find": "caffelite.lr_range",
    "params": "caffelite.net_spec",
    "register_layer": "caffelite.core.layer",
    "set_device": "caffelite.core.mode",
    "set_mode_cpu": "caffelite.core.mode",
    "set_mode_gpu": "caffelite.core.mode",
    "set_multiprocess": "caffelite.core.ranks",
    "set_random_seed": "caffelite.core.random",
    "set_solver_count": "caffelite.core.ranks",
    "set_solver_rank": "caffelite.core.ranks",
    "solver_count": "caffelite.core.ranks",
    "solver_rank": "caffelite.core.ranks",
    "to_proto": "caffelite.net_spec",
}
# modules that are there after `import caffelite` alone
_MODULES = ("_caffe", "classifier", "coord_map", "detector", "draw", "inspection", "io", "net_spec", "pycaffe")

__all__ = [  # with the modules, since scripts say `from caffe import *`
    "NCCL",
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Blob",
    "CaffeliteError",
    "Classifier",
    "Detector",
    "Layer",
    "LayerError",
    "NesterovSolver",
    "Net",
    "NetSpec",
    "RMSPropSolver",
    "SGDSolver",
    "Solver",
    "Timer",
    "classifier",
    "detector",
    "get_solver",
    "has_nccl",
    "init_log",
    "install_as_caffe",
    "install_in_cv2",
    "io",
    "layer_type_list",
    "layers",
    "log",
    "lr_find",
    "net_spec",
    "params",
    "proto",
    "pycaffe",
    "register_layer",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "to_proto",
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
    elif name in _MODULES:
        value = import_module(f"caffelite.{name}")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'caffelite' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return [*__all__, *_MODULES, "__version__"]


caffelite.early_interrupt.end()
