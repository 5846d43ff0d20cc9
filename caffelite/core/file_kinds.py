"""What a file is that was given in place of another one, told from its first bytes: the one place that knows."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from caffelite.core.prototxt.other_language import other_language

HEAD = 4096  # bytes from which a file is told
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_UNPACK = "unpack it first, with "
_WEIGHTS = "give the .caffemodel where weights are asked for, and the .prototxt where a net is"


class FileKind(NamedTuple):
    """What a file is, as it is said behind "this is", and what to do about it, "" where that is plain."""

    name: str
    advice: str = ""

    def instead_of(self, wanted: str) -> str:
        """Return the end of an error: `this is a web page, not a caffemodel: the download was answered with a page`."""
        return f"this is {self.name}, not {wanted}{f': {self.advice}' if self.advice else ''}"


_OTHER_FRAMEWORK = "export it as ONNX, of which caffelite convert makes Caffe's files"
WEB_PAGE = FileKind("a web page", "the download was answered with a page instead of the file")
GIT_LFS = FileKind("a pointer of Git LFS", "git lfs pull, in the repository it is from, fetches the file itself")
DARKNET_CFG = FileKind("a Darknet cfg", "converters such as darknet2caffe make a prototxt of it")
ONNX = FileKind("an ONNX model", "caffelite convert makes a prototxt and a caffemodel of it")
LMDB = FileKind("a database of LMDB", "name its folder as source of a Data layer")
# Where in the file, what stands there, what it is.
_SIGNATURES = (
    (0, HDF5_SIGNATURE, FileKind("an HDF5 file")),
    (0, b"\x1f\x8b", FileKind("compressed with gzip", f"{_UNPACK}gunzip or tar xzf")),
    (0, b"BZh", FileKind("compressed with bzip2", f"{_UNPACK}bunzip2 or tar xjf")),
    (0, b"\xfd7zXZ", FileKind("compressed with xz", f"{_UNPACK}unxz or tar xJf")),
    (0, b"\x28\xb5\x2f\xfd", FileKind("compressed with zstd", f"{_UNPACK}unzstd")),
    (0, b"7z\xbc\xaf\x27\x1c", FileKind("a 7z archive", f"{_UNPACK}7z x")),
    (0, b"Rar!\x1a\x07", FileKind("a RAR archive", f"{_UNPACK}unrar x")),
    (257, b"ustar", FileKind("a tar archive", f"{_UNPACK}tar xf")),
    (0, b"\x80\x02", FileKind("a Python pickle, perhaps PyTorch's", _OTHER_FRAMEWORK)),
    (0, b"\x80\x03", FileKind("a Python pickle", _OTHER_FRAMEWORK)),
    (0, b"\x80\x04", FileKind("a Python pickle", _OTHER_FRAMEWORK)),
    (0, b"\x80\x05", FileKind("a Python pickle", _OTHER_FRAMEWORK)),
    (0, b"\x93NUMPY", FileKind("a numpy array")),
    (0, b"\x89PNG", FileKind("a PNG image")),
    (0, b"\xff\xd8\xff", FileKind("a JPEG image")),
    (0, b"GIF8", FileKind("a GIF image")),
    (0, b"II*\0", FileKind("a TIFF image")),
    (0, b"MM\0*", FileKind("a TIFF image")),
    (8, b"WEBPVP8", FileKind("a WebP image")),
    (0, b"%PDF-", FileKind("a PDF document")),
    (4, b"TFL3", FileKind("a TensorFlow Lite model", _OTHER_FRAMEWORK)),
    (16, b"\xde\xc0\xef\xbe", LMDB),
)
_ZIP = FileKind("a zip archive", f"{_UNPACK}unzip")
_IN_ZIPS = (
    (b"data.pkl", FileKind("a PyTorch file", _OTHER_FRAMEWORK)),
    (b"keras", FileKind("a Keras file", _OTHER_FRAMEWORK)),
    (b".npy", FileKind("a numpy .npz file")),
)
# Darknet's weights begin with numbers of its version: 0, 1 or 2, then a number of images seen.
_DARKNET = re.compile(rb"\0{4}[\1\2]\0{3}[\0-\5]\0{3}", re.DOTALL)
# The first field of an ONNX model is its version, the second the name of the program that made it; a solverstate begins
# alike, with its iteration and the name of its caffemodel, which is longer.
_MAKERS = (b"pytorch", b"tf2onnx", b"caffelite", b"keras2onnx", b"paddle2onnx", b"skl2onnx")
_ONNX = re.compile(rb"\x08[\x01-\x14]\x12(?:" + b"|".join(re.escape(bytes([len(m)]) + m) for m in _MAKERS) + rb")")
# Other makers are known by the version that follows their names, as "2.4": no history of a solverstate begins so.
_ONNX_OF_OTHERS = re.compile(rb"\x08[\x01-\x14]\x12.[ -~]{1,100}\x1a.[0-9]+\.[0-9]", re.DOTALL)
_TENSORFLOW = re.compile(rb"\x0a[\x10-\xff][\x00-\x7f]?\x0a.[\w/]+\x12.(?:Placeholder|Const|VarHandleOp)", re.DOTALL)
# Two letters alone could begin a message; four zeros and the length of a second header follow.
_BMP = re.compile(rb"BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3}", re.DOTALL)
_PATTERNS = (
    (_DARKNET, FileKind("a file of Darknet's weights", "converters such as darknet2caffe make a caffemodel of it")),
    (_ONNX, ONNX),
    (_ONNX_OF_OTHERS, ONNX),
    (_TENSORFLOW, FileKind("a TensorFlow graph", _OTHER_FRAMEWORK)),
    (_BMP, FileKind("a BMP image")),
)
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_LANGUAGES = {
    "HTML": WEB_PAGE,
    "what a server wrote instead of the file": FileKind(
        "what a server wrote instead of the file", "the address is wrong, or the file is there no more"
    ),
    "a pointer of Git LFS (git lfs pull fetches the file)": GIT_LFS,
    "an INI or TOML file, such as Darknet's .cfg": FileKind("an INI or TOML file"),
}


def looks_like(head: bytes) -> FileKind | None:
    """Return what a file that begins with `head` is; None for what may be a binary message, as a caffemodel is.

    Prototxt is a text file like others here: who reads text asks text_kind.
    """
    if not head:
        return FileKind("an empty file")
    for offset, signature, kind in _SIGNATURES:
        if head.startswith(signature, offset):
            return kind
    if head.startswith(b"PK\x03\x04"):
        return next((kind for part, kind in _IN_ZIPS if part in head), _ZIP)
    if found := next((kind for pattern, kind in _PATTERNS if pattern.match(head)), None):
        return found
    # A binary message begins with a tag, and nearly all tags of ours are control characters or not ASCII at all.
    if not _CONTROL.search(head) and (text := _as_text(head)) is not None:
        return text_kind(text) or FileKind(
            "a text file (a prototxt describes a net, its weights are in a caffemodel)", _WEIGHTS
        )
    return None


def text_kind(text: str) -> FileKind | None:
    """Return what a text is that is no prototxt; None for one that may be a prototxt, with mistakes in it."""
    found = other_language(text)
    if not found:
        return None
    if found.startswith("an INI") and re.search(r"^\[(?:net|network|convolutional)\]", text, re.MULTILINE):
        return DARKNET_CFG
    if found == "XML" and re.search(r"<net\b", text):
        return FileKind("an OpenVINO model", _OTHER_FRAMEWORK)
    if found == "XML" and re.search(r"<html\b", text, re.IGNORECASE):
        return WEB_PAGE
    return _LANGUAGES.get(found, FileKind(found))


def _as_text(head: bytes) -> str | None:
    """Return the head as text, the cut perhaps through a character; None if it is none."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return None
