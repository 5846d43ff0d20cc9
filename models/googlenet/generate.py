"""Write GoogLeNet's prototxt files beside this script: python models/googlenet/generate.py."""

from pathlib import Path
from typing import NamedTuple

TRAIN_VAL_HEAD = """\
# GoogLeNet on ImageNet (ILSVRC 2012): 1,281,167 images to train, 50,000 = 1,000 x 50 to test, in crops of 224x224.
# caffelite train --solver solvers/googlenet.prototxt
# Made by models/googlenet/generate.py.
name: "GoogLeNet"
"""
DEPLOY_HEAD = """\
# GoogLeNet for use: 10 BGR images of 224x224 less 104, 117, 123 in; the probabilities of 1,000 classes out.
# caffelite time --model models/googlenet/deploy.prototxt --phase TEST
# Made by models/googlenet/generate.py.
name: "GoogLeNet"
"""
MEAN = "mean_value: 104 mean_value: 117 mean_value: 123"
PARAMS = ["param { lr_mult: 1 decay_mult: 1 }", "param { lr_mult: 2 decay_mult: 0 }"]


class Inception(NamedTuple):
    """num_output of the convolutions in the four branches of an inception block."""

    one: int
    three_reduce: int
    three: int
    five_reduce: int
    five: int
    pool_proj: int


INCEPTIONS = {
    "3a": Inception(64, 96, 128, 16, 32, 32),
    "3b": Inception(128, 128, 192, 32, 96, 64),
    "4a": Inception(192, 96, 208, 16, 48, 64),
    "4b": Inception(160, 112, 224, 24, 64, 64),
    "4c": Inception(128, 128, 256, 24, 64, 64),
    "4d": Inception(112, 144, 288, 32, 64, 64),
    "4e": Inception(256, 160, 320, 32, 128, 128),
    "5a": Inception(256, 160, 320, 32, 128, 128),
    "5b": Inception(384, 192, 384, 48, 128, 128),
}


