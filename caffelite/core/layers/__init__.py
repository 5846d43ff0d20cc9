"""Importing this package registers every layer type; a new file here is enough."""

from importlib import import_module
from pkgutil import iter_modules

for _found in iter_modules(__path__):  # no list by hand: two people adding layers never edit the same line
    import_module(f"{__name__}.{_found.name}")
