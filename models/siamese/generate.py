"""Write the siamese net's prototxt files beside this script: python models/siamese/generate.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from prototxt_writer import PrototxtWriter, write_files

TRAIN_VAL_HEAD = """\
# Two LeNets with the same weights put each digit of a pair on a plane: equal digits near, others a distance of 1 apart.
# caffelite train --solver solvers/siamese.prototxt
# 10,000 pairs of the digits that come with caffelite to train, 2,000 = 20 x 100 to test.
# Made by models/siamese/generate.py.
name: "siamese"
"""
TRAIN_VAL_MNIST_HEAD = """\
# The siamese net on pairs of MNIST: 60,000 to train, 10,000 = 100 x 100 to test.
# caffelite dataset mnist_siamese && caffelite train --solver solvers/siamese_mnist.prototxt
# Made by models/siamese/generate.py.
name: "siamese"
"""
DEPLOY_HEAD = """\
# One branch of the siamese net for use: 10,000 grey images of 28x28, values 0 to 1, in; their places on a plane out.
# caffelite time --model models/siamese/deploy.prototxt --phase TEST --iterations 1
# Made by models/siamese/generate.py.
name: "siamese"
"""


class Siamese(PrototxtWriter):
    """The layers of both branches."""

    def shared(self, name: str, suffix: str, kind: str, bottom: str, shape: str) -> str:
        """Add a Convolution or InnerProduct layer, with the parameters of the one of that name in the other branch."""
        params = [f'name: "{name}_w" lr_mult: 1', f'name: "{name}_b" lr_mult: 2']
        return self.learned(name + suffix, kind, bottom, shape, 'weight_filler { type: "xavier" }', params=params)

    def branch(self, suffix: str = "") -> str:
        """Add everything between the images of one side and their places; the other side's names end with `suffix`."""
        halving = "pool: MAX kernel_size: 2 stride: 2"
        top = self.shared("conv1", suffix, "Convolution", "data" + suffix, "num_output: 20 kernel_size: 5")
        top = self.pool("pool1" + suffix, top, halving)
        top = self.shared("conv2", suffix, "Convolution", top, "num_output: 50 kernel_size: 5")
        top = self.pool("pool2" + suffix, top, halving)
        top = self.shared("ip1", suffix, "InnerProduct", top, "num_output: 500")
        self.relu("relu1" + suffix, top)
        top = self.shared("ip2", suffix, "InnerProduct", top, "num_output: 10")
        return self.shared("feat", suffix, "InnerProduct", top, "num_output: 2")


def train_val(head: str = TRAIN_VAL_HEAD, dataset: str = "digits") -> str:
    """Return the text of train_val.prototxt."""
    net = Siamese(head, training=True)
    for phase, batch_size in (("TRAIN", 64), ("TEST", 100)):
        database = f"{dataset}_siamese_{phase.lower()}_lmdb"
        net.data(phase, database, batch_size, "scale: 0.00390625", tops=["pair_data", "sim"])
    net.layer("slice_pair", "Slice", "pair_data", ["data", "data_p"], "slice_param { axis: 1 slice_point: 1 }")
    places = [net.branch(), net.branch("_p")]
    net.layer("loss", "ContrastiveLoss", [*places, "sim"], "loss", "contrastive_loss_param { margin: 1 }")
    return net.text


def train_val_mnist() -> str:
    """Return the text of train_val_mnist.prototxt."""
    return train_val(TRAIN_VAL_MNIST_HEAD, "mnist")


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = Siamese(DEPLOY_HEAD, training=False)
    net.input(10000, 1, 28, 28)
    net.branch()
    return net.text


FILES = {"train_val.prototxt": train_val, "train_val_mnist.prototxt": train_val_mnist, "deploy.prototxt": deploy}

if __name__ == "__main__":
    write_files(Path(__file__).parent, FILES)
