"""Message classes of proto/caffe.proto, in a descriptor pool of their own.

The descriptor set caffe.desc is generated at build time (tools/generate_proto.py). A private pool lets them live beside
another package's caffe.proto in one process, and loading a descriptor set works with every protobuf from 4.22 on,
where generated Python code is tied to the release that wrote it.
"""

from pathlib import Path

import google.protobuf.text_format  # noqa: F401  (programs use protobuf.text_format without importing it themselves)
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

_PATH = Path(__file__).with_name("caffe.desc")


def _load() -> descriptor_pool.DescriptorPool:
    try:
        described = descriptor_pb2.FileDescriptorSet.FromString(_PATH.read_bytes())
    except FileNotFoundError:
        raise ImportError(
            f"caffelite is not built: {_PATH.name} is missing in {_PATH.parent}. "
            "Install the checkout: python3 -m venv .venv && .venv/bin/pip install -e ."
        ) from None
    pool = descriptor_pool.DescriptorPool()
    for file in described.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_pool = _load()
DESCRIPTOR = _pool.FindFileByName("caffe.proto")

for _name, _descriptor in DESCRIPTOR.message_types_by_name.items():
    globals()[_name] = message_factory.GetMessageClass(_descriptor)
    globals()[f"_{_name.upper()}"] = _descriptor  # as protoc's own modules have it
for _name, _enum in DESCRIPTOR.enum_types_by_name.items():
    globals()[_name] = EnumTypeWrapper(_enum)
    globals()[f"_{_name.upper()}"] = _enum
    for _value in _enum.values:
        globals()[_value.name] = _value.number
