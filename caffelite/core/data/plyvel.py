"""The package that brings LevelDB, imported when the first LevelDB database is opened or made."""

from __future__ import annotations

import sys
from typing import Any

from caffelite.core.errors import DataError


def plyvel() -> Any:
    """Return the module plyvel, or plyvel_next, which has its names; DataError if neither is installed."""
    try:
        if sys.version_info >= (3, 13):
            import plyvel_next as module
        else:
            import plyvel as module
    except ImportError:
        raise DataError("LevelDB databases are read and written by plyvel: pip install 'caffelite[leveldb]'") from None
    return module
