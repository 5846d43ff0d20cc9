"""Mean files: the mean of all images of a data set, a BlobProto or the one dataset of an HDF5 file."""

from __future__ import annotations

from pathlib import Path

from caffelite.core.blob import Array
from caffelite.core.blob_proto import read_blob_file
from caffelite.core.errors import WeightsError
from caffelite.core.weights.atomic import replacing
from caffelite.core.weights.hdf5 import is_hdf5, opened
from caffelite.proto import caffe_pb2


def read_mean(path: Path) -> Array:
    """Return the values with the axes that are stored, mostly (1, C, H, W); (C, H, W) of an HDF5 file becomes that.

    Raises WeightsError if the file is no mean file, OSError if it cannot be read.
    """
    if is_hdf5(path):
        return _read_hdf5(path)
    return read_blob_file(path)


def _read_hdf5(path: Path) -> Array:
    with opened(path, "mean file") as file:
        names = [name for name in file.root if file.dataset(file.root, name) is not None]
        if len(names) != 1:
            raise WeightsError(f"an HDF5 mean file holds one dataset, this one has {len(names)}")
        blob = file.stored(file.dataset(file.root, names[0]), names[0])
        return blob.data.reshape((1, *blob.shape) if len(blob.shape) == 3 else blob.shape)


def write_mean(path: Path, mean: Array) -> None:
    """Write the mean, (C, H, W), as compute_image_mean does; WeightsError if it cannot be written."""
    channels, height, width = mean.shape
    proto = caffe_pb2.BlobProto(num=1, channels=channels, height=height, width=width, data=mean.ravel())
    with replacing(path) as file:
        file.write(proto.SerializeToString(deterministic=True))
