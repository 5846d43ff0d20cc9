"""Arrays to and from BlobProto and Datum. Source: python/caffe/io.py."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from caffelite.core.blob import Array
from caffelite.core.blob_proto import read_blob
from caffelite.core.data.datum import DatumReader
from caffelite.core.errors import DataError, UsageError
from caffelite.proto import caffe_pb2


def blobproto_to_array(blob: caffe_pb2.BlobProto, return_diff: bool = False) -> Array:
    """Return the values of a BlobProto, or its diff, float64 in the stored shape; a mean file gives (1, C, H, W).

    Raises WeightsError, a ValueError, if their number does not fit the shape; without a shape there may be one value.
    """
    if return_diff:
        diff = caffe_pb2.BlobProto(data=blob.diff, double_data=blob.double_diff)
        diff.MergeFrom(_shape_of(blob))
        blob = diff
    return read_blob(blob).astype(np.float64)


def _shape_of(blob: caffe_pb2.BlobProto) -> caffe_pb2.BlobProto:
    alone = caffe_pb2.BlobProto()
    for name in ("num", "channels", "height", "width"):
        if blob.HasField(name):
            setattr(alone, name, getattr(blob, name))
    if blob.HasField("shape"):
        alone.shape.CopyFrom(blob.shape)
    return alone


def array_to_blobproto(arr: npt.ArrayLike, diff: npt.ArrayLike | None = None) -> caffe_pb2.BlobProto:
    """Return a BlobProto of an array's values and shape, and of `diff`, an array of the same size."""
    values = np.asarray(arr)
    blob = caffe_pb2.BlobProto(data=values.ravel().tolist())
    blob.shape.dim.extend(values.shape)
    if diff is not None:
        if np.size(diff) != values.size:
            raise UsageError(f"diff has the shape {np.shape(diff)}, the values {values.shape}; give as many")
        blob.diff.extend(np.ravel(diff).tolist())
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[npt.ArrayLike]) -> bytes:
    """Return the bytes of a BlobProtoVector of the arrays."""
    return caffe_pb2.BlobProtoVector(blobs=map(array_to_blobproto, arraylist)).SerializeToString()


def blobprotovector_str_to_arraylist(str: bytes) -> list[Array]:
    """Return the arrays, float64, of the bytes of a BlobProtoVector."""
    return [blobproto_to_array(blob) for blob in caffe_pb2.BlobProtoVector.FromString(str).blobs]


def array_to_datum(arr: npt.ArrayLike, label: int | None = None) -> caffe_pb2.Datum:
    """Return a Datum of an array (C, H, W): its bytes if it is uint8, else float_data."""
    values = np.asarray(arr)
    if values.ndim != 3:
        raise UsageError(f"a Datum is made of an array (C, H, W), not of the shape {values.shape}")
    datum = caffe_pb2.Datum(channels=values.shape[0], height=values.shape[1], width=values.shape[2])
    if values.dtype == np.uint8:
        datum.data = values.tobytes()
    else:
        datum.float_data.extend(values.ravel().tolist())
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: caffe_pb2.Datum) -> Array:
    """Return the values of a Datum, (C, H, W): uint8 if it has bytes, else float64; an encoded image is decoded, BGR.

    Raises DataError if they do not fit the shape, or the image cannot be decoded.
    """
    if datum.encoded:
        pixels, _ = DatumReader("datum_to_array").read(b"", datum.SerializeToString())
        copied: Array = pixels.copy()  # pixels are read-only
        return copied
    shape = (datum.channels, datum.height, datum.width)
    values: Array = np.frombuffer(datum.data, np.uint8).copy() if datum.data else np.array(datum.float_data, np.float64)
    try:
        return values.reshape(shape)
    except ValueError:
        raise DataError(f"a Datum of {shape} does not have {values.size} values") from None
