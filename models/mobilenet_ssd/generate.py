"""Write MobileNet-SSD's deploy.prototxt beside this script: python models/mobilenet_ssd/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import write_files
from ssd_writer import Boxes, SSDWriter

HEAD = """\
# MobileNet-SSD for use: BGR images of 300x300 less 127.5, times 0.007843 in; boxes of 20 classes out, as rows of image,
# label, score, xmin, ymin, xmax, ymax (parts of the image).
# caffelite time --model models/mobilenet_ssd/deploy.prototxt --phase TEST
# Made by models/mobilenet_ssd/generate.py.
name: "MobileNet-SSD"
"""
CLASSES = 21  # with the background
# Number of the block: channels of its bottom and of its top, stride.
BLOCKS = {
    1: (32, 64, 1),
    2: (64, 128, 2),
    3: (128, 128, 1),
    4: (128, 256, 2),
    5: (256, 256, 1),
    6: (256, 512, 2),
    7: (512, 512, 1),
    8: (512, 512, 1),
    9: (512, 512, 1),
    10: (512, 512, 1),
    11: (512, 512, 1),
    12: (512, 1024, 2),
    13: (1024, 1024, 1),
}
EXTRA = {14: (256, 512), 15: (128, 256), 16: (128, 256), 17: (64, 128)}  # channels of the 1x1 and the 3x3 convolution
BOXES = {
    "conv11": Boxes(60, 0, (2,)),
    "conv13": Boxes(105, 150, (2, 3)),
    "conv14_2": Boxes(150, 195, (2, 3)),
    "conv15_2": Boxes(195, 240, (2, 3)),
    "conv16_2": Boxes(240, 285, (2, 3)),
    "conv17_2": Boxes(285, 300, (2, 3)),
}
KEPT = "nms_param { nms_threshold: 0.45 top_k: 100 } keep_top_k: 100 confidence_threshold: 0.25"


class MobileNetSSD(SSDWriter):
    """MobileNet-SSD's layers, with BatchNorm and Scale merged into the convolutions."""

    kernel_size = 1

    def convolution(self, name: str, bottom: str, shape: str) -> str:
        """Add a convolution and ReLU."""
        return self.relu(f"{name}/relu", self.learned(name, "Convolution", bottom, shape))

    def mobilenet(self) -> str:
        """Add MobileNet's convolutions: 3x3 of each channel alone, then 1x1 across channels."""
        top = self.convolution("conv0", "data", "num_output: 32 pad: 1 kernel_size: 3 stride: 2")
        for number, (below, above, stride) in BLOCKS.items():
            shape = f"num_output: {below} pad: 1 kernel_size: 3 stride: {stride} group: {below}"
            top = self.convolution(f"conv{number}/dw", top, shape)
            top = self.convolution(f"conv{number}", top, f"num_output: {above} kernel_size: 1")
        return top

    def smaller(self, number: int, bottom: str) -> str:
        """Add two convolutions that halve the map."""
        inner, outer = EXTRA[number]
        top = self.convolution(f"conv{number}_1", bottom, f"num_output: {inner} kernel_size: 1")
        return self.convolution(f"conv{number}_2", top, f"num_output: {outer} pad: 1 kernel_size: 3 stride: 2")


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = MobileNetSSD(HEAD, training=False)
    net.input(1, 3, 300, 300)
    top = net.mobilenet()
    for number in EXTRA:
        top = net.smaller(number, top)
    net.detections(BOXES, CLASSES, KEPT)
    return net.text


FILES = {"deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
