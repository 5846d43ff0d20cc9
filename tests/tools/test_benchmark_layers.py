import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "tools/benchmarks/layers.py"
RUN_WITHOUT_PYTORCH = """
import importlib.util, runpy, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else find(name, *rest)
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_times_layers_without_pytorch():
    words = [SCRIPT, "ReLU", "--threads=1", "--blocks=1", "--samples=1"]
    done = subprocess.run([sys.executable, "-c", RUN_WITHOUT_PYTORCH, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    time = r" +\d+ us +\d+ +-"
    assert re.search(rf'^"ReLU"{time}{time}$', done.stdout, re.MULTILINE)
