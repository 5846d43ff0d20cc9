"""Write GoogLeNet's prototxt files beside this script: python models/googlenet/generate.py."""

import sys
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

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
TRANSFORM = "crop_size: 224 mean_value: 104 mean_value: 117 mean_value: 123"
HALVING = "pool: MAX kernel_size: 3 stride: 2"
XAVIER = 'weight_filler { type: "xavier" }'
BIAS = 'bias_filler { type: "constant" value: 0.2 }'
PARAMS = ["lr_mult: 1 decay_mult: 1", "lr_mult: 2 decay_mult: 0"]


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


class GoogLeNet(PrototxtWriter):
    """GoogLeNet's layers."""

    def convolution(self, prefix: str, suffix: str, bottom: str, shape: str, relu: str = "") -> str:
        """Add convolution `prefix`/`suffix` and its ReLU, called relu_`suffix` unless `relu` says how."""
        top = self.learned(f"{prefix}/{suffix}", "Convolution", bottom, shape, XAVIER, BIAS, params=PARAMS)
        return self.relu(f"{prefix}/relu_{relu or suffix}", top)

    def norm(self, name: str, bottom: str) -> str:
        """Add an LRN layer."""
        return self.layer(name, "LRN", bottom, name, "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")

    def classifier(self, name: str, bottom: str) -> str:
        """Add the scores of the 1,000 classes."""
        return self.learned(name, "InnerProduct", bottom, "num_output: 1000", XAVIER, params=PARAMS)

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
        top = self.learned(f"{prefix}/fc", "InnerProduct", top, "num_output: 1024", XAVIER, BIAS, params=PARAMS)
        self.relu(f"{prefix}/relu_fc", top)
        self.dropout(f"{prefix}/drop_fc", top, 0.7)
        self.losses(f"{prefix}/loss", prefix, self.classifier(f"{prefix}/classifier", top), weight=0.3)

    def losses(self, name: str, prefix: str, scores: str, weight: float) -> None:
        """Add the loss of a classifier and, for testing, how often the class is first and among the first 5."""
        self.layer(name, "SoftmaxWithLoss", [scores, "label"], f"{prefix}/{prefix}", f"loss_weight: {weight}")
        for place in (1, 5):
            self.accuracy(f"{prefix}/top-{place}", scores, top_k=place)

    def body(self) -> str:
        """Add everything between the data and the last classifier's scores."""
        top = self.convolution("conv1", "7x7_s2", "data", "num_output: 64 kernel_size: 7 stride: 2 pad: 3", "7x7")
        top = self.norm("pool1/norm1", self.pool("pool1/3x3_s2", top, HALVING))
        top = self.convolution("conv2", "3x3_reduce", top, "num_output: 64 kernel_size: 1")
        top = self.convolution("conv2", "3x3", top, "num_output: 192 kernel_size: 3 pad: 1")
        top = self.pool("pool2/3x3_s2", self.norm("conv2/norm2", top), HALVING)
        top = self.inception("3b", self.inception("3a", top))
        top = self.inception("4a", self.pool("pool3/3x3_s2", top, HALVING))
        self.auxiliary("loss1", top)
        top = self.inception("4d", self.inception("4c", self.inception("4b", top)))
        self.auxiliary("loss2", top)
        top = self.pool("pool4/3x3_s2", self.inception("4e", top), HALVING)
        top = self.inception("5b", self.inception("5a", top))
        top = self.pool("pool5/7x7_s1", top, "pool: AVE kernel_size: 7 stride: 1")
        return self.classifier("loss3/classifier", self.dropout("pool5/drop_7x7_s1", top, 0.4))


def train_val() -> str:
    """Return the text of train_val.prototxt."""
    net = GoogLeNet(TRAIN_VAL_HEAD, training=True)
    net.data("TRAIN", "imagenet_train_lmdb", 32, f"mirror: true {TRANSFORM}")
    net.data("TEST", "imagenet_val_lmdb", 50, f"mirror: false {TRANSFORM}")
    net.losses("loss3/loss3", "loss3", net.body(), weight=1)
    return net.text


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = GoogLeNet(DEPLOY_HEAD, training=False)
    net.input(10, 3, 224, 224)
    net.layer("prob", "Softmax", net.body(), "prob")
    return net.text


FILES = {"train_val.prototxt": train_val, "deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
