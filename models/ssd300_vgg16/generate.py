"""Write SSD300 (VGG-16)'s deploy.prototxt beside this script: python models/ssd300_vgg16/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import write_files
from ssd_writer import Boxes, SSDWriter

HEAD = """\
# SSD300 for use: BGR images of 300x300 less 104, 117, 123 in; boxes of 20 classes out, as rows of image, label, score,
# xmin, ymin, xmax, ymax (parts of the image).
# caffelite time --model models/ssd300_vgg16/deploy.prototxt --phase TEST
# Made by models/ssd300_vgg16/generate.py.
name: "SSD300 (VGG-16)"
"""
CLASSES = 21  # with the background
STAGES = {1: (64, 2), 2: (128, 2), 3: (256, 3), 4: (512, 3), 5: (512, 3)}  # number: its channels, its convolutions
EXTRA = {  # fields of the convolutions behind fc7
    "conv6_1": "num_output: 256 kernel_size: 1",
    "conv6_2": "num_output: 512 kernel_size: 3 stride: 2 pad: 1",
    "conv7_1": "num_output: 128 kernel_size: 1",
    "conv7_2": "num_output: 256 kernel_size: 3 stride: 2 pad: 1",
    "conv8_1": "num_output: 128 kernel_size: 1",
    "conv8_2": "num_output: 256 kernel_size: 3",
    "conv9_1": "num_output: 128 kernel_size: 1",
    "conv9_2": "num_output: 256 kernel_size: 3",
}
BOXES = {
    "conv4_3_norm": Boxes(30, 60, (2,), 8),
    "fc7": Boxes(60, 111, (2, 3), 16),
    "conv6_2": Boxes(111, 162, (2, 3), 32),
    "conv7_2": Boxes(162, 213, (2, 3), 64),
    "conv8_2": Boxes(213, 264, (2,), 100),
    "conv9_2": Boxes(264, 315, (2,), 300),
}
KEPT = "nms_param { nms_threshold: 0.45 top_k: 400 } keep_top_k: 200 confidence_threshold: 0.01"


class SSD(SSDWriter):
    """SSD's layers."""

    def convolution(self, name: str, bottom: str, shape: str) -> str:
        """Add a convolution and ReLU."""
        return self.relu(name.replace("conv", "relu"), self.learned(name, "Convolution", bottom, shape))

    def vgg(self) -> str:
        """Add VGG-16 up to fc7, whose inner products are convolutions here."""
        top = "data"
        for number, (channels, count) in STAGES.items():
            for index in range(1, count + 1):
                shape = f"num_output: {channels} kernel_size: 3 pad: 1"
                top = self.convolution(f"conv{number}_{index}", top, shape)
            window = "kernel_size: 3 stride: 1 pad: 1" if number == 5 else "kernel_size: 2 stride: 2"
            top = self.pool(f"pool{number}", top, f"pool: MAX {window}")
        top = self.learned("fc6", "Convolution", top, "num_output: 1024 kernel_size: 3 pad: 6 dilation: 6")
        top = self.learned("fc7", "Convolution", self.relu("relu6", top), "num_output: 1024 kernel_size: 1")
        return self.relu("relu7", top)

    def normalized(self, name: str, bottom: str) -> str:
        """Add Normalize, with a learned factor for each channel."""
        fields = "norm_param { across_spatial: false channel_shared: false }"
        return self.layer(name, "Normalize", bottom, name, fields)


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = SSD(HEAD, training=False)
    net.input(1, 3, 300, 300)
    top = net.vgg()
    net.normalized("conv4_3_norm", "conv4_3")
    for name, shape in EXTRA.items():
        top = net.convolution(name, top, shape)
    net.detections(BOXES, CLASSES, KEPT)
    return net.text


FILES = {"deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
