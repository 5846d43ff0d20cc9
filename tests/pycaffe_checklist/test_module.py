"""The names of the module caffe (sections 0.1, 1.1, 1.4, 1.9 and 2.10 of pycaffe's specification)."""

import logging
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite import _caffe
from caffelite.core.errors import CaffeliteError
from caffelite.proto import caffe_pb2

CAFFE = """
Net SGDSolver NesterovSolver AdaGradSolver RMSPropSolver AdaDeltaSolver AdamSolver get_solver Layer Classifier
Detector NetSpec layers params to_proto io net_spec proto classifier detector pycaffe _caffe set_mode_cpu set_mode_gpu
set_device set_random_seed layer_type_list init_log log solver_count set_solver_count solver_rank set_solver_rank
set_multiprocess has_nccl NCCL Timer TRAIN TEST __version__""".split()
COMPILED = """
Net Blob Layer Solver SolverParameter LayerParameter NCCL Timer BlobVec RawBlobVec LayerVec StringVec IntVec
DtypeVec NetVec BoolVec SGDSolver NesterovSolver AdaGradSolver RMSPropSolver AdaDeltaSolver AdamSolver get_solver
set_mode_cpu set_mode_gpu set_device set_random_seed layer_type_list init_log log solver_count set_solver_count
solver_rank set_solver_rank set_multiprocess has_nccl""".split()
PYCAFFE = "Net SGDSolver NesterovSolver AdaGradSolver RMSPropSolver AdaDeltaSolver AdamSolver NCCL Timer".split()
SUBMODULES = "_caffe classifier coord_map detector draw io net_spec proto proto.caffe_pb2 pycaffe".split()


