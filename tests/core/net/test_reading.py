from types import SimpleNamespace

import pytest

from caffelite.core.net.reading import readers, seconds_for_first, seconds_waited, skipped_texts, waiting_text
from caffelite.proto.caffe_pb2 import TEST, TRAIN


@pytest.mark.parametrize(
    ("waited", "seconds", "text"),
    [
        (3, 10, "30% of the time was spent waiting for data (3.0 s of 10.0 s)"),
        (1, 100, "1% of the time was spent waiting for data (1.0 s of 100.0 s)"),
        (1.9, 200, ""),
        (0.9, 1, ""),
        (0, 0, ""),
    ],
)
def test_waiting_is_said_from_a_second_and_a_hundredth_on(waited, seconds, text):
    assert waiting_text(waited, seconds) == text


def test_layers_that_left_out_records_are_named():
    layers = [
        SimpleNamespace(
            name="data", phase=phase, records_skipped=skipped, seconds_waited=skipped / 2, seconds_for_first=2
        )
        for phase, skipped in ((TRAIN, 3), (TEST, 0))
    ]
    assert skipped_texts(layers) == ['layer "data", phase TRAIN: a record that cannot be read was left out 3 times']
    assert seconds_waited(layers) == 1.5
    assert seconds_for_first(layers) == 4
    assert readers([SimpleNamespace(core_layers=layers)]) == []
