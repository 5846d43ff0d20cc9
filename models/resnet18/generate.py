"""Write ResNet-18's prototxt files beside this script: python models/resnet18/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

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
TRANSFORM = "crop_size: 224 mean_value: 104 mean_value: 117 mean_value: 123"
MSRA = 'weight_filler { type: "msra" }'


class ResNet(PrototxtWriter):
    """ResNet's layers."""

    def convolution(self, name: str, label: str, bottom: str, shape: str) -> str:
        """Add a convolution without bias, a BatchNorm layer bn`label` and a Scale layer scale`label`."""
        top = self.learned(name, "Convolution", bottom, f"{shape} bias_term: false", MSRA)
        return self.normalize(top, f"bn{label}", f"scale{label}")

    def residual(self, block: str, bottom: str, channels: int, stride: int, projected: bool) -> str:
        """Add two 3x3 convolutions, to which `bottom` is added, projected by a 1x1 convolution or as it is."""
        wide = f"num_output: {channels} kernel_size: 3 pad: 1"
        shortcut = bottom
        if projected:
            shape = f"num_output: {channels} kernel_size: 1 stride: {stride}"
            shortcut = self.convolution(f"res{block}_branch1", f"{block}_branch1", bottom, shape)
        top = self.convolution(f"res{block}_branch2a", f"{block}_branch2a", bottom, f"{wide} stride: {stride}")
        self.relu(f"res{block}_branch2a_relu", top)
        top = self.convolution(f"res{block}_branch2b", f"{block}_branch2b", top, wide)
        top = self.layer(f"res{block}", "Eltwise", [shortcut, top], f"res{block}")
        return self.relu(f"res{block}_relu", top)

    def body(self) -> str:
        """Add everything between the data and the scores."""
        top = self.convolution("conv1", "_conv1", "data", "num_output: 64 kernel_size: 7 stride: 2 pad: 3")
        self.relu("conv1_relu", top)
        top = self.pool("pool1", top, "pool: MAX kernel_size: 3 stride: 2")
        for stage, channels in STAGES.items():
            top = self.residual(f"{stage}a", top, channels, stride=1 if stage == 2 else 2, projected=True)
            top = self.residual(f"{stage}b", top, channels, stride=1, projected=False)
        top = self.pool("pool5", top, "pool: AVE kernel_size: 7 stride: 1")
        return self.learned("fc1000", "InnerProduct", top, "num_output: 1000", MSRA)


def train_val() -> str:
    """Return the text of train_val.prototxt."""
    net = ResNet(TRAIN_VAL_HEAD, training=True)
    net.data("TRAIN", "imagenet_train_lmdb", 32, f"mirror: true {TRANSFORM}")
    net.data("TEST", "imagenet_val_lmdb", 50, f"mirror: false {TRANSFORM}")
    net.accuracies_and_loss(net.body())
    return net.text


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = ResNet(DEPLOY_HEAD, training=False)
    net.input(1, 3, 224, 224)
    net.layer("prob", "Softmax", net.body(), "prob")
    return net.text


FILES = {"train_val.prototxt": train_val, "deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
