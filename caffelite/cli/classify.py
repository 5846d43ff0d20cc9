"""`caffelite classify`: the best classes of images. Source: examples/cpp_classification/classification.cpp."""

from __future__ import annotations

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, GPU, LAYERS, NO_PYTHON_LAYERS
from caffelite.cli.streams import write_stdout
from caffelite.core import mode
from caffelite.core.errors import printable
from caffelite.core.files import require_file


@command(
    "classify",
    "print the best classes of images",
    flags=(LAYERS, ALLOW_UNKNOWN_FIELDS, NO_PYTHON_LAYERS, GPU),
    positionals="DEPLOY WEIGHTS MEAN LABELS IMAGE...",
)
def classify(arguments: Arguments) -> None:
    """Print the five best classes of each IMAGE, as Caffe's C++ example does: the net's output, and the label.

    DEPLOY is a net with one input of grey or BGR images and one output, WEIGHTS its caffemodel. MEAN is a mean file
    (binaryproto, HDF5 or .npy), of which the mean of each channel is taken off, or these numbers: 104,117,123.
    LABELS is a text file with a line for each class. For example:

      caffelite classify deploy.prototxt net.caffemodel mean.binaryproto labels.txt cat.jpg
    """
    deploy, weights, mean, labels, *images = arguments.positionals
    for name in (deploy, weights, *images):
        require_file(name)
    if arguments[GPU]:
        mode.set_mode_gpu()
    from caffelite.tools.classify import ImageClassifier

    with glog.setting_up():
        classifier = ImageClassifier(deploy, weights, mean, labels, not arguments[NO_PYTHON_LAYERS])
    for image in images:
        best = classifier.best(image)
        write_stdout(printable(f"---------- Prediction for {image} ----------"))
        for label, value in best:
            write_stdout(printable(f'{value:.4f} - "{label}"'))
