import numpy as np
import pytest

import caffelite as caffe
from caffelite.core.errors import LayerError, UsageError
from caffelite.databases.augmented import DataLayerInput, NetFile

from .conftest import an_image

LAYER = """layer {{ name: "{name}" type: "Data" top: "{name}" include {{ phase: {phase} }}
  data_param {{ source: "{source}" batch_size: 4 backend: LMDB }}
  transform_param {{ {transform} }} }}
"""
TRANSFORM = "crop_size: 4 mirror: true mean_value: 3 scale: 0.5"


@pytest.fixture
def net(tmp_path, large):
    """Write a solver and its net: net(transform, source) -> NetFile."""

    def write(transform=TRANSFORM, source="large_lmdb"):
        layers = [("other", "TRAIN", "nowhere"), ("tests", "TEST", source), ("data", "TRAIN", source)]
        text = "".join(LAYER.format(name=n, phase=p, source=s, transform=transform) for n, p, s in layers)
        (tmp_path / "net.prototxt").write_text(text)
        (tmp_path / "solver.prototxt").write_text(
            'net: "net.prototxt" base_lr: 1 lr_policy: "fixed" max_iter: 1 random_seed: 5 '
        )
        return NetFile.of_solver(tmp_path / "solver.prototxt")

    return write


def all_of(data, start, stop):
    records = list(data.pictures(start, stop))
    data.contents.close()
    return records


def test_what_the_layer_makes_in_a_net(net, large, tmp_path):
    data = DataLayerInput(large, net())
    assert (data.layer, data.batch_size) == ("data", 4)
    records = all_of(data, 0, 8)
    text = LAYER.format(name="data", phase="TRAIN", source=str(large), transform=TRANSFORM)
    (tmp_path / "data.prototxt").write_text(text)
    caffe.set_random_seed(5)
    try:
        trained = caffe.Net(str(tmp_path / "data.prototxt"), caffe.TRAIN)
    finally:
        caffe.core.random._process_seed = None
    batches = [np.array(trained.forward()["data"]) for _ in range(2)]
    assert np.array_equal(np.stack([record.pixels for record in records]), np.concatenate(batches) / 0.5 + 3)
    assert [record.labels for record in records] == [(number,) for number in (0, 1, 2, 3, 4, 5, 6, 0)]


def test_the_next_round_is_cropped_otherwise(net, large):
    records = all_of(DataLayerInput(large, net()), 2998, 3002)
    assert [record.place for record in records] == [2998, 2999, 0, 1]
    first_round = all_of(DataLayerInput(large, net()), 0, 2)
    assert any(not np.array_equal(a.pixels, b.pixels) for a, b in zip(first_round, records[2:], strict=True))


def test_a_model_without_a_solver(net, large, tmp_path):
    net("")
    model = NetFile.of_model(tmp_path / "net.prototxt")
    (record,) = all_of(DataLayerInput(large, model), 7, 8)
    assert model.seed is None and np.array_equal(record.pixels, an_image(7).transpose(2, 0, 1))


def test_another_database_than_that_of_the_net(net, mixed, caplog):
    records = all_of(DataLayerInput(mixed, net("")), 0, 6)
    assert [bool(record.problem) for record in records] == [False] * 3 + [True] * 2 + [False]
    assert 'as layer "other" would read it, whose source is nowhere' in caplog.messages[-1]


def test_what_is_refused(net, large, rows):
    with pytest.raises(LayerError, match=r'net\.prototxt:\d+: layer "data" .*crop_size is 7; an image of 6 x 8'):
        all_of(DataLayerInput(large, net("crop_size: 7")), 0, 1)
    with pytest.raises(UsageError, match="no HDF5Data layer in phase TRAIN"):
        DataLayerInput(rows("a.h5", 3), net())