class GoogLeNet:
    """The layers, collected as text; each method adds some and returns the name of the blob that they make."""

    def __init__(self, training: bool) -> None:
        self.training = training  # with learning rates, fillers, auxiliary classifiers and losses
        self.text = ""

    def layer(self, name: str, kind: str, bottoms: list[str], top: str, *fields: str) -> str:
        """Add one layer; `fields` are lines of prototxt."""
        wires = [" ".join(f'bottom: "{bottom}"' for bottom in bottoms), f'top: "{top}"']
        wires = wires if len(bottoms) > 2 else [" ".join(wires)]
        lines = [f'name: "{name}" type: "{kind}"', *wires, *fields]
        self.text += "layer {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
        return top

    def learned(self, name: str, kind: str, bottom: str, shape: str, bias: float) -> str:
        """Add a Convolution or InnerProduct layer."""
        field = {"Convolution": "convolution_param", "InnerProduct": "inner_product_param"}[kind]
        if not self.training:
            return self.layer(name, kind, [bottom], name, f"{field} {{ {shape} }}")
        fillers = ['  weight_filler { type: "xavier" }']
        fillers += [f'  bias_filler {{ type: "constant" value: {bias} }}'] if bias else []
        return self.layer(name, kind, [bottom], name, *PARAMS, f"{field} {{", f"  {shape}", *fillers, "}")

    def convolution(self, prefix: str, suffix: str, bottom: str, shape: str, relu: str = "") -> str:
        """Add convolution `prefix`/`suffix` and its ReLU, called relu_`suffix` unless `relu` says how."""
        top = self.learned(f"{prefix}/{suffix}", "Convolution", bottom, shape, bias=0.2)
        return self.layer(f"{prefix}/relu_{relu or suffix}", "ReLU", [top], top)

    def pool(self, name: str, bottom: str, window: str) -> str:
        """Add a Pooling layer."""
        return self.layer(name, "Pooling", [bottom], name, f"pooling_param {{ {window} }}")

    def norm(self, name: str, bottom: str) -> str:
        """Add an LRN layer."""
        return self.layer(name, "LRN", [bottom], name, "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")

    def dropout(self, name: str, blob: str, ratio: float) -> str:
        """Add a Dropout layer in place."""
        return self.layer(name, "Dropout", [blob], blob, f"dropout_param {{ dropout_ratio: {ratio} }}")

    def inception(self, block: str, bottom: str) -> str:
        """Add inception block `block`: four branches from `bottom`, their channels joined."""
        size, prefix = INCEPTIONS[block], f"inception_{block}"
        one = self.convolution(prefix, "1x1", bottom, f"num_output: {size.one} kernel_size: 1")
        reduced = self.convolution(prefix, "3x3_reduce", bottom, f"num_output: {size.three_reduce} kernel_size: 1")
        three = self.convolution(prefix, "3x3", reduced, f"num_output: {size.three} kernel_size: 3 pad: 1")
        reduced = self.convolution(prefix, "5x5_reduce", bottom, f"num_output: {size.five_reduce} kernel_size: 1")
        five = self.convolution(prefix, "5x5", reduced, f"num_output: {size.five} kernel_size: 5 pad: 2")
        pooled = self.pool(f"{prefix}/pool", bottom, "pool: MAX kernel_size: 3 stride: 1 pad: 1")
        projected = self.convolution(prefix, "pool_proj", pooled, f"num_output: {size.pool_proj} kernel_size: 1")
        return self.layer(f"{prefix}/output", "Concat", [one, three, five, projected], f"{prefix}/output")

    def auxiliary(self, prefix: str, bottom: str) -> None:
        """Add a classifier half-way, which helps the gradient along in training and is not needed in use."""
        if not self.training:
            return
        top = self.pool(f"{prefix}/ave_pool", bottom, "pool: AVE kernel_size: 5 stride: 3")
        top = self.convolution(prefix, "conv", top, "num_output: 128 kernel_size: 1")
        top = self.learned(f"{prefix}/fc", "InnerProduct", top, "num_output: 1024", bias=0.2)
        self.layer(f"{prefix}/relu_fc", "ReLU", [top], top)
        self.dropout(f"{prefix}/drop_fc", top, 0.7)
        scores = self.learned(f"{prefix}/classifier", "InnerProduct", top, "num_output: 1000", bias=0)
        self.loss(f"{prefix}/loss", prefix, scores, weight=0.3)

    def loss(self, name: str, prefix: str, scores: str, weight: float) -> None:
        """Add the loss of a classifier and, for testing, how often the class is first and among the first 5."""
        top = f"{prefix}/{prefix}"
        self.layer(name, "SoftmaxWithLoss", [scores, "label"], top, f"loss_weight: {weight}")
        for place, fields in ((1, []), (5, ["accuracy_param { top_k: 5 }"])):
            accuracy = f"{prefix}/top-{place}"
            self.layer(accuracy, "Accuracy", [scores, "label"], accuracy, "include { phase: TEST }", *fields)

    def body(self) -> str:
        """Add everything between the data and the last classifier's scores."""
        top = self.convolution("conv1", "7x7_s2", "data", "num_output: 64 kernel_size: 7 stride: 2 pad: 3", "7x7")
        top = self.pool("pool1/3x3_s2", top, "pool: MAX kernel_size: 3 stride: 2")
        top = self.norm("pool1/norm1", top)
        top = self.convolution("conv2", "3x3_reduce", top, "num_output: 64 kernel_size: 1")
        top = self.convolution("conv2", "3x3", top, "num_output: 192 kernel_size: 3 pad: 1")
        top = self.pool("pool2/3x3_s2", self.norm("conv2/norm2", top), "pool: MAX kernel_size: 3 stride: 2")
        top = self.inception("3b", self.inception("3a", top))
        top = self.pool("pool3/3x3_s2", top, "pool: MAX kernel_size: 3 stride: 2")
        top = self.inception("4a", top)
        self.auxiliary("loss1", top)
        top = self.inception("4d", self.inception("4c", self.inception("4b", top)))
        self.auxiliary("loss2", top)
        top = self.pool("pool4/3x3_s2", self.inception("4e", top), "pool: MAX kernel_size: 3 stride: 2")
        top = self.inception("5b", self.inception("5a", top))
        top = self.pool("pool5/7x7_s1", top, "pool: AVE kernel_size: 7 stride: 1")
        self.dropout("pool5/drop_7x7_s1", top, 0.4)
        return self.learned("loss3/classifier", "InnerProduct", top, "num_output: 1000", bias=0)


def data_layer(phase: str, database: str, batch_size: int, mirror: str) -> str:
    """Return the Data layer of one phase."""
    return f"""\
layer {{
  name: "data" type: "Data"
  top: "data" top: "label"
  include {{ phase: {phase} }}
  transform_param {{ mirror: {mirror} crop_size: 224 {MEAN} }}
  data_param {{ source: "data/{database}" backend: LMDB batch_size: {batch_size} }}
}}
"""


def train_val() -> str:
    """Return the text of train_val.prototxt."""
    net = GoogLeNet(training=True)
    net.loss("loss3/loss3", "loss3", net.body(), weight=1)
    data = data_layer("TRAIN", "imagenet_train_lmdb", 32, "true") + data_layer("TEST", "imagenet_val_lmdb", 50, "false")
    return TRAIN_VAL_HEAD + data + net.text


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = GoogLeNet(training=False)
    net.layer("prob", "Softmax", [net.body()], "prob")
    data = """\
layer {
  name: "data" type: "Input"
  top: "data"
  input_param { shape { dim: 10 dim: 3 dim: 224 dim: 224 } }
}
"""
    return DEPLOY_HEAD + data + net.text


FILES = {"train_val.prototxt": train_val, "deploy.prototxt": deploy}

if __name__ == "__main__":
    for file_name, text in FILES.items():
        (Path(__file__).parent / file_name).write_text(text())
