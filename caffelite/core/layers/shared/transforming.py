"""The transformer of a layer that reads images: transform_param, the mean file that it names, and the draws."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import prod

import numpy as np

from caffelite.core import random
from caffelite.core.blob import Array
from caffelite.core.data.mean import read_mean
from caffelite.core.data.transformer import DataTransformer
from caffelite.core.errors import LayerError, WeightsError
from caffelite.core.files import NoSuchFileError
from caffelite.core.format import shape_string
from caffelite.core.layer import Layer
from caffelite.proto import caffe_pb2

log = logging.getLogger("caffelite")

OURS = 10000  # numbers of fields that Caffe lacks begin with it


def transformer_of(layer: Layer) -> DataTransformer:
    """Return what transforms the layer's images; LayerError for numbers and mean files that cannot be used."""
    param = layer.layer_param.transform_param
    require_finite("transform_param.scale", [param.scale])
    mean = mean_image_of(layer)
    return DataTransformer(param, layer.phase == caffe_pb2.TRAIN, layer.dtype, draws_key(layer), mean)


def mean_image_of(layer: Layer) -> Array | None:
    """Return the image in the layer's mean file, (C, H, W) of its number type, if it names one.

    Raises LayerError for a mean file that is unreadable or beside mean_value, and for a mean that is nan or infinite.
    """
    param = layer.layer_param.transform_param
    require_finite("transform_param.mean_value", param.mean_value)
    if not param.HasField("mean_file"):
        return None
    if param.mean_value:
        raise LayerError(
            "transform_param.mean_value",
            list(param.mean_value),
            "Cannot specify mean_file and mean_value at the same time; leave one out",
        )
    return _read_mean(layer, param.mean_file).astype(layer.dtype)


def require_finite(field: str, values: Sequence[float]) -> None:
    """Raise LayerError for a value of the field that is nan or infinite: so would be all that the net computes."""
    for value in values:
        if not np.isfinite(value):
            raise LayerError(field, f"{value:g}", "images would become nan or infinite; use a number")


def draws_key(layer: Layer) -> int:
    """Return the key of the layer's random crops and mirrors; another one after a resumed run took up its seed."""
    return random.key(layer.context.seed, layer.name, "transform")


def _read_mean(layer: Layer, name: str) -> Array:
    """Return the first image, (C, H, W), of a mean file; its shape is read as num, channels, height, width."""
    if layer.context.solver_rank == 0:
        log.info("Loading mean file from: %s", name)
    try:
        values = read_mean(layer.context.find(name))
    except NoSuchFileError as err:
        raise _mean_error(name, f"{err}; a mean file is what compute_image_mean writes") from None
    except OSError as err:
        raise _mean_error(name, f"{err.strerror}; a mean file is what compute_image_mean writes") from None
    except WeightsError as err:
        raise _mean_error(name, f"it is not a mean file ({err}); give one that compute_image_mean wrote") from None
    if values.ndim > 4 or not values.size:
        raise _mean_error(name, f"its shape is {shape_string(values.shape)}, not (1, channels, height, width)")
    if not np.isfinite(values).all():
        raise _mean_error(name, "it holds values that are nan or infinite; compute the mean again")
    legacy = values.shape + (1,) * (4 - values.ndim)
    return values.reshape(-1)[: prod(legacy[1:])].reshape(legacy[1:])


def _mean_error(name: str, fix: str) -> LayerError:
    return LayerError("transform_param.mean_file", f'"{name}"', fix)
