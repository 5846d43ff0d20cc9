import runpy
from pathlib import Path

import pytest

WRITER = runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools/prototxt_writer.py"))

TRAINING = """\
# A net.
layer {
  name: "data" type: "Data"
  top: "data" top: "label"
  include { phase: TRAIN }
  transform_param { scale: 0.5 }
  data_param { source: "data/a_lmdb" backend: LMDB batch_size: 3 }
}
layer {
  name: "ip" type: "InnerProduct"
  bottom: "data" top: "ip"
  param { lr_mult: 2 }
  inner_product_param {
    num_output: 4
    weight_filler { type: "xavier" }
  }
}
layer {
  name: "accuracy" type: "Accuracy"
  bottom: "ip" bottom: "label" top: "accuracy"
  include { phase: TEST }
}
"""
USE = """\
# A net.
layer {
  name: "data" type: "Input"
  top: "data"
  input_param { shape { dim: 1 dim: 5 } }
}
layer {
  name: "ip" type: "InnerProduct"
  bottom: "data" top: "ip"
  inner_product_param { num_output: 4 }
}
"""


@pytest.fixture
def writer():
    return WRITER["PrototxtWriter"]


def test_fillers_and_params_are_for_training(writer):
    net, deploy = writer("# A net.\n", training=True), writer("# A net.\n", training=False)
    net.data("TRAIN", "a_lmdb", 3, "scale: 0.5")
    deploy.input(1, 5)
    for each in (net, deploy):
        filler = 'weight_filler { type: "xavier" }'
        assert each.learned("ip", "InnerProduct", "data", "num_output: 4", filler, params=["lr_mult: 2"]) == "ip"
    net.accuracy("accuracy", "ip")
    assert (net.text, deploy.text) == (TRAINING, USE)


def test_tops_follow_on_a_line_of_their_own_where_one_is_too_long(writer):
    net = writer("", training=True)
    bottoms = [letter * 45 for letter in "ab"]
    assert net.layer("join", "Concat", bottoms, ["c", "d"], "concat_param { axis: 0 }") == "c"
    wires = f'  bottom: "{bottoms[0]}" bottom: "{bottoms[1]}"\n  top: "c" top: "d"\n'
    assert net.text == f'layer {{\n  name: "join" type: "Concat"\n{wires}  concat_param {{ axis: 0 }}\n}}\n'


def test_blobs_that_do_not_fit_on_a_line_stand_on_one_each(writer):
    net = writer("", training=True)
    bottoms = [letter * 45 for letter in "abc"]
    net.layer("join", "Concat", bottoms, "d")
    wires = "".join(f'  bottom: "{bottom}"\n' for bottom in bottoms)
    assert net.text == f'layer {{\n  name: "join" type: "Concat"\n{wires}  top: "d"\n}}\n'


def test_writes_what_the_functions_return(tmp_path):
    WRITER["write_files"](tmp_path, {"a.prototxt": lambda: "a", "b.prototxt": lambda: "b"})
    assert [(tmp_path / name).read_text() for name in ("a.prototxt", "b.prototxt")] == ["a", "b"]
