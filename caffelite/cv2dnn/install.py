"""Put the reader of Caffe models into cv2.dnn of an OpenCV that has lost it."""

from __future__ import annotations

import logging
from functools import wraps
from typing import Any

from caffelite.cv2dnn import read, user_layers
from caffelite.cv2dnn.installed import opencv

log = logging.getLogger("caffelite")
_MARK = "of_caffelite"


def install_in_cv2(force: bool = False) -> bool:
    """Let cv2.dnn.readNetFromCaffe, and cv2.dnn.readNet for Caffe's files, read nets with caffelite; True if they do.

    cv2.dnn.readNet gives everything else to OpenCV, and cv2.dnn_registerLayer tells both. Doing it again changes
    nothing. An OpenCV that still has its own reader (4.x) is left as it is, unless `force`; so the line may stand in a
    script that runs with either. Raises DataError if there is no OpenCV.
    """
    cv2 = opencv("cv2.dnn")
    own = getattr(cv2.dnn, "readNetFromCaffe", None)
    if hasattr(own, _MARK):
        return True
    if own is not None and not force:
        log.warning(
            "OpenCV %s reads Caffe's nets by itself, and goes on to; install_in_cv2(force=True) replaces that",
            cv2.__version__,
        )
        return False
    _install(cv2)
    return True


def _install(cv2: Any) -> None:
    cv2.dnn.readNetFromCaffe = _marked(read.readNetFromCaffe)
    cv2.dnn.readNet = _marked(_read_net(cv2.dnn.readNet))
    register, unregister = cv2.dnn_registerLayer, cv2.dnn_unregisterLayer
    cv2.dnn_registerLayer = _marked(_register(register, unregister))
    cv2.dnn_unregisterLayer = _marked(_unregister(unregister))


def _marked(function: Any) -> Any:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    setattr(call, _MARK, True)
    return call


def _read_net(theirs: Any) -> Any:
    def readNet(*args: Any, **kwargs: Any) -> Any:  # noqa: N802
        """Read a net of Caffe with caffelite, any other with OpenCV."""
        given = {**dict(zip(("model", "config", "framework"), args, strict=False)), **kwargs}
        tags = [given.get("framework"), given.get("model")]  # buffers come behind the tag
        by_tag = any(isinstance(tag, str) and tag.lower() == "caffe" for tag in tags)
        if by_tag or read.is_caffe(given.get("model"), given.get("config"), given.get("framework", "")):
            return read.readNet(*args, **kwargs)
        return theirs(*args, **kwargs)

    return readNet


def _register(theirs: Any, take_back: Any) -> Any:
    def dnn_registerLayer(type: str, class_: user_layers.UserClass) -> None:  # noqa: N802
        """Register a class for nets of Caffe, and for those that OpenCV reads."""
        again = type in user_layers.registered_types()
        user_layers.dnn_registerLayer(type, class_)
        if again:
            take_back(type)  # of two classes for one type, OpenCV 4.14 ends the process
        theirs(type, class_)

    return dnn_registerLayer


def _unregister(theirs: Any) -> Any:
    def dnn_unregisterLayer(type: str) -> None:  # noqa: N802
        """Take back a registration in both."""
        user_layers.dnn_unregisterLayer(type)
        if type not in user_layers.registered_types():
            theirs(type)

    return dnn_unregisterLayer
