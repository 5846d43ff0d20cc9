"""What a result depends on besides its files: versions, processor, threads."""

from __future__ import annotations

import platform
from importlib.metadata import version

from caffelite.cli import hardware

PACKAGES = ("numpy", "numba", "llvmlite", "protobuf")


def facts() -> list[tuple[str, str]]:
    """Return names and values, in the order in which people read them."""
    from caffelite import __version__
    from caffelite.core.kernels.jit.threads import thread_count

    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        ("caffelite", __version__),
        ("Python", f"{platform.python_version()}, {versions}"),
        ("system", platform.platform()),
        ("processor", f"{hardware.cpu_model()}; {hardware.core_counts()}"),
        ("threads of a kernel", str(thread_count())),
    ]
