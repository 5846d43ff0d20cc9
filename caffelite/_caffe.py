"""The names of pycaffe's compiled part, gathered from where they live: programs ask `type(x) is caffe._caffe.BlobVec`.

Source: python/caffe/_caffe.cpp.
"""

from caffelite.core.blob import Blob
from caffelite.core.layer import layer_type_list
from caffelite.core.mode import set_device, set_mode_cpu, set_mode_gpu
from caffelite.core.random import set_random_seed
from caffelite.core.ranks import set_multiprocess, set_solver_count, set_solver_rank, solver_count, solver_rank
from caffelite.core.vectors import BlobVec, BoolVec, DtypeVec, IntVec, LayerVec, NetVec, RawBlobVec, StringVec
from caffelite.proto.caffe_pb2 import LayerParameter, SolverParameter
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

__all__ = [
    "NCCL",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Blob",
    "BlobVec",
    "BoolVec",
    "DtypeVec",
    "IntVec",
    "Layer",
    "LayerParameter",
    "LayerVec",
    "NesterovSolver",
    "Net",
    "NetVec",
    "RMSPropSolver",
    "RawBlobVec",
    "SGDSolver",
    "Solver",
    "SolverParameter",
    "StringVec",
    "Timer",
    "get_solver",
    "has_nccl",
    "init_log",
    "layer_type_list",
    "log",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
]
