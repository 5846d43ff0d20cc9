"""What layers share that read image files which a text file names: the file, and how many batches are read ahead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from caffelite.core.errors import LayerError
from caffelite.core.files import NoSuchFileError, reason_of
from caffelite.core.layer import Layer
from caffelite.core.layers.shared.prefetching import check_prefetch

T = TypeVar("T")

ADVICE = "of data_param this layer reads prefetch alone"
# What these layers do not read of data_param; the fields of the same names in their own message they do.
DATA_PARAM_NOT_READ = {
    f"data_param.{name}": ADVICE
    for name in (
        "source",
        "scale",
        "mean_file",
        "batch_size",
        "crop_size",
        "mirror",
        "rand_skip",
        "backend",
        "force_encoded_color",
    )
}


def batches_ahead_of(layer: Layer) -> int:
    """Return how many batches are read ahead; LayerError for none."""
    prefetch = layer.layer_param.data_param.prefetch
    check_prefetch("data_param", prefetch)
    return prefetch


def read_named(layer: Layer, field: str, name: str, form: str, read: Callable[[Path], T]) -> tuple[Path, T]:
    """Return where the file is that `field` names, and what `read` makes of it; LayerError if it cannot be opened.

    `form` is what the file holds, for the error: "a list of lines `path label`".
    """
    try:
        path = layer.context.find(name)
        return path, read(path)
    except NoSuchFileError as err:
        raise LayerError(field, f'"{name}"', f"{err}; {form} is expected") from None
    except OSError as err:
        raise LayerError(field, f'"{name}"', f"{err.strerror or reason_of(err)}; {form} is expected") from None
