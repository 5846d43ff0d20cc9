import threading

import numba
import pytest

from caffelite.core import container
from caffelite.core.kernels.jit import threads


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
