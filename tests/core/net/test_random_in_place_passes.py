"""Random nets in place and not: loss weights, Splits, Python layers; passes in parts, repeated, reshaped before."""

import itertools
import random
from dataclasses import dataclass, field
from math import prod

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.proto.caffe_pb2 import NetParameter

pytestmark = pytest.mark.slow

IMAGE = (3, 4, 4)
UNIFORM = 'filler { type: "uniform" min: 0.5 max: 1.5 }'
NEURONS = [
    'type: "ReLU" relu_param { negative_slope: 0.3 }',
    'type: "ReLU" relu_param { negative_slope: -0.3 }',
    'type: "PReLU" prelu_param { filler { type: "uniform" min: 0.1 max: 0.9 } }',
    'type: "ELU"',
    'type: "Sigmoid"',
    'type: "TanH"',
    'type: "BNLL"',
    'type: "AbsVal"',
    'type: "Power" power_param { scale: 1.3 shift: 0.4 }',
    'type: "Power" power_param { power: 2 scale: 0.5 shift: 0.3 }',
    'type: "Exp" exp_param { scale: 0.3 }',
    'type: "Log" log_param { shift: 40 }',
    'type: "Swish"',
    'type: "Clip" clip_param { min: -1 max: 1.2 }',
    f'type: "Scale" scale_param {{ bias_term: true {UNIFORM} }}',
    f'type: "Bias" bias_param {{ {UNIFORM} }}',
    'type: "Dropout"',
    'type: "Softmax"',
    'type: "BatchNorm" batch_norm_param { use_global_stats: false }',
    'type: "Python" python_param { module: "in_place_pupils" layer: "Triple" }',
    'type: "Python" python_param { module: "in_place_pupils" layer: "ReadsTop" }',
]
ON_IMAGES = [
    'type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } }',
    'type: "Pooling" pooling_param { kernel_size: 3 pad: 1 stride: 1 }',
    'type: "LRN" lrn_param { local_size: 3 }',
    'type: "LRN" lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL }',
    'type: "MVN"',
]
JOINS = [
    'type: "Eltwise"',
    'type: "Eltwise" eltwise_param { operation: MAX }',
    'type: "Eltwise" eltwise_param { operation: PROD }',
    'type: "Eltwise" eltwise_param { operation: PROD stable_prod_grad: false }',
    'type: "Scale" scale_param { axis: 0 }',
    'type: "Bias" bias_param { axis: 0 }',
]
PYTHON_LAYERS = """
import caffe, numpy as np

class Triple(caffe.Layer):
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = 3 * bottom[0].data + 1

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 3 * top[0].diff

class ReadsTop(Triple):
    def forward(self, bottom, top):
        top[0].data[...] = np.tanh(bottom[0].data)

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = (1 - top[0].data**2) * top[0].diff
"""


@dataclass(eq=False)
class Value:
    """A top: its name, its shape without the batch, how often it is read, whether the user fills it."""

    name: str
    shape: tuple[int, ...]
    uses: int = 0
    filled: bool = False


@dataclass
class Layer:
    text: str
    bottoms: list[Value]
    tops: list[Value]
    in_place: bool = False


