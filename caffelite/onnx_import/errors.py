"""What of an ONNX file has no Caffe layer, said by the node's name, its operator and what to do instead."""

from __future__ import annotations

from caffelite.core.errors import CaffeliteError


class OnnxError(CaffeliteError, ValueError):
    """An ONNX file cannot be read, or holds what Caffe's layers cannot say."""


class NodeError(OnnxError):
    """A node that cannot be said: `about` is the operator, or an attribute or input of it with its value."""

    def __init__(self, node: str, operator: str, about: str, fix: str) -> None:
        super().__init__(node, operator, about, fix)
        self.node, self.operator, self.about, self.fix = node, operator, about, fix

    def message(self) -> str:
        """Return `node "name" (Operator): attribute mode is "linear"; what to do instead`."""
        return f'node "{self.node}" ({self.operator}): {self.about}; {self.fix}'


def first_line(err: Exception) -> str:
    """Return the first line of what another package says, or the error's type where it says nothing."""
    return next(filter(None, map(str.strip, str(err).splitlines())), type(err).__name__)
