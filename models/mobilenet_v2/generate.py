"""Write MobileNet v2's deploy.prototxt beside this script: python models/mobilenet_v2/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

HEAD = """\
# MobileNet v2 for use: BGR images of 224x224, less 103.94, 116.78, 123.68, times 0.017 in; the probabilities of 1,000
# classes out.
# caffelite time --model models/mobilenet_v2/deploy.prototxt --phase TEST
# Made by models/mobilenet_v2/generate.py.
name: "MobileNet v2"
"""
EXPANSION = 6  # channels inside a block, for one of its bottom
# Names of the blocks, channels of their tops, stride of the first, and factor of the channels inside.
STAGES = (
    (("2_1",), 16, 1, 1),
    (("2_2", "3_1"), 24, 2, EXPANSION),
    (("3_2", "4_1", "4_2"), 32, 2, EXPANSION),
    (("4_3", "4_4", "4_5", "4_6"), 64, 2, EXPANSION),
    (("4_7", "5_1", "5_2"), 96, 1, EXPANSION),
    (("5_3", "6_1", "6_2"), 160, 2, EXPANSION),
    (("6_3",), 320, 1, EXPANSION),
)


class MobileNet(PrototxtWriter):
    """MobileNet's layers."""

    def convolution(self, name: str, bottom: str, shape: str, relu: str = "") -> str:
        """Add a convolution without bias, BatchNorm, Scale, and ReLU if it has a name."""
        top = self.learned(name, "Convolution", bottom, f"{shape} bias_term: false")
        self.normalize(top, f"{name}/bn", f"{name}/scale")
        return self.relu(relu, top) if relu else top

    def block(self, name: str, bottom: str, channels: tuple[int, int, int], stride: int) -> str:
        """Add a 1x1 convolution, a 3x3 one of each channel alone and a 1x1 one; `channels` below, inside and above."""
        below, inside, above = channels
        shape = f"num_output: {inside} kernel_size: 1"
        top = self.convolution(f"conv{name}/expand", bottom, shape, f"relu{name}/expand")
        shape = f"num_output: {inside} kernel_size: 3 stride: {stride} pad: 1 group: {inside}"
        top = self.convolution(f"conv{name}/dwise", top, shape, f"relu{name}/dwise")
        top = self.convolution(f"conv{name}/linear", top, f"num_output: {above} kernel_size: 1")
        if below == above and stride == 1:
            top = self.layer(f"block_{name}", "Eltwise", [bottom, top], f"block_{name}")
        return top

    def body(self) -> str:
        """Add everything between the data and the scores."""
        top = self.convolution("conv1", "data", "num_output: 32 kernel_size: 3 stride: 2 pad: 1", "relu1")
        below = 32
        for names, above, first_stride, factor in STAGES:
            for name in names:
                stride = first_stride if name == names[0] else 1
                top = self.block(name, top, (below, factor * below, above), stride)
                below = above
        top = self.convolution("conv6_4", top, "num_output: 1280 kernel_size: 1", "relu6_4")
        top = self.pool("pool6", top, "pool: AVE global_pooling: true")
        return self.learned("fc7", "Convolution", top, "num_output: 1000 kernel_size: 1")


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = MobileNet(HEAD, training=False)
    net.input(1, 3, 224, 224)
    net.layer("prob", "Softmax", net.body(), "prob")
    return net.text


FILES = {"deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
