"""Random nets of layers in place, views and several readers compute what they do with a top for each layer."""

import random

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.proto.caffe_pb2 import NetParameter

FILLER = '{ type: "gaussian" std: 0.5 }'
# of one bottom and the same shape; (2, 12) or (2, 3, 2, 2) for a batch of 2
SAME_SHAPE = {
    "Power": "power_param { scale: -1.5 shift: 0.25 }",
    "ReLU": "relu_param { negative_slope: 0.1 }",
    "Sigmoid": "",
    "TanH": "",
    "Swish": "",
    "ELU": "",
    "AbsVal": "",
    "BNLL": "",
    "Softmax": "",
    "Dropout": "dropout_param { dropout_ratio: 0.3 }",
    "PReLU": f"prelu_param {{ filler {FILLER} }}",
    "Scale": f"scale_param {{ filler {FILLER} bias_term: true bias_filler {FILLER} }}",
    "Bias": f"bias_param {{ filler {FILLER} }}",
    "MVN": "",
    "BatchNorm": "",
    "Exp": "exp_param { scale: 0.1 }",
    "Threshold": "",
}
VIEWS = {"Flatten": "", "Reshape": ""}
JOINS = {
    "Eltwise": ("eltwise_param { operation: SUM }", "eltwise_param { operation: PROD stable_prod_grad: false }"),
    "Concat": ("concat_param { axis: 0 }",),
}


class RandomNet:
    """Layers as (type, parameters, numbers of the values that they read); value 0 is the input."""

    def __init__(self, seed, size):
        self.random = random.Random(seed)
        self.layers, self.axes, self.rows = [], [4], [1]  # rows: how many batches lie in the value, by Concat
        for _ in range(size):
            self.add()
        self.readers = [sum(value in inputs for _, _, inputs in self.layers) for value in range(len(self.axes))]
        self.in_place = [self.may_work_in_place(layer) and self.random.random() < 0.7 for layer in self.layers]

    def add(self):
        # most layers go on with the newest value, so that chains grow
        value = len(self.axes) - 1 if self.random.random() < 0.7 else self.random.randrange(len(self.axes))
        kind = self.random.random()
        axes, rows = self.axes[value], self.rows[value]
        if kind < 0.6:
            name = self.random.choice([*SAME_SHAPE, "InnerProduct"] if axes == 2 else [*SAME_SHAPE, "Convolution"])
            if name == "MVN" and axes == 2:
                name = "TanH"  # the top of MVN always has 4 axes
            text = SAME_SHAPE.get(name)
            if name == "InnerProduct":
                text = f"inner_product_param {{ num_output: 12 weight_filler {FILLER} }}"
            if name == "Convolution":
                text = f"convolution_param {{ num_output: 3 kernel_size: 3 pad: 1 weight_filler {FILLER} }}"
            self.layers.append((name, text, [value]))
        elif kind < 0.8 or not (others := self.alike(value)):
            shape = "dim: 0 dim: 12" if axes == 4 else "dim: 0 dim: 3 dim: 2 dim: 2"
            name = "Flatten" if axes == 4 and self.random.random() < 0.5 else "Reshape"
            text = "" if name == "Flatten" else f"reshape_param {{ shape {{ {shape} }} }}"
            self.layers.append((name, text, [value]))
            axes = 2 if axes == 4 else 4
        else:
            name = self.random.choice([*JOINS])
            self.layers.append((name, self.random.choice(JOINS[name]), [value, self.random.choice(others)]))
            rows *= 2 if name == "Concat" else 1
        self.axes.append(axes)
        self.rows.append(rows)

    def alike(self, value):
        return [
            other
            for other in range(len(self.axes))
            if other != value and (self.axes[other], self.rows[other]) == (self.axes[value], self.rows[value])
        ]

    def may_work_in_place(self, layer):
        """Nobody else reads the bottom, it is not the input, and the shape stays."""
        name, _, inputs = layer
        if name in VIEWS or name == "Concat":
            return False
        return inputs[0] != 0 and self.readers[inputs[0]] == 1 and inputs.count(inputs[0]) == 1

    def names(self, in_place):
        names = ["v0"]
        for number, (_, _, inputs) in enumerate(self.layers):
            names.append(names[inputs[0]] if in_place and self.in_place[number] else f"v{number + 1}")
        return names

    def text(self, in_place):
        names = self.names(in_place)
        lines = [
            "force_backward: true",
            'layer { name: "in" type: "Input" top: "v0" input_param { shape { dim: 2 dim: 3 dim: 2 dim: 2 } } }',
        ]
        for number, (name, text, inputs) in enumerate(self.layers):
            bottoms = " ".join(f'bottom: "{names[value]}"' for value in inputs)
            lines.append(f'layer {{ name: "l{number}" type: "{name}" {bottoms} top: "{names[number + 1]}" {text} }}')
        return "\n".join(lines)

    def run(self, in_place):
        """Outputs, gradients of input and parameters of several passes, the batch size changing between them."""
        net = caffelite.Net(text_format.Parse(self.text(in_place), NetParameter()), caffelite.TRAIN, seed=5, dtype="f8")
        names, found = self.names(in_place), []
        ends = [value for value, count in enumerate(self.readers) if count == 0]
        for number, batch in enumerate((2, 4, 2, 2)):
            given = np.random.default_rng(number).normal(size=(batch, 3, 2, 2))
            net.blobs["v0"].reshape(*given.shape)
            net.blobs["v0"].data[...] = given
            net.clear_param_diffs()
            net.forward()
            found += [net.blobs[names[value]].data.copy() for value in ends]
            for value in ends:
                blob = net.blobs[names[value]]
                blob.diff[...] = np.random.default_rng(value).normal(size=blob.shape)
            net.backward()
            found += [net.blobs["v0"].diff.copy(), net.blobs["v0"].data.copy()]
            found += [blob.diff.copy() for blobs in net.params.values() for blob in blobs]
        return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(600))
def test_in_place_changes_nothing(seed):
    made = RandomNet(seed, 4 + seed % 12)
    apart, within = made.run(in_place=False), made.run(in_place=True)
    assert len(apart) == len(within)
    for one, other in zip(apart, within, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-9, err_msg=made.text(in_place=True))
