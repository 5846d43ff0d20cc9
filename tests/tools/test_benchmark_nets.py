import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*options):
    command = [sys.executable, ROOT / "tools/benchmarks/nets.py", *options]
    return subprocess.run(command, capture_output=True, text=True)


def test_times_a_net_and_each_of_its_layers():
    net = f"{ROOT}/models/lenet/train_val_mnist.prototxt:2"
    done = run(net, "--threads=1", "--blocks=1", "--samples=1", "--per-layer")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^  caffelite +[\d.]+ \+ +[\d.]+ = +[\d.]+ \(", done.stdout, re.MULTILINE)
    assert re.search(r"^    conv2 +Convolution +[\d.]+ \+ +[\d.]+ =", done.stdout, re.MULTILINE)


def test_asks_for_the_size_of_a_sample(tmp_path):
    (tmp_path / "net.prototxt").write_text('layer { name: "data" type: "Data" top: "data" }')
    done = run(f"{tmp_path}/net.prototxt:2")
    assert done.returncode != 0
    assert "how large is a sample? Give --sample CHANNELS,HEIGHT,WIDTH" in done.stderr
