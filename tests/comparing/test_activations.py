import numpy as np

from caffelite.comparing.activations import activation_differences
from caffelite.comparing.nets import net_to_run

NET = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 4 dim: 4 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 3 kernel_size: 3 } }
layer { name: "r" type: "AbsVal" bottom: "c" top: "c" }
layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { pool: MAX kernel_size: 2 } }
layer { name: "s" type: "Softmax" bottom: "p" top: "s" }
layer { name: "t" type: "Softmax" bottom: "p" top: "t" }
"""


def compared(tmp_path, second, **options):
    nets = []
    for name, text in (("a", NET), ("b", second)):
        (tmp_path / f"{name}.prototxt").write_text(text)
        nets.append(net_to_run(tmp_path / f"{name}.prototxt"))
        nets[-1].blobs["x"].data[...] = np.linspace(-1, 1, 32).reshape(1, 2, 4, 4)
        nets[-1].forward()
    return [(row.blob, row.shape, row.same) for row in activation_differences(*nets, **options)]


def test_the_same(tmp_path):
    assert [row[0] for row in compared(tmp_path, NET)] == ["x", "c", "p", "s", "t"]
    assert all(same for *_, same in compared(tmp_path, NET))


def test_down_to_the_first_that_differs(tmp_path):
    found = compared(tmp_path, NET.replace("MAX", "AVE"))
    assert found == [("x", "1 x 2 x 4 x 4", True), ("c", "1 x 3 x 2 x 2", True), ("p", "1 x 3 x 1 x 1", False)]
    found = compared(tmp_path, NET.replace("num_output: 3", "num_output: 4"))
    assert found[1:] == [("c", "1 x 3 x 2 x 2 | 1 x 4 x 2 x 2", False)]


def test_other_names_and_tolerance(tmp_path):
    renamed = NET.replace('top: "p"', 'top: "q"').replace('bottom: "p"', 'bottom: "q"')
    assert [row[0] for row in compared(tmp_path, renamed)] == ["x", "c", "s", "t"]
    power = NET.replace('type: "AbsVal"', 'type: "Power"')
    scaled = power.replace('type: "Power"', 'type: "Power" power_param { scale: 1.001 }')
    (tmp_path / "c.prototxt").write_text(power)
    nets = [net_to_run(tmp_path / "c.prototxt")]
    (tmp_path / "c.prototxt").write_text(scaled)
    nets.append(net_to_run(tmp_path / "c.prototxt"))
    for net in nets:
        net.blobs["x"].data[...] = 1
        net.forward()
    assert [row.same for row in activation_differences(*nets)] == [True, False]
    assert all(row.same for row in activation_differences(*nets, tolerance=0.002))
