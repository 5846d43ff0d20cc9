"""Write VGG-16's deploy.prototxt beside this script: python models/vgg16/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

HEAD = """\
# VGG-16 for use: BGR images of 224x224 less 103.939, 116.779, 123.68 in; the probabilities of 1,000 classes out.
# caffelite time --model models/vgg16/deploy.prototxt --phase TEST
# Made by models/vgg16/generate.py.
name: "VGG-16"
"""
STAGES = {1: (64, 2), 2: (128, 2), 3: (256, 3), 4: (512, 3), 5: (512, 3)}  # number: its channels, its convolutions


class VGG(PrototxtWriter):
    """VGG's layers."""

    def stage(self, number: int, bottom: str) -> str:
        """Add the 3x3 convolutions of one stage and its pooling."""
        channels, count = STAGES[number]
        for index in range(1, count + 1):
            shape = f"num_output: {channels} kernel_size: 3 pad: 1"
            bottom = self.learned(f"conv{number}_{index}", "Convolution", bottom, shape)
            self.relu(f"relu{number}_{index}", bottom)
        return self.pool(f"pool{number}", bottom, "pool: MAX kernel_size: 2 stride: 2")

    def hidden(self, number: int, bottom: str) -> str:
        """Add one inner product of 4,096 units, half of which training drops."""
        top = self.learned(f"fc{number}", "InnerProduct", bottom, "num_output: 4096")
        self.relu(f"relu{number}", top)
        return self.dropout(f"drop{number}", top, 0.5)


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = VGG(HEAD, training=False)
    net.input(1, 3, 224, 224)
    top = "data"
    for number in STAGES:
        top = net.stage(number, top)
    top = net.hidden(7, net.hidden(6, top))
    net.layer("prob", "Softmax", net.learned("fc8", "InnerProduct", top, "num_output: 1000"), "prob")
    return net.text


FILES = {"deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
