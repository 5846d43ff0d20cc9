"""How much memory there is: a net that cannot fit is refused with the figure, before any of it is taken."""

import os
from pathlib import Path

from caffelite.core.errors import NetError

_LIMIT_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available() -> int:
    """Bytes that this process can still take: free memory of the machine, or what the container's limit leaves."""
    machine = _machine_available()
    limits = [limit for limit in map(_read_limit, _LIMIT_FILES) if limit is not None]
    return min([machine, *limits])


def require(needed: int, what: str) -> None:
    """Raise NetError, naming `what` and both figures, if `needed` bytes are more than can be had."""
    _require(needed, available(), what)


def _require(needed: int, have: int, what: str) -> None:
    if needed > have:
        raise NetError(
            f"{what} needs {human(needed)} of memory and {human(have)} are available; "
            "use a smaller batch_size, num_output or input"
        )


class Budget:
    """What was available when it was made, and how much of it is spoken for; the system is asked once."""

    def __init__(self) -> None:
        self.have = available()
        self.taken = 0

    def take(self, needed: int, what: str) -> None:
        """Count `needed` bytes as spoken for; NetError with the sum if it is more than there was, `what` being all."""
        self.taken += needed
        _require(self.taken, self.have, what)

    def require(self, needed: int, what: str) -> None:
        """Raise NetError if `needed` bytes are more than what is left."""
        _require(needed, self.have - self.taken, what)


def human(count: int) -> str:
    """Bytes as people read them: 3.1 GiB."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _machine_available() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux: sysconf knows the whole memory, if not what is free
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _read_limit(path: str) -> int | None:
    """Bytes of a cgroup limit file; None where there is none or it says "max"."""
    try:
        text = Path(path).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
