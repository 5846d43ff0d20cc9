import gc
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

from caffelite.core.data.prefetch import Prefetcher


class Counter:
    """Loads 0, 1, 2, ... into buffers of one number."""

    def __init__(self, fail_at=None):
        self.loaded, self.fail_at = 0, fail_at

    def load(self, buffer):
        if self.loaded == self.fail_at:
            raise ValueError(f"record {self.loaded}")
        buffer[0] = self.loaded
        self.loaded += 1


def taken(prefetcher, count):
    numbers = []
    for _ in range(count):
        with prefetcher.batch() as buffer:
            numbers.append(buffer[0])
    return numbers


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert condition()


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_batches_come_in_order(ahead):
    prefetcher = Prefetcher(Counter().load, [[None] for _ in range(ahead)])
    assert taken(prefetcher, 50) == list(range(50))
    prefetcher.close()


def test_reads_no_further_ahead_than_it_has_buffers():
    counter = Counter()
    prefetcher = Prefetcher(counter.load, [[None] for _ in range(3)])
    wait_until(lambda: counter.loaded == 3)
    with prefetcher.batch():
        time.sleep(0.02)
        assert counter.loaded == 3  # the buffer is in use
    wait_until(lambda: counter.loaded == 4)
    prefetcher.close()


def test_an_error_comes_when_its_batch_is_due_and_again():
    counter = Counter(fail_at=2)
    prefetcher = Prefetcher(counter.load, [[None] for _ in range(4)])
    assert taken(prefetcher, 2) == [0, 1]
    for _ in range(3):
        with pytest.raises(ValueError, match="record 2"):
            taken(prefetcher, 1)
    prefetcher.close()


def test_an_error_of_the_user_of_a_batch_gives_its_buffer_back():
    prefetcher = Prefetcher(Counter().load, [[None]])
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt), prefetcher.batch():
            raise KeyboardInterrupt
    assert taken(prefetcher, 1) == [3]
    prefetcher.close()


def test_close_ends_the_thread():
    prefetcher = Prefetcher(Counter().load, [[None] for _ in range(4)])
    taken(prefetcher, 3)
    prefetcher.close()
    assert not prefetcher.threads[0].is_alive()
    prefetcher.close()


def test_after_close_there_are_no_more_batches():
    prefetcher = Prefetcher(Counter().load, [[None]])
    prefetcher.close()
    with pytest.raises(RuntimeError, match="no more batches"):
        for _ in range(2):
            taken(prefetcher, 1)


def test_the_thread_ends_when_nobody_has_the_prefetcher():
    counter = Counter()
    prefetcher = Prefetcher(counter.load, [[None]])
    thread, source = prefetcher.threads[0], weakref.ref(counter)
    del prefetcher, counter
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
    assert source() is None


def test_says_that_it_waits_but_not_for_the_first(caplog):
    caplog.set_level("INFO")
    gate = threading.Semaphore(1)

    def load(buffer):
        gate.acquire()

    prefetcher = Prefetcher(load, [[None]])
    with prefetcher.batch():
        assert not caplog.records
    threading.Timer(0.05, gate.release).start()
    with prefetcher.batch():
        assert [record.message for record in caplog.records] == ["Waiting for data"]
    gate.release()
    prefetcher.close()


def test_memory_does_not_grow():
    seen = set()
    buffers = [[None] for _ in range(3)]
    prefetcher = Prefetcher(Counter().load, buffers)
    for _ in range(100):
        with prefetcher.batch() as buffer:
            seen.add(id(buffer))
    prefetcher.close()
    assert seen == set(map(id, buffers))


AT_EXIT = """
import time
from caffelite.core.data.prefetch import Prefetcher
def load(buffer):
    time.sleep({seconds})
kept = Prefetcher(load, [[None] for _ in range(4)])
with kept.batch():
    print("one", flush=True)
{after}
"""


@pytest.mark.parametrize("after", ["", "raise SystemExit(0)", "del kept"])
def test_the_program_ends(after):
    script = AT_EXIT.format(seconds=0.01, after=after)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "one\n"
    assert run.stderr == ""


FORKING = """
import os, time
from caffelite.core.data.prefetch import Prefetcher

filling = False
def load(buffer):
    global filling
    filling = True
    time.sleep(0.01)
    filling = False

kept = Prefetcher(load, [[None] for _ in range(4)])
for _ in range(20):
    with kept.batch():
        pass
    child = os.fork()
    if child == 0:
        if filling or not kept.has_lost_its_thread:
            os._exit(1)
        kept.close()
        if os.fork() == 0:  # a fork of a fork has no thread to wait for
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not kept.has_lost_its_thread
"""


# Python 3.12 and later warn of any fork of a process with threads.
FORKING_PYTHON = [sys.executable, "-W", "ignore:This process:DeprecationWarning"]


def test_no_buffer_is_being_filled_while_the_process_forks():
    run = subprocess.run([*FORKING_PYTHON, "-c", FORKING], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


WORKERS_FORKING = """
import os, threading, time
from caffelite.core.data.prefetch import Prefetcher

busy = 0
lock = threading.Lock()
class Work:
    def pieces(self):
        for _ in range(6):
            yield self.piece
    def piece(self):
        global busy
        with lock:
            busy += 1
        time.sleep(0.002)
        with lock:
            busy -= 1
    def finish(self):
        return True

kept = Prefetcher(lambda buffer: Work(), [[None] for _ in range(4)], 3)
for _ in range(20):
    with kept.batch():
        pass
    child = os.fork()
    if child == 0:
        if busy or lock.locked() or not kept.has_lost_its_thread:
            os._exit(1)
        kept.close()
        other = Prefetcher(lambda buffer: Work(), [[None]], 3)
        with other.batch():
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(kept.threads) == 4
"""


def test_no_worker_works_while_the_process_forks():
    run = subprocess.run([*FORKING_PYTHON, "-c", WORKERS_FORKING], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


def test_waiting_is_measured_but_for_the_first():
    def load(buffer):
        time.sleep(0.2)

    prefetcher = Prefetcher(load, [[None]])
    taken(prefetcher, 1)
    assert prefetcher.waited == 0
    first = prefetcher.first_wait
    assert 0.04 < first  # it begins before it is asked for, by much on a busy machine
    taken(prefetcher, 2)
    assert 0.05 < prefetcher.waited
    assert prefetcher.first_wait == first
    prefetcher.close()


def test_an_interrupt_ends_waiting():
    script = AT_EXIT.format(seconds=0.3, after="while True:\n    with kept.batch():\n        print('more', flush=True)")
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"one\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors
    assert b"Fatal" not in errors
