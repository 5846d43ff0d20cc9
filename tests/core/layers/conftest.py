"""What tests of several layers need."""

from dataclasses import fields

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.layer import Context, make_layer
from caffelite.proto.caffe_pb2 import TRAIN, LayerParameter
from caffelite.testing import blob_of, layer_from, run_backward, set_up


def _run(layer, values, top_diff, in_place, overwritten):
    """Forward and backward, with the first bottom as top; `overwritten`: by another layer in place, in between."""
    bottom = [blob_of(array, layer.dtype) for array in values]
    top = set_up(layer, bottom)
    if in_place:
        top = bottom[:1]
        layer.reshape(bottom, top)
    layer.forward(bottom, top)
    computed = [top[0].data.copy()]
    if in_place and overwritten:
        top[0].data[...] = 7
    top[0].diff[...] = top_diff(top[0].shape)
    run_backward(layer, bottom, top)
    return computed + [blob.diff.copy() for blob in [*bottom, *layer.blobs]]


@pytest.fixture
def check_in_place():
    """check_in_place(text, *bottoms): is a layer the same in place as with a top of its own?

    Also when another layer has overwritten the top, unless `overwritten` is false: the gradient is made from the top.
    """

    def check(text, *values, dtype=np.float64, phase=0, overwritten=True):
        def top_diff(shape):
            return np.random.default_rng(2).normal(size=shape)

        layers = [layer_from(text, dtype, phase) for _ in range(2)]
        apart = _run(layers[0], values, top_diff, False, overwritten)
        within = _run(layers[1], values, top_diff, True, overwritten)
        for one, other in zip(apart, within, strict=True):
            np.testing.assert_array_equal(one.ravel(), other.ravel())

    return check


class DataLayers:
    """Makes data layers, runs them, and closes them in the end.

    text_of(...) is the prototxt of one; what else it is called with, by the names of its fields, is for the context.
    """

    OF_CONTEXT = frozenset(field.name for field in fields(Context))

    def __init__(self, text_of):
        self.text_of, self.made = text_of, []

    def __call__(self, *args, phase=TRAIN, **options):
        context = {name: options.pop(name) for name in self.OF_CONTEXT & options.keys()}
        layer_param = text_format.Parse(self.text_of(*args, **options), LayerParameter())
        layer_param.phase = phase
        self.made.append(make_layer(layer_param, Context(**{"seed": 1701, **context})))
        return self.made[-1]

    def forward(self, layer, top):
        """The tops of one forward, as copies."""
        layer.forward([], top)
        return [blob.data.copy() for blob in top]

    def run(self, layer, forwards, top_count=None):
        """The tops of each of so many forwards; two, if the layer does not name any."""
        top = set_up(layer, [], top_count or len(layer.layer_param.top) or 2)
        return [self.forward(layer, top) for _ in range(forwards)]

    def values_of(self, layer, forwards, top=0):
        """The whole numbers in one of the tops, of each forward."""
        return [tops[top].astype(int).tolist() for tops in self.run(layer, forwards)]

    def labels_of(self, layer, forwards):
        return self.values_of(layer, forwards, top=1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, for what data layers read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def data_layers(folder):
    """data_layers(text_of): makes DataLayers, all of which are closed after the test."""
    all_made = []

    def of(text_of):
        all_made.append(DataLayers(text_of))
        return all_made[-1]

    yield of
    for layers in all_made:
        for layer in layers.made:
            layer.close()


@pytest.fixture
def data(data_layers):
    """Data layers on the database "db"."""

    def text_of(fields, transform="", source="db"):
        backend = "" if "backend" in fields else "backend: LMDB"
        return (
            f'name: "data" type: "Data" transform_param {{ {transform} }} '
            f'data_param {{ {backend} source: "{source}" {fields} }}'
        )

    return data_layers(text_of)
