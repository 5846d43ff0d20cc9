"""Write nets with many layers as prototxt; models/*/generate.py hold the nets."""

from collections.abc import Callable, Sequence
from pathlib import Path

Names = str | Sequence[str]  # of one blob, or of several
LINE_LENGTH = 120
FIELDS = {"Convolution": "convolution_param", "InnerProduct": "inner_product_param"}


class PrototxtWriter:
    """Layers, collected as text below `head`; a net's own methods add blocks of them and return the name of the top.

    Where fields are asked for, they are prototxt: `kernel_size: 3 stride: 2`.
    """

    def __init__(self, head: str, training: bool) -> None:
        self.text = head
        self.training = training  # with learning rates and fillers

    def layer(self, name: str, kind: str, bottoms: Names, tops: Names, *fields: str) -> str:
        """Add one layer, each of `fields` on a line of its own; return its first top."""
        bottoms, tops = ([names] if isinstance(names, str) else names for names in (bottoms, tops))
        wires = [[f'bottom: "{blob}"' for blob in bottoms], [f'top: "{blob}"' for blob in tops]]
        lines = [f'  name: "{name}" type: "{kind}"', *_indent(*_in_lines(wires))]
        self.text += "\n".join(["layer {", *lines, *_indent(*fields), "}\n"])
        return tops[0]

    def data(
        self, phase: str, database: str, batch_size: int, transform: str, tops: Sequence[str] = ("data", "label")
    ) -> None:
        """Add the Data layer of one phase, reading data/`database`; its name is that of its first top."""
        source = f'source: "data/{database}" backend: LMDB batch_size: {batch_size}'
        fields = f"include {{ phase: {phase} }}", f"transform_param {{ {transform} }}", f"data_param {{ {source} }}"
        self.layer(tops[0], "Data", [], tops, *fields)

    def input(self, *shape: int, name: str = "data") -> None:
        """Add an Input layer for blob data."""
        dims = " ".join(f"dim: {dim}" for dim in shape)
        self.layer(name, "Input", [], "data", f"input_param {{ shape {{ {dims} }} }}")

    def learned(self, name: str, kind: str, bottom: str, shape: str, *fillers: str, params: Sequence[str] = ()) -> str:
        """Add a Convolution or InnerProduct layer; `fillers` and `params` (lr_mult and the like) are for training."""
        if not self.training:
            return self.layer(name, kind, bottom, name, f"{FIELDS[kind]} {{ {shape} }}")
        param = [f"param {{ {fields} }}" for fields in params]
        return self.layer(name, kind, bottom, name, *param, f"{FIELDS[kind]} {{", *_indent(shape, *fillers), "}")

    def normalize(self, blob: str, batch_norm: str, scale: str) -> str:
        """Add layers `batch_norm` and `scale` in place; for training by each batch's own statistics."""
        statistics = [] if self.training else ["batch_norm_param { use_global_stats: true }"]
        self.layer(batch_norm, "BatchNorm", blob, blob, *statistics)
        return self.layer(scale, "Scale", blob, blob, "scale_param { bias_term: true }")

    def relu(self, name: str, blob: str) -> str:
        """Add a ReLU layer in place."""
        return self.layer(name, "ReLU", blob, blob)

    def pool(self, name: str, bottom: str, window: str) -> str:
        """Add a Pooling layer."""
        return self.layer(name, "Pooling", bottom, name, f"pooling_param {{ {window} }}")

    def dropout(self, name: str, blob: str, ratio: float) -> str:
        """Add a Dropout layer in place."""
        return self.layer(name, "Dropout", blob, blob, f"dropout_param {{ dropout_ratio: {ratio} }}")

    def accuracy(self, name: str, scores: str, top_k: int = 1) -> None:
        """Add, for testing, how often the class in blob label is among the `top_k` best."""
        best = [f"accuracy_param {{ top_k: {top_k} }}"] if top_k > 1 else []
        self.layer(name, "Accuracy", [scores, "label"], name, "include { phase: TEST }", *best)

    def accuracies_and_loss(self, scores: str) -> None:
        """Add both accuracies and the loss with which the nets for ImageNet end."""
        self.accuracy("accuracy", scores)
        self.accuracy("accuracy_top5", scores, top_k=5)
        self.layer("loss", "SoftmaxWithLoss", [scores, "label"], "loss")


def _in_lines(wires: list[list[str]]) -> list[str]:
    """Return bottoms and tops in one line if they fit, else in one each, else one a line."""
    longest = LINE_LENGTH - 2
    one_each = [" ".join(blobs) for blobs in wires if blobs]
    if len(" ".join(one_each)) <= longest:
        return [" ".join(one_each)]
    return one_each if max(map(len, one_each)) <= longest else [blob for blobs in wires for blob in blobs]


def _indent(*lines: str) -> list[str]:
    return [f"  {line}" for line in lines]


def write_files(folder: Path, files: dict[str, Callable[[], str]]) -> None:
    """Write into `folder` each of `files`, which are functions that return the text, by name."""
    for name, text in files.items():
        (folder / name).write_text(text())
