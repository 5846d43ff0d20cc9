import os

import pytest

from caffelite.core import container
from caffelite.core.errors import NetError


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**31, "2.0 GiB"), (2**50, "1024.0 TiB")]
)
def test_bytes_are_written_for_people(count, text):
    assert container.human(count) == text


def test_what_fits_is_let_through_and_what_does_not_is_refused_with_both_figures():
    container.require(1, "a byte")
    with pytest.raises(
        NetError, match=r"the net needs 1024\.0 TiB of memory and [\d.]+ [MG]iB are available; use a smaller"
    ):
        container.require(2**50, "the net")


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Write files under a folder that stands for /: fake(files, groups="0::/"), on a machine with 1 TiB."""
    monkeypatch.setattr(container, "ROOT", tmp_path)
    monkeypatch.setattr(container, "_machine_available", lambda: 2**40)

    def write(files, groups="0::/\n"):
        for name, text in {"proc/self/cgroup": groups, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{text}\n")
        return tmp_path

    return write


GIB, MIB = 2**30, 2**20
V2, V1, BOTH = "sys/fs/cgroup", "sys/fs/cgroup/memory", "sys/fs/cgroup/cpu,cpuacct"


def test_what_is_used_of_a_limit_is_not_there_any_more(fake):
    fake({f"{V2}/memory.max": GIB, f"{V2}/memory.current": 900 * MIB})
    assert container.available() == GIB - 900 * MIB


def test_pages_of_files_that_are_not_in_use_count_as_free(fake):
    stat = f"anon 1\ninactive_file {300 * MIB}\nactive_file 7"
    fake({f"{V2}/memory.max": GIB, f"{V2}/memory.current": 900 * MIB, f"{V2}/memory.stat": stat})
    assert container.available() == GIB - 600 * MIB


def test_version_1(fake):
    files = {f"{V1}/memory.limit_in_bytes": GIB, f"{V1}/memory.usage_in_bytes": 900 * MIB}
    fake({**files, f"{V1}/memory.stat": f"total_inactive_file {100 * MIB}"}, "4:memory:/\n0::/")
    assert container.available() == GIB - 800 * MIB


def test_no_limit(fake):
    fake({f"{V2}/memory.max": "max", f"{V1}/memory.limit_in_bytes": 2**63 - 4096}, "4:memory:/\n0::/")
    assert container.available() == 2**40


def test_the_narrowest_of_groups_within_each_other(fake):
    inner = f"{V2}/a/b"
    fake(
        {
            f"{V2}/a/memory.max": 2 * GIB,
            f"{V2}/a/memory.current": 2 * GIB - MIB,
            f"{inner}/memory.max": GIB,
            f"{inner}/memory.current": 0,
        },
        "0::/a/b",
    )
    assert container.available() == MIB


def test_a_path_of_the_machine_that_the_container_does_not_see(fake):
    fake({f"{V2}/memory.max": GIB, f"{V2}/memory.current": 0}, "0::/docker/3f5a")
    assert container.available() == GIB


def test_the_limit_of_the_process(fake, monkeypatch):
    root = fake({"proc/self/statm": "1000 10 10 10 0 10 0"})
    monkeypatch.setattr(container.resource, "getrlimit", lambda which: (5000 * 4096, container.resource.RLIM_INFINITY))
    monkeypatch.setattr(container.resource, "getpagesize", lambda: 4096)
    assert container.available() == 4000 * 4096
    (root / "proc/self/statm").unlink()  # not Linux
    assert container.available() == 2**40


def test_more_than_the_limit_leaves_nothing(fake):
    fake({f"{V2}/memory.max": GIB, f"{V2}/memory.current": 2 * GIB})
    assert container.available() == 0


@pytest.mark.parametrize(
    ("files", "groups", "cores"),
    [
        ({f"{V2}/cpu.max": "200000 100000"}, "0::/", 2),
        ({f"{V2}/cpu.max": "50000 100000"}, "0::/", 1),
        ({f"{V2}/cpu.max": "max 100000"}, "0::/", None),
        ({f"{V2}/cpu.max": "max 100000", f"{V2}/a/cpu.max": "300000 100000"}, "0::/a", 3),
        ({f"{V2}/cpu.max": "150000 100000", f"{V2}/a/cpu.max": "300000 100000"}, "0::/a", 1),
        ({f"{V2}/cpu/cpu.cfs_quota_us": 400000, f"{V2}/cpu/cpu.cfs_period_us": 100000}, "1:cpu:/", 4),
        (
            {f"{V2}/cpu,cpuacct/cpu.cfs_quota_us": 250000, f"{V2}/cpu,cpuacct/cpu.cfs_period_us": 100000},
            "1:cpu,cpuacct:/",
            2,
        ),
        ({f"{V2}/cpu/cpu.cfs_quota_us": -1, f"{V2}/cpu/cpu.cfs_period_us": 100000}, "1:cpu:/", None),
        ({}, "", None),
    ],
)
def test_the_cpu_quota_of_a_container(fake, files, groups, cores):
    assert container.cpu_quota(fake(files, groups)) == cores


def test_a_budget_adds_up_what_is_taken(monkeypatch):
    monkeypatch.setattr(container, "available", lambda: 100)
    budget = container.Budget()
    budget.take(60, "one layer")
    budget.require(40, "another")
    with pytest.raises(NetError, match="another needs 41 B of memory and 40 B are available"):
        budget.require(41, "another")
    with pytest.raises(NetError, match="both needs 101 B of memory and 100 B are available"):
        budget.take(41, "both")


def test_cores_are_those_of_the_process_or_fewer(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    assert container.usable_cores(tmp_path) == 6
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("250000 100000\n")
    assert container.usable_cores(tmp_path) == 2
