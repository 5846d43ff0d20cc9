"""Write YOLOv3-tiny's deploy.prototxt beside this script: python models/yolov3_tiny/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

HEAD = """\
# YOLOv3-tiny for use: RGB images of 416x416 from 0 to 1 in; boxes of COCO's 80 classes out, as rows of image, label,
# score, xmin, ymin, xmax, ymax (parts of the image).
# caffelite time --model models/yolov3_tiny/deploy.prototxt --phase TEST
# Made by models/yolov3_tiny/generate.py.
name: "YOLOv3-tiny"
"""
CLASSES, BOXES = 80, 3  # boxes of a pixel of each of two maps
POOLED = (16, 32, 64, 128, 256)  # channels of the convolutions that a pooling of stride 2 follows
ANCHORS = (10, 14, 23, 27, 37, 58, 81, 82, 135, 169, 344, 319)  # widths and heights, in pixels of the image
MASKS = ((3, 4, 5), (0, 1, 2))  # which of them are of the map of 13x13, and which of that of 26x26
STEPS = (32, 16)  # pixels of the image for one of these maps


class YOLO(PrototxtWriter):
    """YOLOv3-tiny's layers; they count as Darknet's do, from 0, but for the pooling whose windows begin at a pixel."""

    def convolution(self, number: int, bottom: str, channels: int, kernel_size: int) -> str:
        """Add a convolution without bias, BatchNorm, Scale and leaky ReLU."""
        name = f"layer{number}-conv"
        shape = f"num_output: {channels} kernel_size: {kernel_size} pad: {kernel_size // 2} bias_term: false"
        top = self.learned(name, "Convolution", bottom, shape)
        self.normalize(top, f"layer{number}-bn", f"layer{number}-scale")
        return self.layer(f"layer{number}-act", "ReLU", top, top, "relu_param { negative_slope: 0.1 }")

    def features(self) -> tuple[str, str]:
        """Add everything below the two maps; return the blob of 26x26 and that of 13x13."""
        top = "data"
        for index, channels in enumerate(POOLED):
            middle = self.convolution(2 * index, top, channels, 3)
            top = self.pool(f"layer{2 * index + 1}-maxpool", middle, "pool: MAX kernel_size: 2 stride: 2")
        small = self.convolution(10, top, 512, 3)
        # Darknet's windows of 2x2 begin at a pixel, with nothing beyond the last row and column
        top = self.pool("layer11-maxpool", small, "pool: MAX kernel_size: 2 stride: 1 pad: 1")
        top = self.layer("layer11-crop", "Crop", [top, small], "layer11-crop", "crop_param { axis: 2 offset: 1 }")
        return middle, self.convolution(13, self.convolution(12, top, 1024, 3), 256, 1)

    def predictions(self, number: int, bottom: str) -> str:
        """Add the 1x1 convolution that says boxes."""
        name, shape = f"layer{number}-conv", f"num_output: {BOXES * (5 + CLASSES)} kernel_size: 1"
        return self.learned(name, "Convolution", bottom, shape)

    def detections(self, maps: list[str]) -> None:
        """Add what makes the best boxes of all."""
        biases = f"biases: [{', '.join(map(str, ANCHORS))}]"
        masks = f"mask: [{', '.join(str(index) for mask in MASKS for index in mask)}]"
        steps = " ".join(f"anchors_scale: {step}" for step in STEPS)
        self.layer(
            "detection_out",
            "Yolov3DetectionOutput",
            maps,
            "detection_out",
            "yolov3_detection_output_param {",
            f"  num_classes: {CLASSES} num_box: {BOXES} confidence_threshold: 0.3 nms_threshold: 0.45",
            f"  {biases}",
            f"  mask_group_num: {len(MASKS)} {masks} {steps}",
            "}",
        )


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = YOLO(HEAD, training=False)
    net.input(1, 3, 416, 416)
    middle, small = net.features()
    coarse = net.predictions(15, net.convolution(14, small, 512, 3))
    top = net.convolution(18, small, 128, 1)
    top = net.layer("layer19-upsample", "Upsample", top, "layer19-upsample", "upsample_param { scale: 2 }")
    top = net.layer("layer20-route", "Concat", [top, middle], "layer20-route")
    fine = net.predictions(22, net.convolution(21, top, 256, 3))
    net.detections([coarse, fine])
    return net.text


FILES = {"deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
