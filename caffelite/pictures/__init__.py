"""Pictures of a net: its filters, activations and gradients, how im2col sees it, and how it was trained.

matplotlib draws them (extra `plot`), on figures of their own: pyplot's state is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffelite.core.errors import UsageError
from caffelite.core.prototxt.suggest import any_of, did_you_mean

if TYPE_CHECKING:
    from caffelite.core.net.net import Net
    from caffelite.pictures.figure import Picture

KINDS = ("filters", "activations", "gradients", "im2col")


def show(net: Net, kind: str, layer: str | None = None, sample: int = 0) -> Picture:
    """Return a picture of the net as it is now; see Net.show. Raises UsageError or UnknownNameError."""
    require_matplotlib()
    if kind not in KINDS:
        raise UsageError(f'there is no picture "{kind}"{did_you_mean(kind, KINDS) or f"; use {any_of(KINDS)}"}')
    if kind == "filters":
        from caffelite.pictures.filters import show_filters

        return show_filters(net, layer)
    if kind == "im2col":
        from caffelite.pictures.im2col import show_im2col

        return show_im2col(net, layer)
    from caffelite.pictures.blobs import show_activations, show_gradients

    return show_activations(net, layer, sample) if kind == "activations" else show_gradients(net, layer, sample)


def require_matplotlib() -> None:
    """Raise UsageError, which names the extra, if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("pictures are drawn by matplotlib: pip install 'caffelite[plot]'") from None
