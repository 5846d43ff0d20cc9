import os
import subprocess
import sys
import threading

import numba
import pytest

from caffelite.core import container
from caffelite.core.kernels.jit import threads

NET = """
layer { name: "data" type: "Data" top: "x" top: "label" transform_param { scale: 0.004 mirror: true }
    data_param { source: "SOURCE" backend: LMDB batch_size: 4 } }
layer { name: "wide" type: "Convolution" bottom: "x" top: "wide" convolution_param { num_output: 32 kernel_size: 3
    pad: 1 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "wide" top: "wide" }
layer { name: "depthwise" type: "Convolution" bottom: "wide" top: "depthwise" convolution_param { num_output: 32
    kernel_size: 3 group: 32 weight_filler { type: "xavier" } } }
layer { name: "point" type: "Convolution" bottom: "depthwise" top: "point" convolution_param { num_output: 64
    kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "strided" type: "Convolution" bottom: "point" top: "strided" convolution_param { num_output: 32
    kernel_size: 5 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "strided" top: "ip" inner_product_param { num_output: 100
    weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
IN_A_POOL = """
import logging, multiprocessing, os, sys
import numpy as np
import caffelite

logging.basicConfig(level=logging.WARNING)
caffelite.set_random_seed(5)
net = caffelite.Net(sys.argv[1], caffelite.TRAIN)

def train(_=None):
    net.clear_param_diffs()
    net.forward()
    net.backward()
    gradients = [blob.diff.copy() for blobs in net.params.values() for blob in blobs]
    return os.getpid(), net.blobs["x"].data.copy(), gradients

train()
with multiprocessing.get_context("fork").Pool(2) as pool:
    seen = pool.map(train, range(6), chunksize=1)
here = [train() for _ in range(6)]
for pid in {pid for pid, _, _ in seen}:  # each child goes on from where the parent stood
    for (_, data, gradients), (_, wanted, wanted_gradients) in zip([one for one in seen if one[0] == pid], here):
        np.testing.assert_array_equal(data, wanted)
        for ours, theirs in zip(gradients, wanted_gradients, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())
print(len({pid for pid, _, _ in seen}))
"""
BEFORE_THE_THREADS = """
import logging, os
import numba
import numpy as np
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.kernels.updates.loop import cut, sums_of_squares

logging.basicConfig(level=logging.WARNING)
def run():
    values = np.ones(100_000, np.float32)
    pieces = cut([0], [values.size])
    sums = np.empty(len(pieces))
    sums_of_squares(values, pieces, sums)
    assert sums.sum() == values.size
    return thread_count()
for round in range(2):
    child = os.fork()
    if child == 0:
        print(run(), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    run()
"""
WHILE_COMPILING = """
import os, threading, time
from caffelite.core.kernels.jit.compile import kernel

def add(number):
    scope = {}
    exec(f"def add(x):\\n    return x + {number}", scope)
    return kernel(scope["add"])(0)

def go_on():
    for number in range(10**9):
        add(number)

threading.Thread(target=go_on, daemon=True).start()
time.sleep(1)
for _ in range(5):
    time.sleep(0.01)
    child = os.fork()
    if child == 0:
        os._exit(add(7))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
os._exit(0)
"""


def assert_runs(script, *words):
    """Run it on two threads, but not for ever: what is tested here used to wait."""
    command = [sys.executable, "-c", script, *words]
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    return done


def test_a_net_that_has_run_goes_on_in_the_processes_of_a_pool(tmp_path, golden_folder):
    (tmp_path / "net.prototxt").write_text(NET.replace("SOURCE", str(golden_folder / "data" / "raw_lmdb")))
    done = assert_runs(IN_A_POOL, tmp_path / "net.prototxt")
    warnings = [line for line in done.stderr.splitlines() if "was forked after kernels had run" in line]
    assert len(warnings) == int(done.stdout)


def test_only_a_process_that_lost_threads_runs_on_one(tmp_path):
    done = assert_runs(BEFORE_THE_THREADS)
    assert done.stdout.split() == ["2", "1"]
    assert done.stderr.count("was forked after") == 1


def test_a_process_that_is_forked_while_a_thread_compiles_can_compile():
    assert_runs(WHILE_COMPILING)


@pytest.fixture
def quota(monkeypatch):
    """Let the container allow so many cores: quota(1)."""

    def allow(cores):
        monkeypatch.setattr(container, "cpu_quota", lambda: cores)
        monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
        threads._quota.cache_clear()

    yield allow
    threads._quota.cache_clear()


def counted_in_another_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(threads.thread_count()))
    thread.start()
    thread.join()
    return found[0]


def test_the_quota_holds_in_every_thread(quota):
    quota(1)
    assert threads.thread_count() == 1
    assert counted_in_another_thread() == 1


def test_numbas_setting_counts_below_the_quota(quota):
    quota(1000)
    assert threads.thread_count() == numba.get_num_threads()
    quota(None)
    assert threads.thread_count() == numba.get_num_threads()


def test_the_users_word_stands_above_the_quota(quota, monkeypatch):
    quota(1)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    assert threads.thread_count() == numba.get_num_threads()


def test_a_pool_runs_every_share_and_raises_what_one_raises():
    seen = set()

    def share(values, worker, workers):
        seen.add((worker, workers))
        if worker == values:
            raise ValueError(f"worker {worker}")

    threads.run_in_pool(share, 3, (9,))
    assert seen == {(0, 3), (1, 3), (2, 3)}
    for worker in range(3):
        with pytest.raises(ValueError, match=f"worker {worker}"):
            threads.run_in_pool(share, 3, (worker,))
