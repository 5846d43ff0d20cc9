"""What is known of this machine's processor: from /proc and /sys on Linux, elsewhere what Python and LLVM know."""

import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

PROC_CPUINFO = Path("/proc/cpuinfo")
CPU0_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")

# Widest first: LLVM's feature name, how people call it, bits of a vector register.
VECTOR_UNITS = (
    ("avx512f", "AVX-512", 512),
    ("avx2", "AVX2", 256),
    ("avx", "AVX", 256),
    ("neon", "NEON", 128),
    ("sse4.2", "SSE4.2", 128),
    ("sse2", "SSE2", 128),
)


class VectorUnit(NamedTuple):
    """The widest vector instructions that the compiler may use."""

    name: str
    bits: int


def cpu_model() -> str:
    """Return the processor's name."""
    return cpuinfo_field(_read(PROC_CPUINFO), "model name") or platform.processor() or platform.machine() or "unknown"


def cpuinfo_field(cpuinfo: str, name: str) -> str:
    """Return the first value of a field of /proc/cpuinfo; "" if there is none."""
    return next(iter(_values(cpuinfo, name)), "")


def physical_cores(cpuinfo: str) -> int:
    """Count the cores in the text of /proc/cpuinfo, of which each may run several threads; 0 if it does not say."""
    return len(set(zip(_values(cpuinfo, "physical id"), _values(cpuinfo, "core id"), strict=False)))


def core_counts() -> str:
    """Return how many cores and threads there are, and how many of them this process may use."""
    threads = os.cpu_count() or 1
    cores = physical_cores(_read(PROC_CPUINFO))
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else threads
    known = f"{cores} cores, {threads} threads" if cores else f"{threads} threads"
    return f"{known}, {usable} usable"


def caches(folder: Path = CPU0_CACHES) -> dict[str, str]:
    """Return size and sharing of the data caches of the first core, as "L2": "1024 KiB, shared by cores 0-3"."""
    found = {}
    for entry in sorted(folder.glob("index*")):
        if _read(entry / "type") == "Instruction":
            continue
        size = _read(entry / "size").replace("K", " KiB").replace("M", " MiB")
        sharing = _read(entry / "shared_cpu_list")
        shared = any(mark in sharing for mark in "-,")
        found[f"L{_read(entry / 'level')}"] = f"{size}, shared by threads {sharing}" if shared else f"{size} a core"
    return found


def vector_unit(features: Iterable[str]) -> VectorUnit:
    """Return the widest vector unit among LLVM's names of processor features."""
    known = set(features)
    for feature, name, bits in VECTOR_UNITS:
        if feature in known:
            return VectorUnit(name, bits)
    return VectorUnit("none", 0)


def _values(cpuinfo: str, name: str) -> list[str]:
    pairs = (line.partition(":") for line in cpuinfo.splitlines())
    return [value.strip() for key, _, value in pairs if key.strip() == name]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
