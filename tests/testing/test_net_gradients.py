import sys

import numpy as np
import pytest

from caffelite.core.errors import UnknownNameError
from caffelite.core.layer import Context
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.prototxt.parse import parse_net
from caffelite.proto.caffe_pb2 import TRAIN
from caffelite.testing.net_gradients import FAILED, KINKS, RIGHT, WRONG, check_net_gradients

MODULE = """import caffelite
import numpy as np

class Base(caffelite.Layer):
    factor = 1.0

    def setup(self, bottom, top):
        self.blobs.add_blob(3)
        self.blobs[0].data[...] = (1, 2, 3)

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = np.sin(bottom[0].data) * self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        slope = np.cos(bottom[0].data) * self.blobs[0].data
        bottom[0].diff[...] = self.factor * top[0].diff * slope
        self.blobs[0].diff[...] += self.by_blob(top[0].diff * np.sin(bottom[0].data))

    def by_blob(self, diff):
        return diff.sum(axis=0)

class WrongBottom(Base):
    factor = 1.01

class WrongBlob(Base):
    def by_blob(self, diff):
        return diff.mean(axis=0)

class Overwrites(Base):
    def backward(self, top, propagate_down, bottom):
        super().backward(top, propagate_down, bottom)
        self.blobs[0].diff[...] = (top[0].diff * np.sin(bottom[0].data)).sum(axis=0)

class Raises(Base):
    def backward(self, top, propagate_down, bottom):
        raise KeyError("lost")

class Single(Base):
    def forward(self, bottom, top):
        top[0].data[...] = (np.sin(bottom[0].data).astype(np.float32) * self.blobs[0].data).astype(np.float32)
"""
INPUT = 'layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }\n'
MINE = 'layer {{ name: "mine" type: "Python" bottom: "x" top: "y" python_param {{ module: "sines" layer: "{}" }} }}\n'


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "sines.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("sines", None)


def found(text, **options):
    """Return whether all is right, and {(layer, blob): result}."""
    draft = Draft.of(*parse_net(text, "net.prototxt"))
    results = []
    right = check_net_gradients(
        draft.with_param(with_caller_state(draft.param, TRAIN)), results.append, Context(seed=3), **options
    )
    return right, {(result.layer, result.blob): result for result in results}


def verdicts(text, **options):
    right, results = found(text, **options)
    assert right == (not {WRONG, FAILED} & {result.verdict for result in results.values()})
    return [result.verdict for result in results.values()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Base", [RIGHT, RIGHT]),
        ("WrongBottom", [WRONG, RIGHT]),
        ("WrongBlob", [RIGHT, WRONG]),
        ("Overwrites", [RIGHT, WRONG]),  # gradients of parameters add up
        ("Raises", [FAILED]),
        ("Single", [RIGHT, RIGHT]),  # of float32 inside
    ],
)
def test_python_layers(module, name, expected):
    assert verdicts(INPUT + MINE.format(name)) == expected


def test_what_is_said_of_a_wrong_gradient(module):
    _, results = found(INPUT + MINE.format("WrongBottom"))
    result = results["mine", "bottom[0]"]
    assert result[:5] == ("mine", "Python", "bottom[0]", 12, 0)
    assert result.worst == pytest.approx(0.01 / 1.01, rel=1e-3)
    assert result.detail.startswith("bottom[0][")
    _, results = found(INPUT + MINE.format("Raises"))
    assert results["mine", ""].detail == "KeyError: 'lost'"


LAYERS = """
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
layer { name: "scale" type: "Scale" bottom: "bn" top: "bn" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "bn" top: "bn" }
layer { name: "drop" type: "Dropout" bottom: "bn" top: "bn" }
layer { name: "pool" type: "Pooling" bottom: "bn" top: "pool" top: "mask" pooling_param { kernel_size: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 3 }
  param { lr_mult: 1 } param { lr_mult: 0 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" top: "prob" }
layer { name: "silence" type: "Silence" bottom: "mask" bottom: "prob" }
"""
IMAGES = """layer { name: "d" type: "Data" top: "x" top: "label" transform_param { crop_size: 6 force_gray: true }
  data_param { source: "absent" batch_size: 64 } }"""


def test_layers_of_a_net():
    right, results = found(IMAGES + LAYERS)
    assert right
    assert [name for name in results] == [
        *[("conv", blob) for blob in ("bottom[0]", "blobs[0]", "blobs[1]")],
        ("bn", "bottom[0]"),
        *[("scale", blob) for blob in ("bottom[0]", "blobs[0]", "blobs[1]")],
        ("relu", "bottom[0]"),
        ("drop", "bottom[0]"),
        ("pool", "bottom[0]"),
        ("ip", "bottom[0]"),
        ("ip", "blobs[0]"),  # the bias is not learned
        ("loss", "bottom[0]"),
    ]
    assert results["ip", "blobs[0]"].checked == 20
    assert all(result.worst < 1e-5 for result in results.values())


