"""What a file is that was given in place of weights, told from its first bytes."""

import codecs
import re

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive (a PyTorch, Keras or numpy file, perhaps)"),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"BZh", "compressed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "compressed with xz; unpack it first"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with `git lfs pull`"),
)
_WEB_PAGE = re.compile(rb"\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def looks_like(head: bytes) -> str:
    """Return what a file beginning with `head` is, such as `an HDF5 file`; "" for what may be a binary message."""
    if not head:
        return "an empty file"
    if head.startswith(HDF5_SIGNATURE):
        return "an HDF5 file"
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if _WEB_PAGE.match(head):
        return "a web page; the download was answered with a page instead of the file"
    # A binary message begins with a tag, and nearly all tags of ours are control characters or not ASCII at all.
    if not _CONTROL.search(head) and _is_ascii_or_utf8(head):
        return "a text file (a prototxt describes a net, its weights are in a caffemodel)"
    return ""


def _is_ascii_or_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the cut may go through a character
    except UnicodeDecodeError:
        return False
    return True
