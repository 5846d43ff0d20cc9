import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from caffelite.testing import run_golden

# Several workers run tests side by side; numba reads this when the first kernel is loaded, after these imports.
os.environ.setdefault("NUMBA_NUM_THREADS", "2")

# A shell lets what it runs in the background ignore Ctrl-C, and so would the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

GOLDEN = Path(__file__).parent / "golden"


class Waiting:
    """Says on a terminal, behind the dots, for which tests pytest waits: some compile kernels for long."""

    SILENCE = 1.0  # seconds without a dot or a word

    def __init__(self, terminal):
        self.terminal = terminal
        self.running = {}  # test -> when it began
        self.reported, self.shown, self.lock, self.ended = time.monotonic(), False, threading.Lock(), threading.Event()
        threading.Thread(target=self.say, daemon=True).start()

    def say(self):
        while not self.ended.wait(self.SILENCE / 2):
            with self.lock:
                now = time.monotonic()
                if self.running and now - self.reported >= self.SILENCE:
                    tests = ", ".join(f"{test} {now - began:.0f} s" for test, began in self.running.items())
                    # without wrapping, and then back to where the next dot comes
                    self.terminal.write(f"\x1b7\x1b[?7l\x1b[K  {tests}\x1b[?7h\x1b8")
                    self.terminal.flush()
                    self.reported, self.shown = now, True

    def clear(self):
        self.reported = time.monotonic()
        if self.shown:
            self.terminal.write("\x1b[K")
            self.terminal.flush()
            self.shown = False

    def pytest_runtest_logstart(self, nodeid):
        with self.lock:
            self.running[nodeid.rpartition("/")[2]] = time.monotonic()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        with self.lock:
            self.clear()

    def pytest_runtest_logfinish(self, nodeid):
        with self.lock:
            self.running.pop(nodeid.rpartition("/")[2], None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self):
        self.ended.set()
        with self.lock:
            self.clear()


def pytest_configure(config):
    if not hasattr(config, "workerinput") and sys.stdout is not None and sys.stdout.isatty():
        config.pluginmanager.register(Waiting(os.fdopen(os.dup(sys.stdout.fileno()), "w")))  # capturing replaces it


TINY_NET = """
name: "TinyTestNetwork"
layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 5 dim: 2 dim: 3 dim: 4 } shape { dim: 5 }
    data_filler { type: "gaussian" std: 0.01 } data_filler { type: "constant" value: 0 } } }
layer { name: "innerproduct" type: "InnerProduct" bottom: "data" top: "innerproduct"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  inner_product_param { num_output: 10 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "innerproduct" bottom: "label" top: "top_loss" }
"""

RESUMABLE_NET = """
layer {{ name: "data" type: "Data" top: "x" top: "label" transform_param {{ mirror: true crop_size: 9 scale: 0.004 }}
    data_param {{ source: "{source}" backend: LMDB batch_size: 4 }} }}
layer {{ name: "noise" type: "DummyData" top: "noise" top: "t" dummy_data_param {{
    shape {{ dim: 2 dim: 2 dim: 3 }} shape {{ dim: 4 dim: 2 }} data_filler {{ type: "gaussian" std: 1 }} }} }}
layer {{ name: "cont" type: "DummyData" top: "cont" dummy_data_param {{ shape {{ dim: 2 dim: 2 }}
    data_filler {{ type: "constant" value: 1 }} }} }}
layer {{ name: "lstm" type: "LSTM" bottom: "noise" bottom: "cont" top: "lstm" recurrent_param {{ num_output: 2
    weight_filler {{ type: "gaussian" std: 0.5 }} }} }}
layer {{ name: "lstm_loss" type: "Reduction" bottom: "lstm" top: "lstm_loss" reduction_param {{ operation: SUMSQ }}
    loss_weight: 0.1 }}
layer {{ name: "drop" type: "Dropout" bottom: "x" top: "x" }}
layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param {{ num_output: 2
    weight_filler {{ type: "gaussian" std: 0.01 }} }} }}
layer {{ name: "silence" type: "Silence" bottom: "label" }}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }}
"""


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(scope="session")
def golden_folder():
    return GOLDEN


@pytest.fixture
def assert_equals_golden():
    """Run a case of golden/layers by its name and compare: assert_equals_golden("conv_basic")."""
    return lambda name, dtype=np.float32: run_golden(GOLDEN / "layers" / f"{name}.npz", dtype)


@pytest.fixture(scope="session")
def tiny_net():
    """Return the text of a net of Caffe's own tests: random data, one InnerProduct, a loss."""
    return TINY_NET


@pytest.fixture(scope="session")
def resumable_net(golden_folder):
    """Return the text of a net with all that a run depends on besides its parameters.

    A position in data, crops and mirrors, dropout, random data, and what an LSTM carries from batch to batch.
    """
    return RESUMABLE_NET.format(source=golden_folder / "data" / "raw_lmdb")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def serve(monkeypatch):
    """Serve a folder on this machine: serve(folder) -> address."""
    monkeypatch.setenv("no_proxy", "*")
    running = []

    def start(folder):
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), lambda *args: QuietHandler(*args, directory=str(folder))
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB, 16 files and folders among them; skips where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = shutil.which("mount")
    if command is None or os.getuid() != 0:
        pytest.skip("only root can mount a file system")
    size = "size=64k,nr_inodes=16,mode=755"
    done = subprocess.run([command, "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def full_disk(small_disk):
    """A file system without a free byte."""
    with pytest.raises(OSError, match="No space left"), open(small_disk / "filling", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return small_disk


@pytest.fixture
def read_only_disk(small_disk):
    """A file system that can only be read."""
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    return small_disk


@pytest.fixture(scope="module")  # playwright runs an event loop, beside which no other may be
def chromium():
    """A browser. Without one the test is skipped, but not in CI, which has to have one."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip("needs playwright: pip install 'caffelite[browser]'")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        assert not os.environ.get("CI"), "CI installs chromium; see .ci/run"
        pytest.skip("needs chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