def test_one_layer_and_samples():
    _, results = found(IMAGES + LAYERS, only="ip", samples=5)
    assert [(name, result.checked) for name, result in results.items()] == [
        (("ip", "bottom[0]"), 5),
        (("ip", "blobs[0]"), 5),
    ]
    with pytest.raises(UnknownNameError, match=r'the net has no layer "pol"; did you mean "pool"\?'):
        found(IMAGES + LAYERS, only="pol")


CONSTANT = """layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 }
  data_filler { value: VALUE } } }
"""


@pytest.mark.parametrize(
    ("layer", "value", "verdict", "kinks"),
    [
        ('type: "ReLU"', "0", KINKS, 16),
        ('type: "ReLU"', "1e-5", RIGHT, 0),  # seen with a smaller step
        ('type: "AbsVal"', "0", RIGHT, 0),  # the mean of both slopes
        ('type: "Pooling" pooling_param { kernel_size: 2 stride: 2 }', "1", KINKS, 16),
        ('type: "TanH"', "0", RIGHT, 0),
        ('type: "Power" power_param { power: 3 }', "3", RIGHT, 0),
    ],
)
def test_kinks(layer, value, verdict, kinks):
    _, results = found(CONSTANT.replace("VALUE", value) + f'layer {{ name: "l" bottom: "x" top: "y" {layer} }}')
    result = results["l", "bottom[0]"]
    assert (result.verdict, result.kinks, result.checked) == (verdict, kinks, 16)


def test_a_wrong_slope_at_a_kink_is_wrong(monkeypatch):
    from caffelite.core.layers.relu import ReLULayer

    text = CONSTANT.replace("VALUE", "0") + 'layer { name: "l" type: "ReLU" bottom: "x" top: "y" }'
    backward = ReLULayer.backward

    def doubled(self, top, propagate_down, bottom):
        backward(self, top, propagate_down, bottom)
        bottom[0].diff[...] = 2 * top[0].diff

    monkeypatch.setattr(ReLULayer, "backward", doubled)
    assert verdicts(text) == [WRONG]


def test_small_batches_in_place_of_absent_data_unless_given():
    text = IMAGES + 'layer { name: "f" type: "Flatten" bottom: "x" top: "y" }'
    assert found(text, samples=10**6)[1]["f", "bottom[0]"].checked == 2 * 36
    shapes = {"x": (3, 1, 6, 6), "label": (3,)}
    assert found(text, samples=10**6, shapes=shapes)[1]["f", "bottom[0]"].checked == 3 * 36


def test_net_is_run_in_float64(monkeypatch):
    seen = []
    from caffelite.core.layers.tanh import TanHLayer

    forward = TanHLayer.forward
    monkeypatch.setattr(
        TanHLayer, "forward", lambda self, bottom, top: (seen.append(bottom[0].dtype), forward(self, bottom, top))
    )
    found(INPUT + 'layer { name: "t" type: "TanH" bottom: "x" top: "y" }')
    assert set(seen) == {np.dtype(np.float64)}


def test_labels_of_each_pixel_are_whole_numbers():
    text = """
      layer { name: "in" type: "Input" top: "x" top: "t" input_param {
        shape { dim: 2 dim: 3 dim: 4 dim: 4 } shape { dim: 2 dim: 2 dim: 4 dim: 4 } } }
      layer { name: "slice" type: "Slice" bottom: "t" top: "t1" top: "t2" }
      layer { name: "flat" type: "Flatten" bottom: "x" top: "f" }
      layer { name: "target" type: "Flatten" bottom: "x" top: "target" }
      layer { name: "loss1" type: "SoftmaxWithLoss" bottom: "x" bottom: "t1" top: "loss1" }
      layer { name: "loss2" type: "SoftmaxWithLoss" bottom: "x" bottom: "t2" top: "loss2" }
      layer { name: "code" type: "InnerProduct" bottom: "f" top: "c" inner_product_param { num_output: 48 } }
      layer { name: "loss3" type: "SigmoidCrossEntropyLoss" bottom: "c" bottom: "target" top: "loss3" }
    """
    draft = Draft.of(*parse_net(text, "net"))
    found = []
    assert check_net_gradients(draft.with_param(with_caller_state(draft.param, TRAIN)), found.append)
    assert {check.verdict for check in found} == {RIGHT}
    (weight,) = [check for check in found if (check.layer, check.blob) == ("code", "blobs[0]")]
    assert weight.worst > 0  # the images are not all 0, though one layer reads them as targets
