"""Write FCN-8s's deploy.prototxt beside this script: python models/fcn8s/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

HEAD = """\
# FCN-8s for use: a BGR image of any size less 104.00699, 116.66877, 122.67892 in; scores of 21 classes for each of its
# pixels out.
# caffelite time --model models/fcn8s/deploy.prototxt --phase TEST
# Made by models/fcn8s/generate.py.
name: "FCN-8s"
"""
STAGES = {1: (64, 2), 2: (128, 2), 3: (256, 3), 4: (512, 3), 5: (512, 3)}  # number: its channels, its convolutions
CLASSES = 21
BORDER = 100  # pixels around the image, so that the last map covers all of it


class FCN(PrototxtWriter):
    """The layers of FCN-8s."""

    def convolution(self, name: str, bottom: str, shape: str, relu: str = "") -> str:
        """Add a convolution, and ReLU if it has a name."""
        top = self.learned(name, "Convolution", bottom, shape)
        return self.relu(relu, top) if relu else top

    def vgg(self) -> None:
        """Add VGG-16 up to fc7, whose inner products are convolutions here."""
        top = "data"
        for number, (channels, count) in STAGES.items():
            for index in range(1, count + 1):
                pad = BORDER if top == "data" else 1
                shape = f"num_output: {channels} kernel_size: 3 pad: {pad}"
                top = self.convolution(f"conv{number}_{index}", top, shape, f"relu{number}_{index}")
            top = self.pool(f"pool{number}", top, "pool: MAX kernel_size: 2 stride: 2")
        for number, kernel_size in {6: 7, 7: 1}.items():
            top = self.convolution(f"fc{number}", top, f"num_output: 4096 kernel_size: {kernel_size}", f"relu{number}")
            self.dropout(f"drop{number}", top, 0.5)

    def scores(self, name: str, bottom: str) -> str:
        """Add the 1x1 convolution that scores the classes."""
        return self.convolution(name, bottom, f"num_output: {CLASSES} kernel_size: 1")

    def enlarged(self, name: str, bottom: str, factor: int) -> str:
        """Add a Deconvolution that makes a map `factor` times as large."""
        shape = f"num_output: {CLASSES} bias_term: false kernel_size: {2 * factor} stride: {factor}"
        return self.layer(name, "Deconvolution", bottom, name, f"convolution_param {{ {shape} }}")

    def cropped(self, name: str, bottom: str, like: str, offset: int) -> str:
        """Add a Crop to height and width of blob `like`."""
        return self.layer(name, "Crop", [bottom, like], name, f"crop_param {{ axis: 2 offset: {offset} }}")

    def fused(self, number: int, coarse: str, offset: int) -> str:
        """Add the scores of one pooling and their sum with the coarser ones."""
        scores = self.scores(f"score_pool{number}", f"pool{number}")
        scores = self.cropped(f"score_pool{number}c", scores, coarse, offset)
        return self.layer(f"fuse_pool{number}", "Eltwise", [coarse, scores], f"fuse_pool{number}")


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = FCN(HEAD, training=False)
    net.input(1, 3, 500, 500)
    net.vgg()
    top = net.enlarged("upscore2", net.scores("score_fr", "fc7"), 2)
    top = net.enlarged("upscore_pool4", net.fused(4, top, 5), 2)
    top = net.enlarged("upscore8", net.fused(3, top, 9), 8)
    net.cropped("score", top, "data", 31)
    return net.text


FILES = {"deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
