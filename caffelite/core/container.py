"""What this machine, or the container around the process, allows: memory and processors.

A net that cannot fit is refused with the figure, before any memory is taken. Containers limit both by control groups
(cgroups, version 1 or 2), which may lie within each other; the narrowest counts.
"""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from caffelite.core.errors import NetError

ROOT = Path("/")
NO_LIMIT = 2**60  # bytes; version 1 writes nearly 2^63 where there is no limit


def available() -> int:
    """Bytes that this process can still take: free memory of the machine, or what a limit leaves.

    Limits are those of the container and of the process (`ulimit -v`).
    """
    return min([_machine_available(), *_memory_left(ROOT), *_addresses_left(ROOT)])


def cpu_quota(root: Path = ROOT) -> int | None:
    """Cores that the container may keep busy, rounded down to at least 1; None where there is no limit.

    `root` is the folder that stands for /.
    """
    shares = []
    for folder in _groups(root, "cpu"):
        in_one, _, period_in_one = _text(folder / "cpu.max").partition(" ")
        for quota, period in (
            (_whole(in_one), _whole(period_in_one)),
            (_number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")),
        ):
            if quota is not None and period and quota > 0:  # version 1 writes -1 where there is no limit
                shares.append(max(1, quota // period))
    return min(shares, default=None)


def usable_cores(root: Path = ROOT) -> int:
    """Cores that this process may keep busy: those that it is bound to, or fewer if the container allows fewer."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(root)
    return bound if quota is None else min(bound, quota)


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

    def __init__(self, have: int | None = None) -> None:
        """`have` stands for what is available, where nothing will be taken."""
        self.have = available() if have is None else have
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


def _memory_left(root: Path) -> Iterator[int]:
    """Give what the limit of each control group leaves; pages of files that are not in use count as free."""
    for folder in _groups(root, "memory"):
        for limit_file, used_file, idle in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit, used = _number(folder / limit_file), _number(folder / used_file)
            if limit is not None and limit < NO_LIMIT:
                yield max(0, limit - max(0, (used or 0) - _field(folder / "memory.stat", idle)))


def _addresses_left(root: Path) -> Iterator[int]:
    """Give what the limit on the process's addresses leaves, if there is one."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _text(root / "proc" / "self" / "statm").partition(" ")[0]
    if limit != resource.RLIM_INFINITY and pages.isdigit():
        yield max(0, limit - int(pages) * resource.getpagesize())


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the control groups that the process is in, from its own out to the outermost, of both versions.

    Inside a container the path may be one of the machine's, which is not to be seen here; then the mounted folder is
    the container's own group.
    """
    mounts = root / "sys" / "fs" / "cgroup"
    seen = set()
    for line in _text(root / "proc" / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if (names and controller not in names.split(",")) or ".." in path.split("/"):
            continue
        for mount in (mounts / controller, mounts / names) if names else (mounts, mounts / "unified"):
            inner = mount / path.lstrip("/")
            for folder in (inner, *inner.parents):
                if folder.is_relative_to(mount) and folder not in seen and os.path.isdir(folder):
                    seen.add(folder)
                    yield folder


def _number(path: Path) -> int | None:
    """Return the number in a file; None where there is none or it says "max"."""
    return _whole(_text(path))


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _field(path: Path, name: str) -> int:
    """Return a number of a file with `name number` lines; 0 where it is missing."""
    for line in _text(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return _whole(value) or 0
    return 0


def _text(path: Path) -> str:
    """Return the text of a file; "" where it cannot be read, as without cgroups."""
    try:
        return path.read_text()
    except OSError:
        return ""
