"""Write SqueezeNet v1.1's prototxt files beside this script: python models/squeezenet_v1.1/generate.py."""

from pathlib import Path

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
XAVIER = 'weight_filler { type: "xavier" }'


class SqueezeNet:
    """The layers, collected as text; each method adds some and returns the name of the blob that they make."""

    def __init__(self, training: bool) -> None:
        self.training = training  # with fillers
        self.text = ""

    def layer(self, name: str, kind: str, bottoms: list[str], top: str, *fields: str) -> str:
        """Add one layer; `fields` are lines of prototxt."""
        wires = " ".join([*(f'bottom: "{bottom}"' for bottom in bottoms), f'top: "{top}"'])
        lines = [f'name: "{name}" type: "{kind}"', wires, *fields]
        self.text += "layer {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
        return top

    def convolution(self, name: str, relu: str, bottom: str, shape: str, filler: str = XAVIER) -> str:
        """Add a convolution and its ReLU."""
        fields = ["convolution_param {", f"  {shape}", f"  {filler}", "}"]
        if not self.training:
            fields = [f"convolution_param {{ {shape} }}"]
        self.layer(name, "Convolution", [bottom], name, *fields)
        return self.layer(relu, "ReLU", [name], name)

    def pool(self, name: str, bottom: str) -> str:
        """Add a Pooling layer that halves height and width."""
        return self.layer(name, "Pooling", [bottom], name, "pooling_param { pool: MAX kernel_size: 3 stride: 2 }")

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
        top = self.fire(2, self.pool("pool1", top), 16, 64)
        top = self.fire(3, top, 16, 64)
        top = self.fire(4, self.pool("pool3", top), 32, 128)
        top = self.fire(5, top, 32, 128)
        top = self.fire(6, self.pool("pool5", top), 48, 192)
        top = self.fire(7, top, 48, 192)
        top = self.fire(8, top, 64, 256)
        top = self.fire(9, top, 64, 256)
        self.layer("drop9", "Dropout", [top], top, "dropout_param { dropout_ratio: 0.5 }")
        filler = 'weight_filler { type: "gaussian" std: 0.01 }'
        top = self.convolution("conv10", "relu_conv10", top, "num_output: 1000 kernel_size: 1", filler)
        return self.layer("pool10", "Pooling", [top], "pool10", "pooling_param { pool: AVE global_pooling: true }")


def data_layer(phase: str, database: str, batch_size: int) -> str:
    """Return the Data layer of one phase."""
    return f"""\
layer {{
  name: "data" type: "Data"
  top: "data" top: "label"
  include {{ phase: {phase} }}
  transform_param {{ crop_size: 227 mean_value: 104 mean_value: 117 mean_value: 123 }}
  data_param {{ source: "data/{database}" backend: LMDB batch_size: {batch_size} }}
}}
"""


def train_val() -> str:
    """Return the text of train_val.prototxt."""
    net = SqueezeNet(training=True)
    bottoms, testing = [net.body(), "label"], "include { phase: TEST }"
    net.layer("accuracy", "Accuracy", bottoms, "accuracy", testing)
    net.layer("accuracy_top5", "Accuracy", bottoms, "accuracy_top5", testing, "accuracy_param { top_k: 5 }")
    net.layer("loss", "SoftmaxWithLoss", bottoms, "loss")
    data = data_layer("TRAIN", "imagenet_train_lmdb", 32) + data_layer("TEST", "imagenet_val_lmdb", 25)
    return TRAIN_VAL_HEAD + data + net.text


def deploy() -> str:
    """Return the text of deploy.prototxt."""
    net = SqueezeNet(training=False)
    net.layer("prob", "Softmax", [net.body()], "prob")
    data = """\
layer {
  name: "data" type: "Input"
  top: "data"
  input_param { shape { dim: 10 dim: 3 dim: 227 dim: 227 } }
}
"""
    return DEPLOY_HEAD + data + net.text


FILES = {"train_val.prototxt": train_val, "deploy.prototxt": deploy}

if __name__ == "__main__":
    for file_name, text in FILES.items():
        (Path(__file__).parent / file_name).write_text(text())
