"""The clock of the benchmarks: candidates take turns in one process; medians, spread and the machine are printed."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import NamedTuple

# Idle workers of the other library (OpenMP, BLAS) spin for some 20 ms after their last task and would take our cores.
SPINNING = 0.04
# After a sleep two threads may share a core until the scheduler's next tick.
WARM_UP = 0.012

Sample = tuple[float, ...]  # seconds of the parts of one run, for instance (forward, backward)


class Timing(NamedTuple):
    """Medians of all samples, and of each block, in seconds; one value a part."""

    median: Sample
    blocks: list[Sample]

    @property
    def total(self) -> float:
        """Median of the whole run: the sum of the parts' medians."""
        return sum(self.median)

    def spread(self) -> tuple[float, float]:
        """Whole run of the fastest and of the slowest block."""
        totals = [sum(block) for block in self.blocks]
        return min(totals), max(totals)


def interleave(candidates: Mapping[str, Callable[[], Sample]], blocks: int = 5, samples: int = 5) -> dict[str, Timing]:
    """Run the candidates in turns, `blocks` times `samples` runs each, and return their timings.

    Each block begins with a pause and with runs that do not count: at least one, and as many as WARM_UP takes.
    """
    taken: dict[str, list[list[Sample]]] = {name: [] for name in candidates}
    for run in candidates.values():
        run()
    for _ in range(blocks):
        for name, run in candidates.items():
            time.sleep(SPINNING)
            warm = time.perf_counter() + WARM_UP
            run()
            while time.perf_counter() < warm:
                run()
            taken[name].append([run() for _ in range(samples)])
    return {name: Timing(_medians(sum(runs, [])), [_medians(block) for block in runs]) for name, runs in taken.items()}


def _medians(samples: list[Sample]) -> Sample:
    return tuple(median(part) for part in zip(*samples, strict=True))


def ratio_text(ours: Timing, other: Timing) -> str:
    """Return `other / ours` of the medians, and the lowest and highest of the blocks, which ran side by side."""
    ratios = [sum(b) / sum(a) for a, b in zip(ours.blocks, other.blocks, strict=True)]
    return f"{other.total / ours.total:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def machine_text(threads: int, packages: tuple[str, ...]) -> str:
    """Return processor, threads and versions in one line."""
    versions = ", ".join(f"{package} {_version(package)}" for package in packages)
    return f"{_processor()}, {os.cpu_count()} cores, {threads} threads; Python {platform.python_version()}, {versions}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
