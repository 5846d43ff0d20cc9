import logging
import time

import numpy as np
import pytest
from google.protobuf import text_format

from caffelite.core.format import message_text, number, shape_string
from caffelite.proto.caffe_pb2 import NetParameter


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1e-5, "1e-05"),
        (100000, "100000"),
        (1e6, "1e+06"),
        (2.302585093, "2.30259"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (0, "0"),
    ],
)
def test_numbers_are_printed_as_by_a_stream(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("shape", "text"), [((2, 3), "2 3 (6)"), ((), "(1)"), ((4, 0), "4 0 (0)")])
def test_shapes_end_with_their_count(shape, text):
    assert shape_string(shape) == text


def test_messages_are_printed_with_shape_and_size_of_their_blobs():
    net = NetParameter()
    text_format.Parse(
        """name: "a" layer { name: "ip" blobs { shape { dim: 2 dim: 3 } data: [1, 2, 3, 4, 5, 6] diff: [1] }
        blobs { num: 1 channels: 1 height: 1 width: 2 double_data: [1, 2] } blobs { data: 7 }
        inner_product_param { num_output: 2 } }""",
        net,
    )
    assert (
        str(message_text(net))
        == """name: "a"
layer {
  name: "ip"
  blobs {
    shape { dim: 2 dim: 3 } (6 values)
  }
  blobs {
    num: 1 channels: 1 height: 1 width: 2 (2 values)
  }
  blobs {
    (1 values)
  }
  inner_product_param {
    num_output: 2
  }
}"""
    )


def test_messages_without_blobs_are_printed_in_full(golden_folder):
    net = NetParameter()
    text_format.Parse((golden_folder / "cli" / "net.prototxt").read_text(), net)
    assert str(message_text(net)) == text_format.MessageToString(net).rstrip()


def test_large_blobs_take_no_time(caplog):
    net = NetParameter()
    blob = net.layer.add(name="ip").blobs.add()
    blob.shape.dim[:] = [4096, 4096]
    blob.MergeFromString(b"\x2a" + b"\x80\x80\x80\x20" + np.zeros(1 << 24, np.float32).tobytes())
    start = time.process_time()
    with caplog.at_level(logging.INFO, "caffelite"):
        logging.getLogger("caffelite").info("%s", message_text(net))
    assert "shape { dim: 4096 dim: 4096 } (16777216 values)" in caplog.text
    assert time.process_time() - start < 1


def test_nothing_is_printed_that_nobody_reads(monkeypatch):
    def never(*_, **__):
        raise AssertionError("a message is printed")

    monkeypatch.setattr(text_format, "MessageToString", never)
    logger = logging.getLogger("caffelite.test_format")
    logger.setLevel(logging.WARNING)
    logger.info("%s", message_text(NetParameter()))
