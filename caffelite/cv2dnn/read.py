"""readNetFromCaffe and readNet: a net from paths or from what the files hold."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from caffelite.core.errors import PrototxtError, UsageError
from caffelite.core.layer import Context, layer_type_list
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import filter_net
from caffelite.core.net.wiring.layer_types import check_types
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.net.without_data import READERS
from caffelite.core.prototxt import own_fields
from caffelite.core.prototxt.notes import log_notes
from caffelite.core.prototxt.parse import parse_net, read_text
from caffelite.core.prototxt.upgrade import upgrade_net
from caffelite.cv2dnn.engine import Engine
from caffelite.cv2dnn.errors import raises_cv2_errors
from caffelite.cv2dnn.net import Net
from caffelite.cv2dnn.nodes import nodes_of
from caffelite.cv2dnn.user_layers import registered_types
from caffelite.proto.caffe_pb2 import TEST
from caffelite.writing.deploy import deploy

log = logging.getLogger("caffelite")

Source = Any  # a path, bytes, bytearray, memoryview or an array of uint8
_TEXT, _BINARY = (".prototxt", ".pt"), (".caffemodel", ".h5")


@raises_cv2_errors
def readNetFromCaffe(  # noqa: N802
    prototxt: Source = None,
    caffeModel: Source = None,  # noqa: N803
    *,
    bufferProto: Source = None,  # noqa: N803
    bufferModel: Source = None,  # noqa: N803
) -> Net:
    """Return the net of a prototxt with the parameters of a caffemodel; without one, they are to be set by setParam.

    Both are paths, or what the files hold: bytes, bytearray, memoryview or an array of uint8. A net for training gives
    the net that `caffelite deploy` makes of it. Raises DnnError, a cv2.error, with file and line for what cannot work.
    """
    prototxt = bufferProto if prototxt is None else prototxt
    model = bufferModel if caffeModel is None else caffeModel
    if prototxt is None:
        raise UsageError("readNetFromCaffe needs a prototxt: its path, or a buffer that holds it")
    text, name, folder = _text(prototxt)
    if model is None or (isinstance(model, str) and not model) or (_is_buffer(model) and not len(model)):
        return _net(text, name, folder, None)
    if not _is_buffer(model):
        return _net(text, name, folder, os.fsdecode(model))
    place = tempfile.mkdtemp()  # the reader maps files
    try:
        path = Path(place, "bufferModel")
        path.write_bytes(_bytes(model))
        net = _net(text, name, folder, str(path))
    except BaseException:
        shutil.rmtree(place)
        raise
    weakref.finalize(net, shutil.rmtree, place)
    return net


@raises_cv2_errors
def readNet(  # noqa: N802
    model: Source = None,
    config: Source = None,
    framework: Source = "",
    *,
    bufferModel: Source = None,  # noqa: N803
    bufferConfig: Source = None,  # noqa: N803
) -> Net:
    """Return the net of a caffemodel and a prototxt, given in any order; as readNetFromCaffe.

    `readNet("caffe", bufferModel, bufferConfig)` takes buffers. DnnError for files of other kinds, which OpenCV reads.
    """
    if bufferModel is not None or (isinstance(model, str) and model.lower() == "caffe"):
        buffers = (bufferModel, bufferConfig) if bufferModel is not None else (config, framework)
        text = None if buffers[1] is None or not len(buffers[1]) else buffers[1]
        return readNetFromCaffe(text, buffers[0])
    if not is_caffe(model, config, framework):
        names = ", ".join(str(name) for name in (model, config) if name)
        raise UsageError(f"{names}: a net of Caffe is a .prototxt and a .caffemodel; OpenCV's own readNet reads others")
    first, second = _path(model), _path(config)
    if first.endswith(_TEXT) or second.endswith(_BINARY):
        first, second = second, first
    return readNetFromCaffe(second or None, first or None)


def is_caffe(model: Source, config: Source, framework: Source = "") -> bool:
    """Return whether readNet's arguments are a net of Caffe, by their names."""
    if isinstance(framework, str) and framework:
        return framework.lower() == "caffe"
    names = [_path(model), _path(config)]
    return any(name.endswith(".caffemodel") for name in names) or any(name.endswith(".prototxt") for name in names)


def _path(source: Source) -> str:
    return "" if source is None or _is_buffer(source) else os.fsdecode(source)


def _is_buffer(source: Source) -> bool:
    """Whether it is what a file holds; bytes may be a path, too."""
    if isinstance(source, bytes):
        return not source or re.search(rb"[\n{\x00]", source) is not None
    return isinstance(source, (bytearray, memoryview, np.ndarray))


def _bytes(source: Source) -> bytes:
    if isinstance(source, np.ndarray) and source.dtype != np.uint8:
        raise UsageError(f"a buffer is an array of uint8, not of {source.dtype}; np.fromfile(path, np.uint8) makes one")
    return source.tobytes() if isinstance(source, (np.ndarray, memoryview)) else bytes(source)


def _text(source: Source) -> tuple[str, str, Path | None]:
    """Return the text of a prototxt, its name in errors, and its folder."""
    if not _is_buffer(source):
        try:
            path = os.fsdecode(source)
        except TypeError:
            raise UsageError(f"a prototxt is a path, bytes or an array of uint8, not {source!r}") from None
        if not path:
            raise PrototxtError("the name of the prototxt is empty")
        return read_text(path), path, Path(path).parent
    with tempfile.TemporaryDirectory() as place:  # the reader of files knows what text may look like
        path = os.path.join(place, "bufferProto")
        Path(path).write_bytes(_bytes(source))
        return read_text(path), "bufferProto", None


def _net(text: str, name: str, folder: Path | None, weights: str | None) -> Net:
    types = registered_types()
    known = [*layer_type_list(), *types]
    with own_fields.kept_for(types):
        parsed, lines = parse_net(text, name, known)
    shapeless = [] if parsed.input_shape or parsed.input_dim else list(parsed.input)
    param, lines, notes = upgrade_net(parsed, lines)
    log_notes(notes)
    draft = Draft.of(with_caller_state(param, TEST), lines)
    draft = draft.with_param(with_caller_state(draft.param, TEST))
    draft = filter_net(draft)
    check_types(draft, known)
    if any(layer.type in READERS for layer in draft.layers):
        made = deploy(draft, Context(folder=folder))
        for note in made.notes:
            log.info("%s: %s", name, note)
        draft = Draft.of(with_caller_state(made.net, TEST))
    return Net._of(Engine(nodes_of(draft, shapeless), weights, folder))
