import pytest

from caffelite.checking.file import check_file
from caffelite.checking.net import Options


@pytest.fixture
def problems(tmp_path, monkeypatch):
    """Check a text: problems(text) -> lines `12: error: text`, the file left out."""
    monkeypatch.chdir(tmp_path)

    def check(text, name="net.prototxt", **options):
        state = {key: options.pop(key) for key in ("phase", "level", "stages") if key in options}
        (tmp_path / name).write_text(text)
        return [str(problem).removeprefix(f"{name}:") for problem in check_file(name, Options(**options), **state)]

    return check
