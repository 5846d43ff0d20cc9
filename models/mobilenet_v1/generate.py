"""Write MobileNet v1's prototxt files beside this script: python models/mobilenet_v1/generate.py."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

TRAIN_VAL_HEAD = """\
# MobileNet v1 on ImageNet (ILSVRC 2012): 1,281,167 images to train, 50,000 = 1,000 x 50 to test, in crops of 224x224.
# caffelite train --solver solvers/mobilenet_v1.prototxt
# Made by models/mobilenet_v1/generate.py.
name: "MobileNet v1"
"""
DEPLOY_HEAD = """\
# MobileNet v1 for use: one BGR image of 224x224, less 103.94, 116.78, 123.68, times 0.017 in; the probabilities of
# 1,000 classes out.
# caffelite time --model models/mobilenet_v1/deploy.prototxt --phase TEST
# Made by models/mobilenet_v1/generate.py.
name: "MobileNet v1"
"""
TRANSFORM = "crop_size: 224 mean_value: 103.94 mean_value: 116.78 mean_value: 123.68 scale: 0.017"
MSRA = 'weight_filler { type: "msra" }'


class Separable(NamedTuple):
    """A depthwise separable block: channels of its bottom and of its top; a stride of 2 halves height and width."""

    channels: int
    num_output: int
    stride: int = 1


BLOCKS = {
    "2_1": Separable(32, 64),
    "2_2": Separable(64, 128, 2),
    "3_1": Separable(128, 128),
    "3_2": Separable(128, 256, 2),
    "4_1": Separable(256, 256),
    "4_2": Separable(256, 512, 2),
    "5_1": Separable(512, 512),
    "5_2": Separable(512, 512),
    "5_3": Separable(512, 512),
    "5_4": Separable(512, 512),
    "5_5": Separable(512, 512),
    "5_6": Separable(512, 1024, 2),
    "6": Separable(1024, 1024),
}


class MobileNet(PrototxtWriter):
    """MobileNet's layers."""

    def convolution(self, name: str, relu: str, bottom: str, shape: str, params: Sequence[str] = ()) -> str:
        """Add a convolution without bias, BatchNorm and Scale, and ReLU."""
        top = self.learned(name, "Convolution", bottom, f"{shape} bias_term: false", MSRA, params=params)
        return self.relu(relu, self.normalize(top, f"{name}/bn", f"{name}/scale"))

    def separable(self, block: str, bottom: str) -> str:
        """Add a 3x3 convolution of each channel alone, then a 1x1 convolution across channels.

        The weights of the first do not decay: they are few (the paper's advice).
        """
        channels, num_output, stride = BLOCKS[block]
        shape = f"num_output: {channels} kernel_size: 3 stride: {stride} pad: 1 group: {channels}"
        top = self.convolution(f"conv{block}/dw", f"relu{block}/dw", bottom, shape, ["lr_mult: 1 decay_mult: 0"])
        shape = f"num_output: {num_output} kernel_size: 1"
        return self.convolution(f"conv{block}/sep", f"relu{block}/sep", top, shape)

    def body(self) -> str:
        """Add everything between the data and the scores."""
        top = self.convolution("conv1", "relu1", "data", "num_output: 32 kernel_size: 3 stride: 2 pad: 1")
        for block in BLOCKS:
            top = self.separable(block, top)
        top = self.pool("pool6", top, "pool: AVE global_pooling: true")
        return self.learned("fc7", "Convolution", top, "num_output: 1000 kernel_size: 1", MSRA)


def train_val() -> str:
    """Return the text of train_val.prototxt."""
    net = MobileNet(TRAIN_VAL_HEAD, training=True)
    net.data("TRAIN", "imagenet_train_lmdb", 64, f"mirror: true {TRANSFORM}")
    net.data("TEST", "imagenet_val_lmdb", 50, f"mirror: false {TRANSFORM}")
    net.accuracies_and_loss(net.body())
    return net.text


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = MobileNet(DEPLOY_HEAD, training=False)
    net.input(1, 3, 224, 224, name="input")
    net.layer("prob", "Softmax", net.body(), "prob")
    return net.text


FILES = {"train_val.prototxt": train_val, "deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
