import csv
from pathlib import Path

import pytest

from caffelite.core.prototxt.parse import parse_net
from caffelite.onnx_import.dialect import TYPES, check_bvlc
from caffelite.onnx_import.errors import OnnxError
from caffelite.onnx_import.of_file import from_onnx

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = sorted(path.name for path in (GOLDEN / "onnx").glob("*_new.onnx"))
SCHEMA = list(csv.DictReader((GOLDEN / "schema.tsv").read_text().splitlines(), delimiter="\t"))
FIELDS = {(row["message_or_enum"], row["name"], row["number"]) for row in SCHEMA if row["kind"] == "field"}


def fields_of(message):
    for field, value in message.ListFields():
        yield message.DESCRIPTOR.name, field.name, str(field.number)
        if field.message_type:
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from fields_of(inner)


@pytest.mark.parametrize("file", FILES)
def test_every_field_stands_in_caffes_schema(file):
    try:
        net = from_onnx(GOLDEN / "onnx" / file, "bvlc").net
    except OnnxError as error:
        assert file.startswith(("permute", "upsample_corners", "conv_transpose")), error
        return
    assert set(fields_of(net)) <= FIELDS
    assert {layer.type for layer in net.layer} <= TYPES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('type: "Permute"', "BVLC Caffe has no type Permute"),
        ('type: "Pooling" pooling_param { ceil_mode: false }', "BVLC Caffe has no ceil_mode"),
    ],
)
def test_what_bvlc_does_not_know_is_refused(text, message):
    net = parse_net(f'layer {{ name: "a" bottom: "x" top: "y" {text} }}', "net")[0]
    with pytest.raises(OnnxError, match=f'layer "a": {message}; use --dialect caffelite'):
        check_bvlc(net)
