"""Write ResNet-50's deploy.prototxt beside this script: python models/resnet50/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

HEAD = """\
# ResNet-50 for use: BGR images of 224x224 less the mean image in; the probabilities of 1,000 classes out.
# caffelite time --model models/resnet50/deploy.prototxt --phase TEST
# Made by models/resnet50/generate.py.
name: "ResNet-50"
"""
STAGES = {2: (64, 3), 3: (128, 4), 4: (256, 6), 5: (512, 3)}  # number: channels of its 3x3 convolutions, its blocks


class ResNet(PrototxtWriter):
    """ResNet's layers."""

    def convolution(self, name: str, label: str, bottom: str, shape: str) -> str:
        """Add a convolution without bias, a BatchNorm layer bn`label` and a Scale layer scale`label`."""
        top = self.learned(name, "Convolution", bottom, f"{shape} bias_term: false")
        return self.normalize(top, f"bn{label}", f"scale{label}")

    def bottleneck(self, block: str, bottom: str, channels: int, stride: int, projected: bool) -> str:
        """Add 1x1, 3x3 and 1x1 convolutions, to which `bottom` is added, projected by a 1x1 convolution or as it is."""
        shortcut = bottom
        if projected:
            shape = f"num_output: {4 * channels} kernel_size: 1 stride: {stride}"
            shortcut = self.convolution(f"res{block}_branch1", f"{block}_branch1", bottom, shape)
        top = bottom
        shapes = {
            "2a": f"num_output: {channels} kernel_size: 1 stride: {stride}",
            "2b": f"num_output: {channels} kernel_size: 3 pad: 1",
            "2c": f"num_output: {4 * channels} kernel_size: 1",
        }
        for part, shape in shapes.items():
            top = self.convolution(f"res{block}_branch{part}", f"{block}_branch{part}", top, shape)
            if part != "2c":
                self.relu(f"res{block}_branch{part}_relu", top)
        top = self.layer(f"res{block}", "Eltwise", [shortcut, top], f"res{block}")
        return self.relu(f"res{block}_relu", top)

    def body(self) -> str:
        """Add everything between the data and the scores."""
        top = self.learned("conv1", "Convolution", "data", "num_output: 64 kernel_size: 7 stride: 2 pad: 3")
        self.relu("conv1_relu", self.normalize(top, "bn_conv1", "scale_conv1"))
        top = self.pool("pool1", top, "pool: MAX kernel_size: 3 stride: 2")
        for stage, (channels, blocks) in STAGES.items():
            for index in range(blocks):
                stride = 2 if stage > 2 and index == 0 else 1
                top = self.bottleneck(f"{stage}{'abcdef'[index]}", top, channels, stride, projected=index == 0)
        top = self.pool("pool5", top, "pool: AVE kernel_size: 7 stride: 1")
        return self.learned("fc1000", "InnerProduct", top, "num_output: 1000")


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = ResNet(HEAD, training=False)
    net.input(1, 3, 224, 224)
    net.layer("prob", "Softmax", net.body(), "prob")
    return net.text


FILES = {"deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
