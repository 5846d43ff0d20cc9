"""One file a family of ONNX operators; importing this package finds them, so a new file here is enough."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

for _found in iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")