def python(code, folder, *command):
    done = subprocess.run(
        [sys.executable, *command, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_every_name_is_there_after_a_bare_import(tmp_path):
    code = (
        "import caffelite as caffe; from google import protobuf; protobuf.text_format.Merge\n"
        f"print([name for name in {CAFFE} if not hasattr(caffe, name)], caffe.proto.caffe_pb2.TEST)"
    )
    assert python(code, tmp_path) == "[] 1\n"


def test_a_star_imports_what_pycaffe_gives(tmp_path):
    names = [name for name in CAFFE if not name.startswith("_")]
    code = (
        f"from caffelite import *; print([name for name in {names} if name not in globals()], io.load_image.__name__)"
    )
    assert python(code, tmp_path) == "[] load_image\n"


def test_the_names_of_the_compiled_part():
    assert [name for name in COMPILED if not hasattr(_caffe, name)] == []
    for name in set(COMPILED) & set(CAFFE):
        assert getattr(_caffe, name) is getattr(caffelite, name)
    assert {getattr(caffelite.pycaffe, name) for name in PYCAFFE} == {getattr(_caffe, name) for name in PYCAFFE}
    with pytest.raises(AttributeError, match=r"module 'caffelite\.pycaffe' has no attribute 'Solver'"):
        caffelite.pycaffe.Solver  # noqa: B018


def test_every_submodule_is_one_under_both_names(tmp_path):
    lines = ["import sys, caffelite", "caffelite.install_as_caffe()"]
    for name in SUBMODULES:
        lines += [f"import caffe.{name}", f"assert caffe.{name} is sys.modules['caffelite.{name}']"]
    lines += ["from caffe import layers as L, params as P", "from caffe.coord_map import crop"]
    assert python("\n".join([*lines, "print('the same')"]), tmp_path) == "the same\n"


def test_layers_and_params_are_no_modules(tmp_path):
    said = python("import caffelite; caffelite.install_as_caffe(); import caffe.layers", tmp_path)
    assert "ModuleNotFoundError" in said


def test_a_module_runs_with_the_alias(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "import unittest, caffe\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(caffe.TEST, 1)\n"
    )
    command = [sys.executable, "-m", "caffelite.as_caffe", "-m", "unittest", "-v", "test_mine"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Ran 1 test" in done.stderr


def test_layer_type_list():
    types = caffelite.layer_type_list()
    assert type(types) is _caffe.StringVec
    for name in ("Data", "Convolution", "InnerProduct", "Python"):
        assert name in types
    assert list(types) == sorted(types)


def test_nccl():
    """Programs ask has_nccl first; without NCCL there is neither new_uid nor bcast, as in Caffe."""
    assert caffelite.has_nccl() is False
    assert not hasattr(caffelite.NCCL, "new_uid") and not hasattr(caffelite.NCCL, "bcast")
    with pytest.raises(CaffeliteError, match="NCCL joins solvers on several GPUs"):
        caffelite.NCCL(None, b"uid")


def test_modes_and_devices_in_any_order(caplog):
    for _ in range(2):
        caffelite.set_device(0)
        caffelite.set_mode_gpu()
        caffelite.set_device(np.int64(1))
        caffelite.set_mode_cpu()
    assert len(caplog.messages) <= 1  # once in a process
    with pytest.raises(TypeError):
        caffelite.set_device("0")
    with pytest.raises(TypeError):
        caffelite.set_mode_cpu(0)


def test_seeds(monkeypatch):
    monkeypatch.setattr("caffelite.core.random._process_seed", None)
    caffelite.set_random_seed(np.int64(5))
    for wrong, error in ((-1, OverflowError), (-1, CaffeliteError), (1.5, TypeError), ("1", TypeError)):
        with pytest.raises(error):
            caffelite.set_random_seed(wrong)
    assert caffelite.core.random.process_seed() == 5


def test_ranks():
    assert (caffelite.solver_count(), caffelite.solver_rank()) == (1, 0)


def test_a_timer(caplog):
    timer = caffelite.Timer()
    assert timer.ms == 0.0 and caplog.messages == ["Timer has never been run before reading time."]
    timer.stop()
    timer.start()
    time.sleep(0.012)
    timer.start()  # does nothing: it is running
    ms = timer.ms  # stops it
    assert 12 <= ms < 5000 and ms == int(ms) and type(ms) is float
    time.sleep(0.005)
    assert timer.ms == ms
    began = time.perf_counter()
    timer.start()
    timer.stop()
    assert timer.ms <= 1000 * (time.perf_counter() - began) and len(caplog.messages) == 1
    with pytest.raises(AttributeError):
        timer.ms = 3


def test_log(caplog):
    with caplog.at_level(logging.INFO, "caffelite"):
        assert caffelite.log("mine") is None
    assert caplog.messages == ["mine"]


# caffe_pb2 (section 1.4)


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ("FillerParameter", "FAN_IN 0 FAN_OUT 1 AVERAGE 2"),
        ("SolverParameter", "CPU 0 GPU 1 HDF5 0 BINARYPROTO 1 SGD 0 NESTEROV 1 ADAGRAD 2 RMSPROP 3 ADADELTA 4 ADAM 5"),
        ("LossParameter", "FULL 0 VALID 1 BATCH_SIZE 2 NONE 3"),
        ("ConvolutionParameter", "DEFAULT 0 CAFFE 1 CUDNN 2"),
        ("LRNParameter", "DEFAULT 0 CAFFE 1 CUDNN 2 ACROSS_CHANNELS 0 WITHIN_CHANNEL 1"),
        ("PoolingParameter", "DEFAULT 0 CAFFE 1 CUDNN 2 MAX 0 AVE 1 STOCHASTIC 2 CEIL 0 FLOOR 1"),
        ("ReLUParameter", "DEFAULT 0 CAFFE 1 CUDNN 2"),
        ("SigmoidParameter", "DEFAULT 0 CAFFE 1 CUDNN 2"),
        ("SoftmaxParameter", "DEFAULT 0 CAFFE 1 CUDNN 2"),
        ("TanHParameter", "DEFAULT 0 CAFFE 1 CUDNN 2"),
        ("SPPParameter", "DEFAULT 0 CAFFE 1 CUDNN 2 MAX 0 AVE 1 STOCHASTIC 2"),
        ("DataParameter", "LEVELDB 0 LMDB 1"),
        ("EltwiseParameter", "PROD 0 SUM 1 MAX 2"),
        ("HingeLossParameter", "L1 1 L2 2"),
        ("ReductionParameter", "SUM 1 ASUM 2 SUMSQ 3 MEAN 4"),
        ("ParamSpec", "STRICT 0 PERMISSIVE 1"),
    ],
)
def test_enums_are_attributes_of_their_message(message, values):
    words = values.split()
    found = {name: getattr(getattr(caffe_pb2, message), name) for name in words[::2]}
    assert found == {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}


def test_the_phase_is_an_enum_of_the_file():
    assert (caffe_pb2.TRAIN, caffe_pb2.TEST) == (0, 1)
    assert (caffe_pb2.Phase.Name(1), caffe_pb2.Phase.Value("TRAIN"), caffe_pb2.Phase.keys()) == (
        "TEST",
        0,
        ["TRAIN", "TEST"],
    )
    assert caffe_pb2.PoolingParameter.PoolMethod.DESCRIPTOR.values_by_name["AVE"].number == 1
    assert caffe_pb2.V1LayerParameter.LayerType.Name(4) == "CONVOLUTION"
    assert caffe_pb2._LAYERPARAMETER is caffe_pb2.LayerParameter.DESCRIPTOR and caffe_pb2._PHASE.values[1].number == 1


def test_messages_as_scripts_use_them():
    net = caffe_pb2.NetParameter()
    text_format.Merge("name: 'a' layer { name: 'x' type: 'ReLU' bottom: 'b' top: 't' phase: TEST }", net)
    layer = net.layer.add()
    layer.CopyFrom(net.layer[0])
    layer.convolution_param.kernel_size.append(3)
    layer.loss_weight.extend([0.5])
    layer.bottom[0] = "other"
    assert not net.layer[0].HasField("convolution_param") and layer.HasField("convolution_param")
    assert [field.name for field, _ in layer.ListFields()][:4] == ["name", "type", "bottom", "top"]
    again = caffe_pb2.NetParameter.FromString(net.SerializeToString())
    assert (
        again == net == pickle.loads(pickle.dumps(net)) and text_format.Parse(str(net), caffe_pb2.NetParameter()) == net
    )
    merged = caffe_pb2.NetParameter()
    merged.MergeFrom(net)
    merged.ParseFromString(net.SerializeToString())
    assert merged == net
    assert (
        isinstance(net, caffe_pb2.NetParameter)
        and "convolution_param" in caffe_pb2.LayerParameter.DESCRIPTOR.fields_by_name
    )


def test_text_has_the_fields_by_number():
    layer = caffe_pb2.LayerParameter()
    text_format.Merge(
        "relu_param { negative_slope: 0.00390625 } propagate_down: true phase: TEST exclude { stage: 's' } "
        "include { phase: TRAIN } blobs { data: 1.5 } param { lr_mult: 2 } loss_weight: 1 top: 't' "
        "bottom: 'b' type: 'ReLU' name: 'n'",
        layer,
    )
    text = text_format.MessageToString(layer)  # str() gives the same, but with older versions of protobuf
    fields = [line.split()[0].rstrip(":") for line in text.splitlines() if not line.startswith((" ", "}"))]
    assert fields == [
        *["name", "type", "bottom", "top", "loss_weight", "param", "blobs", "include", "exclude", "phase"],
        *["propagate_down", "relu_param"],
    ]
    assert "negative_slope: 0.00390625" in str(layer) and "phase: TEST" in str(layer)
    assert 'data: "\\000\\377"' in str(caffe_pb2.Datum(data=b"\x00\xff"))
