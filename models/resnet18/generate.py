"""Write ResNet-18's prototxt files beside this script: python models/resnet18/generate.py."""

from pathlib import Path

TRAIN_VAL_HEAD = """\
# ResNet-18 on ImageNet (ILSVRC 2012): 1,281,167 images to train, 50,000 = 1,000 x 50 to test, in crops of 224x224.
# caffelite train --solver solvers/resnet18.prototxt
# Made by models/resnet18/generate.py.
name: "ResNet-18"
"""
DEPLOY_HEAD = """\
# ResNet-18 for use: one BGR image of 224x224 less 104, 117, 123 in; the probabilities of 1,000 classes out.
# caffelite time --model models/resnet18/deploy.prototxt --phase TEST
# Made by models/resnet18/generate.py.
name: "ResNet-18"
"""
STAGES = {2: 64, 3: 128, 4: 256, 5: 512}  # number of the stage: its channels
MEAN = "mean_value: 104 mean_value: 117 mean_value: 123"


class ResNet:
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

    def convolution(self, name: str, label: str, bottom: str, shape: str) -> str:
        """Add a convolution without bias, a BatchNorm layer bn`label` and a Scale layer scale`label`."""
        fields = ["convolution_param {", f"  {shape} bias_term: false", '  weight_filler { type: "msra" }', "}"]
        if not self.training:
            fields = [f"convolution_param {{ {shape} bias_term: false }}"]
        statistics = [] if self.training else ["batch_norm_param { use_global_stats: true }"]
        self.layer(name, "Convolution", [bottom], name, *fields)
        self.layer(f"bn{label}", "BatchNorm", [name], name, *statistics)
        return self.layer(f"scale{label}", "Scale", [name], name, "scale_param { bias_term: true }")

    def residual(self, block: str, bottom: str, channels: int, stride: int, projected: bool) -> str:
        """Add two 3x3 convolutions, to which `bottom` is added, projected by a 1x1 convolution or as it is."""
        wide = f"num_output: {channels} kernel_size: 3 pad: 1"
        shortcut = bottom
        if projected:
            shape = f"num_output: {channels} kernel_size: 1 stride: {stride}"
            shortcut = self.convolution(f"res{block}_branch1", f"{block}_branch1", bottom, shape)
        top = self.convolution(f"res{block}_branch2a", f"{block}_branch2a", bottom, f"{wide} stride: {stride}")
        self.layer(f"res{block}_branch2a_relu", "ReLU", [top], top)
        top = self.convolution(f"res{block}_branch2b", f"{block}_branch2b", top, wide)
        top = self.layer(f"res{block}", "Eltwise", [shortcut, top], f"res{block}")
        return self.layer(f"res{block}_relu", "ReLU", [top], top)

    def body(self) -> str:
        """Add everything between the data and the scores."""
        top = self.convolution("conv1", "_conv1", "data", "num_output: 64 kernel_size: 7 stride: 2 pad: 3")
        self.layer("conv1_relu", "ReLU", [top], top)
        top = self.layer("pool1", "Pooling", [top], "pool1", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }")
        for stage, channels in STAGES.items():
            top = self.residual(f"{stage}a", top, channels, stride=1 if stage == 2 else 2, projected=True)
            top = self.residual(f"{stage}b", top, channels, stride=1, projected=False)
        top = self.layer("pool5", "Pooling", [top], "pool5", "pooling_param { pool: AVE kernel_size: 7 stride: 1 }")
        fields = ["inner_product_param {", "  num_output: 1000", '  weight_filler { type: "msra" }', "}"]
        if not self.training:
            fields = ["inner_product_param { num_output: 1000 }"]
        return self.layer("fc1000", "InnerProduct", [top], "fc1000", *fields)


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
    net = ResNet(training=True)
    bottoms, testing = [net.body(), "label"], "include { phase: TEST }"
    net.layer("accuracy", "Accuracy", bottoms, "accuracy", testing)
    net.layer("accuracy_top5", "Accuracy", bottoms, "accuracy_top5", testing, "accuracy_param { top_k: 5 }")
    net.layer("loss", "SoftmaxWithLoss", bottoms, "loss")
    data = data_layer("TRAIN", "imagenet_train_lmdb", 32, "true") + data_layer("TEST", "imagenet_val_lmdb", 50, "false")
    return TRAIN_VAL_HEAD + data + net.text


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = ResNet(training=False)
    net.layer("prob", "Softmax", [net.body()], "prob")
    data = """\
layer {
  name: "data" type: "Input"
  top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }
}
"""
    return DEPLOY_HEAD + data + net.text


FILES = {"train_val.prototxt": train_val, "deploy.prototxt": deploy}

if __name__ == "__main__":
    for file_name, text in FILES.items():
        (Path(__file__).parent / file_name).write_text(text())
