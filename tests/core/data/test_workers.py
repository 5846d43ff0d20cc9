import pytest

from caffelite.core import container
from caffelite.core.data.workers import MOST, VARIABLE, worker_count
from caffelite.core.errors import UsageError


def test_as_given_else_as_the_environment_says_else_one_a_core(monkeypatch):
    monkeypatch.setattr(container, "usable_cores", lambda: 3)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert worker_count(None) == 3
    monkeypatch.setenv(VARIABLE, "7")
    assert (worker_count(None), worker_count(5)) == (7, 5)
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(container, "usable_cores", lambda: 1000)
    assert worker_count(None) == MOST


def test_refuses_what_is_no_number_of_threads(monkeypatch):
    with pytest.raises(UsageError, match="data_workers is 0; use 1 or more"):
        worker_count(0)
    for text in ("0", "-1", "many", ""):
        monkeypatch.setenv(VARIABLE, text)
        with pytest.raises(UsageError, match=rf'{VARIABLE} is "{text}"; write how many threads'):
            worker_count(None)
