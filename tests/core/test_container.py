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


@pytest.mark.parametrize(("text", "limit"), [("max\n", None), ("1048576\n", 2**20)])
def test_the_limit_of_a_container_counts(tmp_path, monkeypatch, text, limit):
    (tmp_path / "memory.max").write_text(text)
    monkeypatch.setattr(container, "_LIMIT_FILES", (str(tmp_path / "memory.max"), str(tmp_path / "absent")))
    monkeypatch.setattr(container, "_machine_available", lambda: 2**30)
    assert container.available() == (2**30 if limit is None else limit)


def test_a_budget_adds_up_what_is_taken(monkeypatch):
    monkeypatch.setattr(container, "available", lambda: 100)
    budget = container.Budget()
    budget.take(60, "one layer")
    budget.require(40, "another")
    with pytest.raises(NetError, match="another needs 41 B of memory and 40 B are available"):
        budget.require(41, "another")
    with pytest.raises(NetError, match="both needs 101 B of memory and 100 B are available"):
        budget.take(41, "both")