@dataclass
class RandomNet:
    """Layers over two inputs, each with any of the last tops as bottoms; what is left over is summed up to a loss."""

    seed: int
    values: list[Value] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)

    def __post_init__(self):
        self.draw = random.Random(self.seed)
        for _ in range(2):
            text = f'type: "Input" input_param {{ shape {{ {dims((2, *IMAGE))} }} }}'
            self.add(text, [], [IMAGE])[0].filled = True
        for _ in range(self.draw.choice([5, 8, 14, 20])):
            self.draw.choice([self.neuron, self.neuron, self.neuron, self.view, self.split, self.join, self.other])()
        for value in [value for value in self.values if not value.uses and not value.filled][self.draw.randrange(2) :]:
            self.add('type: "Reduction" reduction_param { operation: SUMSQ } loss_weight: 0.5', [value], [None])

    def add(self, text, bottoms, shapes, in_place=False):
        tops = [Value(f"v{len(self.layers)}_{i}", shape) for i, shape in enumerate(shapes)]
        for bottom in bottoms:
            bottom.uses += 1
        self.values += [top for top in tops if top.shape is not None]
        self.layers.append(Layer(text, bottoms, tops, in_place))
        return tops

    def one(self, of=lambda value: True):
        found = [value for value in self.values if of(value)][-6:]
        return found[-1] if self.draw.random() < 0.5 else self.draw.choice(found)  # so that chains grow

    def neuron(self):
        value = self.one()
        in_place = self.draw.random() < 0.8
        if self.draw.random() < 0.1:
            self.add(self.draw.choice(NEURONS) + " loss_weight: 2", [value], [value.shape], in_place)
            self.values.pop()  # a weighted top that is read, too, gets a Split: its name is another
        else:
            self.add(self.draw.choice(NEURONS), [value], [value.shape], in_place)

    def view(self):
        value = self.one()
        shapes = [(48,), (6, 8), IMAGE, (12, 4)]
        shape = self.draw.choice([shape for shape in shapes if prod(shape) == prod(value.shape)] or [value.shape])
        reshape = f'type: "Reshape" reshape_param {{ shape {{ {dims((0, *shape))} }} }}'
        text = 'type: "Flatten"' if len(shape) == 1 else reshape
        self.add(text, [value], [shape])

    def split(self):
        value = self.one()
        self.add('type: "Split"', [value], [value.shape] * self.draw.choice([1, 2, 3]))

    def join(self):
        value = self.one()
        others = [other for other in self.values if other.shape == value.shape][-5:]
        text = self.draw.choice(JOINS)
        count = self.draw.choice([1, 2]) if "Eltwise" in text else 1
        self.add(text, [value, *self.draw.choices(others, k=count)], [value.shape], self.draw.random() < 0.7)

    def other(self):
        value = self.one(lambda value: value.shape == IMAGE)
        self.add(self.draw.choice(ON_IMAGES), [value], [IMAGE], self.draw.random() < 0.5)

    def param(self, in_place):
        """The net; in place where a layer wants it and nothing else reads the bottom."""
        names = {value: value.name for layer in self.layers for value in layer.tops}
        net = NetParameter(force_backward=True)
        for index, layer in enumerate(self.layers):
            bottom = layer.bottoms[0] if layer.in_place else None
            if in_place and bottom is not None and bottom.uses == 1 and not bottom.filled:
                names[layer.tops[0]] = names[bottom]
            made = text_format.Parse(layer.text, net.layer.add())
            made.name = f"l{index}"
            made.bottom.extend(names[value] for value in layer.bottoms)
            made.top.extend(names[value] for value in layer.tops)
        return net, {names[value]: value.name for layer in self.layers for value in layer.tops}


def dims(shape):
    return " ".join(f"dim: {size}" for size in shape)


def whole_pass(net, names):
    net.forward_pass()
    net.backward_pass()


def in_two_parts(net, names):
    half = len(names) // 2
    net.forward(end=names[half])
    net.forward(start=names[half + 1])
    index = net.layer_names.index(names[half])
    net.backward(end=net.layer_names[index + 1])
    net.backward(start=names[half])


def backward_twice(net, names):
    whole_pass(net, names)
    net.backward_pass()


def shaped_before(net, names):
    net.reshape()
    whole_pass(net, names)


def seen(param, phase):
    """Outputs, inputs and gradients of some passes over batches of several sizes."""
    (net_param, value_of) = param
    net = caffelite.Net(net_param, phase, dtype=np.float64, seed=3)
    names = [layer.name for layer in net_param.layer]
    passes = itertools.cycle([whole_pass, in_two_parts, backward_twice, shaped_before])
    for number, (batch, run) in enumerate(zip([2, 2, 3, 1, 4, 2, 2], passes)):  # noqa: B905  # `passes` is endless
        net.context.passes = number
        net.clear_param_diffs()
        values = np.random.default_rng(number).normal(size=(2, batch, *IMAGE))
        for name, array in zip(net.inputs, values, strict=True):
            net.blobs[name].reshape(*array.shape)
            net.blobs[name].data[...] = array
        net.context.passes -= run is in_two_parts  # each of two calls of forward counts one
        run(net, names)
        for name, array in zip(net.inputs, values, strict=True):
            np.testing.assert_array_equal(net.blobs[name].data, array)
            yield f"diff {name}", net.blobs[name].diff.copy()
        yield from sorted((f"output {value_of[name]}", net.blobs[name].data.copy()) for name in net.outputs)
        yield from ((f"param {name}", blob.diff.copy()) for name, blobs in net.params.items() for blob in blobs)


@pytest.fixture(autouse=True)
def pupils(tmp_path, monkeypatch):
    (tmp_path / "in_place_pupils.py").write_text(PYTHON_LAYERS)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("phase", [caffelite.TRAIN, caffelite.TEST], ids=["TRAIN", "TEST"])
@pytest.mark.parametrize("seed", range(150))
def test_a_random_net_gives_the_same_in_place(seed, phase):
    net = RandomNet(seed)
    apart, within = list(seen(net.param(False), phase)), list(seen(net.param(True), phase))
    assert [name for name, _ in apart] == [name for name, _ in within]
    for (name, one), (_, other) in zip(apart, within, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-9, err_msg=name)
