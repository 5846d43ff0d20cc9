"""Write the siamese net's prototxt files beside this script: python models/siamese/generate.py."""

from pathlib import Path

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


class Siamese:
    """The layers, collected as text; each method adds some and returns the name of the blob that they make."""

    def __init__(self, training: bool) -> None:
        self.training = training  # with the names by which the branches share parameters, learning rates and fillers
        self.text = ""

    def layer(self, name: str, kind: str, bottoms: list[str], tops: list[str], *fields: str) -> str:
        """Add one layer; `fields` are lines of prototxt."""
        wires = " ".join([*(f'bottom: "{bottom}"' for bottom in bottoms), *(f'top: "{top}"' for top in tops)])
        lines = [f'name: "{name}" type: "{kind}"', wires, *fields]
        self.text += "layer {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
        return tops[0]

    def learned(self, name: str, suffix: str, kind: str, bottom: str, shape: str) -> str:
        """Add a Convolution or InnerProduct layer, with the parameters of the one of that name in the other branch."""
        field = {"Convolution": "convolution_param", "InnerProduct": "inner_product_param"}[kind]
        fields = [f"{field} {{ {shape} }}"]
        if self.training:
            fields = [
                f'param {{ name: "{name}_w" lr_mult: 1 }}',
                f'param {{ name: "{name}_b" lr_mult: 2 }}',
                *(f"{field} {{", f"  {shape}", '  weight_filler { type: "xavier" }', "}"),
            ]
        return self.layer(name + suffix, kind, [bottom], [name + suffix], *fields)

    def pool(self, name: str, bottom: str) -> str:
        """Add a Pooling layer that halves height and width."""
        return self.layer(name, "Pooling", [bottom], [name], "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")

    def branch(self, suffix: str = "") -> str:
        """Add everything between the images of one side and their places; the other side's names end with `suffix`."""
        top = self.learned("conv1", suffix, "Convolution", "data" + suffix, "num_output: 20 kernel_size: 5")
        top = self.pool("pool1" + suffix, top)
        top = self.learned("conv2", suffix, "Convolution", top, "num_output: 50 kernel_size: 5")
        top = self.pool("pool2" + suffix, top)
        top = self.learned("ip1", suffix, "InnerProduct", top, "num_output: 500")
        self.layer("relu1" + suffix, "ReLU", [top], [top])
        top = self.learned("ip2", suffix, "InnerProduct", top, "num_output: 10")
        return self.learned("feat", suffix, "InnerProduct", top, "num_output: 2")


def data_layer(phase: str, database: str, batch_size: int) -> str:
    """Return the Data layer of one phase."""
    return f"""\
layer {{
  name: "pair_data" type: "Data"
  top: "pair_data" top: "sim"
  include {{ phase: {phase} }}
  transform_param {{ scale: 0.00390625 }}
  data_param {{ source: "data/{database}" backend: LMDB batch_size: {batch_size} }}
}}
"""


def train_val(head: str = TRAIN_VAL_HEAD, dataset: str = "digits") -> str:
    """Return the text of train_val.prototxt."""
    net = Siamese(training=True)
    slices = "slice_param { axis: 1 slice_point: 1 }"
    net.layer("slice_pair", "Slice", ["pair_data"], ["data", "data_p"], slices)
    places = [net.branch(), net.branch("_p")]
    net.layer("loss", "ContrastiveLoss", [*places, "sim"], ["loss"], "contrastive_loss_param { margin: 1 }")
    data = data_layer("TRAIN", f"{dataset}_siamese_train_lmdb", 64)
    return head + data + data_layer("TEST", f"{dataset}_siamese_test_lmdb", 100) + net.text


def train_val_mnist() -> str:
    """Return the text of train_val_mnist.prototxt."""
    return train_val(TRAIN_VAL_MNIST_HEAD, "mnist")


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = Siamese(training=False)
    net.branch()
    data = """\
layer {
  name: "data" type: "Input"
  top: "data"
  input_param { shape { dim: 10000 dim: 1 dim: 28 dim: 28 } }
}
"""
    return DEPLOY_HEAD + data + net.text


FILES = {"train_val.prototxt": train_val, "train_val_mnist.prototxt": train_val_mnist, "deploy.prototxt": deploy}

if __name__ == "__main__":
    for file_name, text in FILES.items():
        (Path(__file__).parent / file_name).write_text(text())
