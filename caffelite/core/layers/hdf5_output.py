"""HDF5Output: two blobs written to an HDF5 file. Source: src/caffe/layers/hdf5_output_layer.cpp."""

from __future__ import annotations

import logging

from caffelite.core.data.hdf5_writer import RowWriter
from caffelite.core.errors import LayerError
from caffelite.core.files import Kind, UnreachableError, kind_of
from caffelite.core.format import shape_string
from caffelite.core.layer import Blobs, Layer, State, register_layer

log = logging.getLogger("caffelite")

NAMES = ("data", "label")  # of the datasets
AXES = 4


@register_layer("HDF5Output")
class HDF5OutputLayer(Layer):
    """Write the rows of two blobs to the datasets `data` and `label` of a file, those of each pass after the others.

    bottom[0], bottom[1]: at most 4 axes, equally many rows; they are written as (rows, channels, height, width), 1 for
    axes that a blob does not have, in the net's number type. Gradients are zero. top: none.

    The first forward makes the file, in place of one of that name (a net that is only built, as by `caffelite summary`,
    writes nothing). Later ones append along axis 0; in Caffe the second ends the program. Between two passes the file
    is complete and closed, so that it can be read at any time: a program that is killed leaves the rows of the passes
    before. The number of rows is in the layer's state: a resumed run goes on behind those that its snapshot knows of.

    Raises LayerError without a file_name, for a folder of that name, and for bottoms that do not fit; DataError if
    writing fails.
    """

    messages = ("hdf5_output_param",)
    formula = "nothing is computed; the bottoms are written to {hdf5_output_param.file_name}"
    exact_num_bottom_blobs = 2
    exact_num_top_blobs = 0

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Look at the file's name; nothing is written before the first forward."""
        name = self.layer_param.hdf5_output_param.file_name
        if not name:
            raise LayerError("hdf5_output_param.file_name", "missing", "give the name of the file to write")
        try:
            kind = kind_of(name)
        except UnreachableError as err:
            raise LayerError("hdf5_output_param.file_name", f'"{name}"', str(err)) from None
        if kind not in (Kind.FILE, Kind.NOTHING):
            raise LayerError("hdf5_output_param.file_name", f'"{name}"', f"it is {kind.value}; give the name of a file")
        self._writer = RowWriter(name)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Check that the bottoms can be written as rows of 4 axes."""
        for index, blob in enumerate(bottom):
            if not 1 <= blob.num_axes <= AXES:
                raise LayerError(
                    f"bottom[{index}]", shape_string(blob.shape), f"blobs of 1 to {AXES} axes are written, as rows"
                )
        if bottom[0].shape[0] != bottom[1].shape[0]:
            raise LayerError(
                "bottom[1]",
                shape_string(bottom[1].shape),
                f"data and label must have equally many rows: bottom[0] is {shape_string(bottom[0].shape)}",
            )

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Write the rows."""
        log.info("Saving HDF5 file %s", self._writer.path)
        legacy = [blob.data.reshape(blob.shape + (1,) * (AXES - blob.num_axes)) for blob in bottom]
        self._writer.append(dict(zip(NAMES, legacy, strict=True)))
        log.info("Successfully saved %d rows", bottom[0].shape[0])

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Set the gradients to zero."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.diff.fill(0)

    def get_state(self) -> State:
        """Return how many rows were written."""
        return {"rows": self._writer.rows}

    def set_state(self, state: State) -> None:
        """Go on behind so many rows of the file."""
        self._writer = RowWriter(self.layer_param.hdf5_output_param.file_name, int(state["rows"]))
