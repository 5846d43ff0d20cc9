"""Whether BVLC Caffe 1.0 reads a net: its layer types, and no field that is ours or of a fork."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from caffelite.onnx_import.errors import OnnxError
from caffelite.proto.caffe_pb2 import NetParameter

FIRST_OF_OURS = 10000  # fields of caffe.proto from this number on are forks' or ours
TYPES = frozenset(
    """AbsVal ArgMax BNLL BatchNorm Bias Clip Concat Convolution Deconvolution ELU Eltwise Exp Flatten InnerProduct
    Input LRN Log PReLU Parameter Pooling Power ReLU Reduction Reshape Scale Sigmoid Silence Slice Softmax Split Swish
    TanH Tile""".split()
)  # those of BVLC's that the import writes


def check_bvlc(net: NetParameter) -> None:
    """Raise OnnxError for a layer or field that BVLC Caffe 1.0 does not know."""
    for layer in net.layer:
        if layer.type not in TYPES:
            raise OnnxError(f'layer "{layer.name}": BVLC Caffe has no type {layer.type}; use --dialect caffelite')
        for field in set_fields(layer):
            if field.number >= FIRST_OF_OURS:
                raise OnnxError(f'layer "{layer.name}": BVLC Caffe has no {field.name}; use --dialect caffelite')


def set_fields(message: Message) -> Iterator[FieldDescriptor]:
    """Go through all fields that are set in a message and in those inside."""
    for field, value in message.ListFields():
        yield field
        if field.message_type:
            for inner in [value] if isinstance(value, Message) else value:
                yield from set_fields(inner)
