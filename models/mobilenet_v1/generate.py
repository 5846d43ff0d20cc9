"""Write MobileNet v1's prototxt files beside this script: python models/mobilenet_v1/generate.py."""

from pathlib import Path
from typing import NamedTuple

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
MEAN = "mean_value: 103.94 mean_value: 116.78 mean_value: 123.68"


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


class MobileNet:
    """The layers, collected as text; each method adds some and returns the name of the blob that they make."""

    def __init__(self, training: bool) -> None:
        self.training = training  # with fillers, and normalized by each batch's own statistics
        self.text = ""

    def layer(self, name: str, kind: str, bottoms: list[str], top: str, *fields: str) -> str:
        """Add one layer; `fields` are lines of prototxt."""
        wires = " ".join([*(f'bottom: "{bottom}"' for bottom in bottoms), f'top: "{top}"'])
        lines = [f'name: "{name}" type: "{kind}"', wires, *fields]
        self.text += "layer {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
        return top

    def convolution(self, name: str, relu: str, bottom: str, shape: str, decay: bool = True) -> str:
        """Add a convolution without bias, BatchNorm and Scale, and ReLU."""
        fields = [f"convolution_param {{ {shape} bias_term: false }}"]
        if self.training:
            fields = [] if decay else ["param { lr_mult: 1 decay_mult: 0 }"]
            fields += ["convolution_param {", f"  {shape} bias_term: false", '  weight_filler { type: "msra" }', "}"]
        statistics = [] if self.training else ["batch_norm_param { use_global_stats: true }"]
        self.layer(name, "Convolution", [bottom], name, *fields)
        self.layer(f"{name}/bn", "BatchNorm", [name], name, *statistics)
        self.layer(f"{name}/scale", "Scale", [name], name, "scale_param { bias_term: true }")
        return self.layer(relu, "ReLU", [name], name)

    def separable(self, block: str, bottom: str) -> str:
        """Add a 3x3 convolution of each channel alone, then a 1x1 convolution across channels.

        The weights of the first do not decay: they are few (the paper's advice).
        """
        size = BLOCKS[block]
        window = f"kernel_size: 3 stride: {size.stride} pad: 1 group: {size.channels}"
        top = self.convolution(
            f"conv{block}/dw", f"relu{block}/dw", bottom, f"num_output: {size.channels} {window}", decay=False
        )
        shape = f"num_output: {size.num_output} kernel_size: 1"
        return self.convolution(f"conv{block}/sep", f"relu{block}/sep", top, shape)

    def body(self) -> str:
        """Add everything between the data and the scores."""
        top = self.convolution("conv1", "relu1", "data", "num_output: 32 kernel_size: 3 stride: 2 pad: 1")
        for block in BLOCKS:
            top = self.separable(block, top)
        top = self.layer("pool6", "Pooling", [top], "pool6", "pooling_param { pool: AVE global_pooling: true }")
        fields = ["convolution_param {", "  num_output: 1000 kernel_size: 1", '  weight_filler { type: "msra" }', "}"]
        if not self.training:
            fields = ["convolution_param { num_output: 1000 kernel_size: 1 }"]
        return self.layer("fc7", "Convolution", [top], "fc7", *fields)


def data_layer(phase: str, database: str, batch_size: int, mirror: str) -> str:
    """Return the Data layer of one phase."""
    return f"""\
layer {{
  name: "data" type: "Data"
  top: "data" top: "label"
  include {{ phase: {phase} }}
  transform_param {{ mirror: {mirror} crop_size: 224 {MEAN} scale: 0.017 }}
  data_param {{ source: "data/{database}" backend: LMDB batch_size: {batch_size} }}
}}
"""


def train_val() -> str:
    """Return the text of train_val.prototxt."""
    net = MobileNet(training=True)
    bottoms, testing = [net.body(), "label"], "include { phase: TEST }"
    net.layer("accuracy", "Accuracy", bottoms, "accuracy", testing)
    net.layer("accuracy_top5", "Accuracy", bottoms, "accuracy_top5", testing, "accuracy_param { top_k: 5 }")
    net.layer("loss", "SoftmaxWithLoss", bottoms, "loss")
    data = data_layer("TRAIN", "imagenet_train_lmdb", 64, "true") + data_layer("TEST", "imagenet_val_lmdb", 50, "false")
    return TRAIN_VAL_HEAD + data + net.text


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = MobileNet(training=False)
    net.layer("prob", "Softmax", [net.body()], "prob")
    data = """\
layer {
  name: "input" type: "Input"
  top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }
}
"""
    return DEPLOY_HEAD + data + net.text


FILES = {"train_val.prototxt": train_val, "deploy.prototxt": deploy}

if __name__ == "__main__":
    for file_name, text in FILES.items():
        (Path(__file__).parent / file_name).write_text(text())
