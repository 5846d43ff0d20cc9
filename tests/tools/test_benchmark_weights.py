import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_times_loading_and_saving():
    script = ROOT / "tools/benchmarks/weights.py"
    command = [sys.executable, script, "--megabytes=1", "--blocks=1", "--samples=1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("reading the bytes", "copy_from, caffemodel", "copy_from, HDF5", "save", "save_hdf5"):
        assert re.search(rf"^  {name} +[\d.]+ ms \([\d.]+ to [\d.]+\) +[\d.]+ x the bytes$", done.stdout, re.MULTILINE)
