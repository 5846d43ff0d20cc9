"""What `caffelite detect` and `caffelite predict` share: the flags of pycaffe's scripts for a net of images."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import TypeVar

from caffelite.cli.command import Arguments
from caffelite.cli.flags import Flag, string
from caffelite.cli.options import required
from caffelite.core.errors import UsageError
from caffelite.core.files import require_file

N = TypeVar("N", int, float)

ILSVRC_2012 = "104.00698793,116.66876762,122.67891434"  # the mean that comes with Caffe, of each channel

MODEL_DEF = string("model_def", "", "The net, a deploy.prototxt.", metavar="FILE")
PRETRAINED_MODEL = string("pretrained_model", "", "Its weights, a caffemodel.", metavar="FILE")
MEAN_FILE = string(
    "mean_file",
    ILSVRC_2012,
    "Mean of each channel, BGR: numbers with commas, or a file (.npy, binaryproto, HDF5), averaged. Nothing: no mean.",
    metavar="FILE|NUMBERS",
)
INPUT_SCALE = string("input_scale", "", "What values are multiplied by in the end.", metavar="NUMBER")
RAW_SCALE = string("raw_scale", "255.0", "What values from 0 to 1 are multiplied by first.", metavar="NUMBER")
CHANNEL_SWAP = string("channel_swap", "2,1,0", "Order of the channels; 2,1,0 makes BGR of RGB.", metavar="NUMBERS")


def model_files(arguments: Arguments, purpose: str) -> tuple[str, str]:
    """Return the files of the net and its weights; UsageError if one is not given, `to detect with`, or not there."""
    model = required(arguments, MODEL_DEF, f"Need a model definition {purpose}")
    weights = required(arguments, PRETRAINED_MODEL, f"Need model weights {purpose}")
    for name in (model, weights):
        require_file(name)
    return model, weights


def number(arguments: Arguments, flag: Flag[str]) -> float | None:
    """Return the number that a flag gives; None if it gives nothing."""
    given = numbers(arguments, flag, float)
    if len(given) > 1:
        raise UsageError(f"--{flag.name}={arguments[flag]} is not one number")
    return given[0] if given else None


def numbers(arguments: Arguments, flag: Flag[str], kind: Callable[[str], N]) -> list[N]:
    """Return the numbers, with commas between them, that a flag gives; [] if it gives nothing."""
    text = arguments[flag]
    try:
        given = [kind(word) for word in text.split(",")] if text else []
    except ValueError:
        raise UsageError(f"--{flag.name}={text}: write numbers, with commas between them, or nothing") from None
    if not all(map(isfinite, given)):
        raise UsageError(f"--{flag.name}={text}: nan and infinite numbers make nothing of an image; write others")
    return given
