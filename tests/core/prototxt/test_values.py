import random
import re

import pytest
from google.protobuf.text_encoding import CUnescape

from caffelite.core.prototxt.tokens import Source
from caffelite.core.prototxt.values import mistake_in, wrong_escape
from caffelite.proto import caffe_pb2

FIELDS = {
    **caffe_pb2.LayerParameter.DESCRIPTOR.fields_by_name,
    **caffe_pb2.PoolingParameter.DESCRIPTOR.fields_by_name,
    **caffe_pb2.V1LayerParameter.DESCRIPTOR.fields_by_name,
    "axis": caffe_pb2.ConcatParameter.DESCRIPTOR.fields_by_name["axis"],
    "bias_term": caffe_pb2.ConvolutionParameter.DESCRIPTOR.fields_by_name["bias_term"],
    "dim": caffe_pb2.BlobShape.DESCRIPTOR.fields_by_name["dim"],
}


def mistake(field, text):
    return mistake_in(FIELDS[field], next(Source("f", text).tokens()))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name", '"conv1"'),
        ("name", "'conv1'"),
        ("stride", "2"),
        ("stride", "0x10"),
        ("stride", "010"),
        ("stride", "4294967295"),
        ("axis", "-1"),
        ("axis", "-2147483648"),
        ("dim", "9223372036854775807"),
        ("loss_weight", "1"),
        ("loss_weight", "-.5"),
        ("loss_weight", "1e-05"),
        ("loss_weight", "2.f"),
        ("loss_weight", "-inf"),
        ("loss_weight", "NaN"),
        ("bias_term", "true"),
        ("bias_term", "False"),
        ("bias_term", "0"),
        ("pool", "AVE"),
        ("pool", "1"),
    ],
)
def test_good_values(field, text):
    assert mistake(field, text) == ""


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("name", "conv1", 'name is conv1; write it in quotes: "conv1"'),
        ("name", "5", 'name is 5; write it in quotes: "5"'),
        ("stride", "1.5", "stride is 1.5; use a whole number"),
        ("stride", '"1"', 'stride is "1"; use a whole number without quotes'),
        ("stride", "two", "stride is two; use a whole number"),
        ("stride", "09", "stride is 09; use a whole number"),
        ("stride", "-1", "stride is -1; use 0 or more"),
        ("stride", "1000000000000", "stride is 1000000000000; use 4294967295 or less"),
        ("axis", "-2147483649", "axis is -2147483649; use -2147483648 or more"),
        ("loss_weight", "1x", "loss_weight is 1x; use a number"),
        ("loss_weight", '"1"', 'loss_weight is "1"; use a number without quotes'),
        ("loss_weight", "0x10", "loss_weight is 0x10; use a number"),
        ("bias_term", "yes", "bias_term is yes; use true or false"),
        ("bias_term", "2", "bias_term is 2; use true or false"),
        ("pool", "MAXX", "pool is MAXX; did you mean MAX?"),
        ("pool", "max", "pool is max; did you mean MAX?"),
        ("pool", '"AVE"', 'pool is "AVE"; write it without quotes: AVE'),
        ("pool", "7", "pool is 7; use MAX, AVE or STOCHASTIC"),
        ("pool", "Fractional", "pool is Fractional; use MAX, AVE or STOCHASTIC"),
    ],
)
def test_mistakes(field, text, expected):
    assert mistake(field, text) == expected


def test_numbers_of_any_length_are_judged():
    assert mistake("stride", "9" * 10000).endswith("; use 4294967295 or less")


def test_long_enums_are_listed_in_order():
    enum = caffe_pb2.V1LayerParameter.DESCRIPTOR.fields_by_name["type"]
    text = mistake_in(enum, next(Source("f", "BOGUS").tokens()))
    assert text.startswith("type is BOGUS; known are ABSVAL, ACCURACY, ARGMAX")


@pytest.mark.parametrize(
    "text", [r"\a\b\f\n\r\t\v\\\'\"", r"\0\17\377", r"\x4\x41", r"\u20ac", r"\U0010FFFF", r"C:\\data"]
)
def test_escapes(text):
    assert wrong_escape(f'"{text}"') == ""


@pytest.mark.parametrize(
    "wrong", [r"\d", r"\400", r"\x", r"\xg", r"\X41", r"\?", r"\u12", r"\ud800", r"\U0000dfff", r"\U00110000"]
)
def test_what_is_no_escape(wrong):
    """C++'s protobuf takes two of them, which Python's leaves as they are or cannot read."""
    expected = rf"{wrong[:2]} begins no escape; write \\ for a backslash, or / between folders"
    assert wrong_escape(f'"a\\\\{wrong}"') == expected


def test_escapes_are_those_that_protobuf_reads():
    rng = random.Random(1)
    judged = {True: 0, False: 0}
    while min(judged.values()) < 2000:
        text = "".join(rng.choices(["\\", *"aduxUX01478dDf?'"], k=rng.randrange(1, 11)))
        if not re.fullmatch(r"(?:[^\\]|\\.)*", text):
            continue
        try:
            CUnescape(text)
            readable = True
        except (UnicodeError, Warning):
            readable = False
        judged[readable] += 1
        assert bool(wrong_escape(f'"{text}"')) is not readable, text
