"""How the message classes come to be: from a descriptor set, in a pool of their own."""

import shutil
import subprocess
import sys
from pathlib import Path

import google.protobuf.descriptor_pool

import caffelite
from caffelite.proto import caffe_pb2

PACKAGE = Path(caffelite.__file__).parent


def test_the_pool_is_private():
    assert caffe_pb2.DESCRIPTOR.pool is not google.protobuf.descriptor_pool.Default()


def test_messages_and_enum_values_are_there():
    layer = caffe_pb2.LayerParameter(name="pool1", type="Pooling", phase=caffe_pb2.TEST)
    assert caffe_pb2.LayerParameter.FromString(layer.SerializeToString()) == layer
    assert (caffe_pb2.TRAIN, caffe_pb2.TEST, caffe_pb2.PoolingParameter.AVE) == (0, 1, 1)


def test_a_checkout_that_is_not_built_says_what_to_do(tmp_path):
    unbuilt = shutil.ignore_patterns("caffe.desc", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "caffelite", ignore=unbuilt)
    done = subprocess.run([sys.executable, "-c", "import caffelite"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: caffelite is not built: caffe.desc is missing")
    assert last.endswith("python3 -m venv .venv && .venv/bin/pip install -e .")
