"""proto/caffe.proto against the table of Caffe 1.0's messages in golden/schema.tsv."""

import csv
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2

from caffelite.proto import caffe_pb2

OURS = 10000  # the first number of fields that caffelite adds
SCHEMA = Path(__file__).parents[1] / "golden" / "schema.tsv"
LABELS = {1: "optional", 2: "required", 3: "repeated"}
TYPES = {1: "double", 2: "float", 3: "int64", 5: "int32", 8: "bool", 9: "string", 12: "bytes", 13: "uint32"}


def rows(kind):
    with SCHEMA.open(newline="") as file:
        return [row for row in csv.DictReader(file, delimiter="\t") if row["kind"] == kind]


def described():
    """Return {message name: its DescriptorProto}, and {enum name: {value name: number}}, inner names with a dot."""
    file = descriptor_pb2.FileDescriptorProto()
    caffe_pb2.DESCRIPTOR.CopyToProto(file)
    messages = {message.name: message for message in file.message_type}
    enums = {enum.name: enum for enum in file.enum_type}
    enums |= {f"{message.name}.{enum.name}": enum for message in messages.values() for enum in message.enum_type}
    return messages, {name: {value.name: value.number for value in enum.value} for name, enum in enums.items()}


MESSAGES, ENUMS = described()


def written(field):
    """Return a field of ours in the words of the table: label, type, packed."""
    name = TYPES.get(field.type, field.type_name.removeprefix(".caffe."))
    return LABELS[field.label], name, "packed" if field.options.packed else ""


def same_default(field, expected, type_name):
    if type_name in ("float", "double") and expected and field.default_value:
        return np.float32(field.default_value) == np.float32(expected)
    return field.default_value == expected


@pytest.mark.parametrize("row", rows("field"), ids=lambda row: f"{row['message_or_enum']}.{row['name']}")
def test_caffes_fields(row):
    message = MESSAGES[row["message_or_enum"]]
    field = next(field for field in message.field if field.name == row["name"])
    assert field.number == int(row["number"])
    assert written(field) == (row["label"], row["type"], row["packed"] or "")
    assert same_default(field, row["default"] or "", row["type"])


def test_caffes_enums():
    expected = {}
    for row in rows("enum"):
        expected.setdefault(row["message_or_enum"], {})[row["name"]] = int(row["number"])
    for name, values in expected.items():
        ours = ENUMS[name]
        assert {value: ours.get(value) for value in values} == values
        assert all(number >= OURS for value, number in ours.items() if value not in values)


def test_fields_that_caffe_lacks_have_numbers_of_our_own():
    caffes = {(row["message_or_enum"], row["name"]) for row in rows("field")}
    its_messages = {message for message, _ in caffes}
    strangers = [
        (name, field.name)
        for name, message in MESSAGES.items()
        if name in its_messages
        for field in message.field
        if (name, field.name) not in caffes and field.number < OURS
    ]
    assert strangers == []
