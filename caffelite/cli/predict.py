"""`caffelite predict`: what a net says of images, as numbers in a file. Source: python/classify.py."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from caffelite.cli import glog
from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.flags import boolean, string
from caffelite.cli.image_options import (
    CHANNEL_SWAP,
    INPUT_SCALE,
    MEAN_FILE,
    MODEL_DEF,
    PRETRAINED_MODEL,
    RAW_SCALE,
    model_files,
    number,
    numbers,
)
from caffelite.cli.options import ALLOW_UNKNOWN_FIELDS, GPU, LAYERS, NO_PYTHON_LAYERS
from caffelite.core import mode
from caffelite.core.errors import UsageError

if TYPE_CHECKING:
    from caffelite.classifier import Classifier
    from caffelite.core.blob import Array

LOGGER = logging.getLogger("caffelite")

CENTER_ONLY = boolean("center_only", "Run the centre of each image alone, not the mean over ten crops.")
IMAGES_DIM = string(
    "images_dim", "256,256", "Height and width that images are resized to before they are cropped.", metavar="H,W"
)
EXT = string("ext", "jpg", "End of the names of a folder's images.", metavar="EXT")


@command(
    "predict",
    "write what a net says of images",
    flags=(
        MODEL_DEF,
        PRETRAINED_MODEL,
        CENTER_ONLY,
        IMAGES_DIM,
        MEAN_FILE,
        INPUT_SCALE,
        RAW_SCALE,
        CHANNEL_SWAP,
        EXT,
        LAYERS,
        ALLOW_UNKNOWN_FIELDS,
        NO_PYTHON_LAYERS,
        GPU,
    ),
    positionals="INPUT OUTPUT",
    flag_help={
        MEAN_FILE: "Mean, BGR: a number for each channel, or a file (.npy, binaryproto, HDF5) of these or of a mean "
        f"image, which is resized. Nothing: no mean. Default: {MEAN_FILE.default}."
    },
)
def predict(arguments: Arguments) -> None:
    """Run a net on images and write its outputs to OUTPUT, a .npy file of a row for each image.

    INPUT is an image, a folder of images, which are taken by name, or a .npy file of images (N, H, W, 3), RGB, values
    from 0 to 1. For a grey net write --mean_file= --channel_swap= (nothing for both). For example:

      caffelite predict images/ scores.npy --model_def=deploy.prototxt --pretrained_model=net.caffemodel
    """
    source, target = (Path(name).expanduser() for name in arguments.positionals)
    if target.suffix != ".npy":  # as np.save names it
        target = target.with_name(f"{target.name}.npy")
    if not target.parent.is_dir():
        raise UsageError(f"cannot write {target}: there is no folder {target.parent}")
    model, weights = model_files(arguments, "to predict with")
    from caffelite.tools import predict as tools

    images: list[Path] | Array
    if source.suffix == ".npy":
        LOGGER.info("Loading file: %s", source)
        images = tools.read_array(source)
        if images.dtype.kind != "f" and arguments[RAW_SCALE] == RAW_SCALE.default:
            LOGGER.warning(
                "%s holds %s, and images are values from 0 to 1, which --raw_scale=%s multiplies; write --raw_scale=1 "
                "if its values are those that the net was trained on",
                source,
                images.dtype,
                RAW_SCALE.default,
            )
    else:
        images = tools.image_names(source, arguments[EXT])
        LOGGER.info("Loading %s: %s", "file" if images == [source] else "folder", source)
    if arguments[GPU]:
        mode.set_mode_gpu()
    with glog.setting_up():
        classifier = _classifier(arguments, model, weights)
    LOGGER.info("Classifying %d inputs.", len(images))
    start = time.perf_counter()
    rows: list[Array] = []
    with counting("images") as progress:
        for some in tools.predictions(classifier, images, not arguments[CENTER_ONLY]):
            rows.extend(some)
            progress(len(rows), len(images))
    LOGGER.info("Done in %.2f s.", time.perf_counter() - start)
    _save(target, rows)
    LOGGER.info("Saving results into %s", target)


def _classifier(arguments: Arguments, model: str, weights: str) -> Classifier:
    from caffelite.classifier import Classifier
    from caffelite.tools.channel_mean import mean_values

    return Classifier(
        model,
        weights,
        image_dims=numbers(arguments, IMAGES_DIM, int),
        mean=mean_values(arguments[MEAN_FILE]) if arguments[MEAN_FILE] else None,
        input_scale=number(arguments, INPUT_SCALE),
        raw_scale=number(arguments, RAW_SCALE),
        channel_swap=numbers(arguments, CHANNEL_SWAP, int) or None,
        python_layers=not arguments[NO_PYTHON_LAYERS],
    )


def _save(target: Path, rows: list[Array]) -> None:
    import numpy as np

    from caffelite.core.weights.atomic import replacing

    with replacing(target) as file:
        np.save(file, np.stack(rows))
