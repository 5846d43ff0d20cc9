import pytest

from caffelite.cli import hardware

CPUINFO = """processor\t: 0
model name\t: A Processor @ 3.00GHz
physical id\t: 0
core id\t\t: 0

processor\t: 1
model name\t: A Processor @ 3.00GHz
physical id\t: 0
core id\t\t: 0

processor\t: 2
model name\t: A Processor @ 3.00GHz
physical id\t: 0
core id\t\t: 1
"""


def test_cpuinfo():
    assert hardware.cpuinfo_field(CPUINFO, "model name") == "A Processor @ 3.00GHz"
    assert hardware.cpuinfo_field(CPUINFO, "flags") == ""
    assert hardware.physical_cores(CPUINFO) == 2
    assert hardware.physical_cores("") == 0


@pytest.mark.parametrize(
    ("features", "unit"),
    [
        (["sse2", "avx", "avx2", "avx512f"], ("AVX-512", 512)),
        (["sse2", "sse4.2", "avx", "avx2"], ("AVX2", 256)),
        (["neon"], ("NEON", 128)),
        ([], ("none", 0)),
    ],
)
def test_vector_unit(features, unit):
    assert hardware.vector_unit(features) == unit


def test_caches(tmp_path):
    entries = [("1", "Data", "48K", "0"), ("1", "Instruction", "32K", "0"), ("3", "Unified", "32M", "0-3")]
    for index, texts in enumerate(entries):
        entry = tmp_path / f"index{index}"
        entry.mkdir()
        for name, text in zip(("level", "type", "size", "shared_cpu_list"), texts, strict=True):
            (entry / name).write_text(text + "\n")
    assert hardware.caches(tmp_path) == {"L1": "48 KiB a core", "L3": "32 MiB, shared by threads 0-3"}
    assert hardware.caches(tmp_path / "nowhere") == {}


def test_a_machine_that_tells_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, "PROC_CPUINFO", tmp_path / "nowhere")
    assert hardware.cpu_model()
    assert "threads" in hardware.core_counts()
