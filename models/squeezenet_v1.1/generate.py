"""Write SqueezeNet v1.1's prototxt files beside this script: python models/squeezenet_v1.1/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

TRAIN_VAL_HEAD = """\
# SqueezeNet v1.1 on ImageNet (ILSVRC 2012): 1,281,167 images to train, 50,000 = 2,000 x 25 to test, crops of 227x227.
# caffelite train --solver solvers/squeezenet_v1.1.prototxt
# Made by models/squeezenet_v1.1/generate.py.
name: "SqueezeNet v1.1"
"""
DEPLOY_HEAD = """\
# SqueezeNet v1.1 for use: 10 BGR images of 227x227 less 104, 117, 123 in; the probabilities of 1,000 classes out.
# caffelite time --model models/squeezenet_v1.1/deploy.prototxt --phase TEST
# Made by models/squeezenet_v1.1/generate.py.
name: "SqueezeNet v1.1"
"""
TRANSFORM = "crop_size: 227 mean_value: 104 mean_value: 117 mean_value: 123"
HALVING = "pool: MAX kernel_size: 3 stride: 2"
XAVIER = 'weight_filler { type: "xavier" }'


class SqueezeNet(PrototxtWriter):
    """SqueezeNet's layers."""

    def convolution(self, name: str, relu: str, bottom: str, shape: str, filler: str = XAVIER) -> str:
        """Add a convolution and its ReLU."""
        return self.relu(relu, self.learned(name, "Convolution", bottom, shape, filler))

    def fire(self, number: int, bottom: str, squeeze: int, expand: int) -> str:
        """Add a fire block: squeezed to few channels, expanded by 1x1 and by 3x3 windows, both results joined."""

        def part(name: str, blob: str, shape: str) -> str:
            return self.convolution(f"fire{number}/{name}", f"fire{number}/relu_{name}", blob, shape)

        squeezed = part("squeeze1x1", bottom, f"num_output: {squeeze} kernel_size: 1")
        one = part("expand1x1", squeezed, f"num_output: {expand} kernel_size: 1")
        three = part("expand3x3", squeezed, f"num_output: {expand} kernel_size: 3 pad: 1")
        return self.layer(f"fire{number}/concat", "Concat", [one, three], f"fire{number}/concat")

    def body(self) -> str:
        """Add everything between the data and the scores."""
        top = self.convolution("conv1", "relu_conv1", "data", "num_output: 64 kernel_size: 3 stride: 2")
        top = self.fire(2, self.pool("pool1", top, HALVING), 16, 64)
        top = self.fire(3, top, 16, 64)
        top = self.fire(4, self.pool("pool3", top, HALVING), 32, 128)
        top = self.fire(5, top, 32, 128)
        top = self.fire(6, self.pool("pool5", top, HALVING), 48, 192)
        top = self.fire(7, top, 48, 192)
        top = self.fire(8, top, 64, 256)
        top = self.dropout("drop9", self.fire(9, top, 64, 256), 0.5)
        filler = 'weight_filler { type: "gaussian" std: 0.01 }'
        top = self.convolution("conv10", "relu_conv10", top, "num_output: 1000 kernel_size: 1", filler)
        return self.pool("pool10", top, "pool: AVE global_pooling: true")


def train_val() -> str:
    """Return the text of train_val.prototxt."""
    net = SqueezeNet(TRAIN_VAL_HEAD, training=True)
    net.data("TRAIN", "imagenet_train_lmdb", 32, TRANSFORM)
    net.data("TEST", "imagenet_val_lmdb", 25, TRANSFORM)
    net.accuracies_and_loss(net.body())
    return net.text


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = SqueezeNet(DEPLOY_HEAD, training=False)
    net.input(10, 3, 227, 227)
    net.layer("prob", "Softmax", net.body(), "prob")
    return net.text


FILES = {"train_val.prototxt": train_val, "deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
